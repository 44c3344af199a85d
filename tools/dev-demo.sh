dev_demo() {
  dev_python && dev_build "$preset" && python3 test/demo/demo.py "$@"
}
