dev_test() {
  dev_build dev
  ctest --test-dir build/dev --output-on-failure
}
