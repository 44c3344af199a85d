# What CI runs; --full adds the sanitizers and the long forms.
sanitized() {  # PRESET TARGETS CTEST-ARGUMENTS...
  local preset="$1" target="$2"
  shift 2
  echo "dev: $preset: building $target"
  dev_configure "$preset" && cmake --build "build/$preset" --target $target &&  # words
    ctest --test-dir "build/$preset" --output-on-failure "$@"
}

dev_test() {
  local full=""
  case "${1:-}" in
    "") ;;
    --full) full=yes ;;
    *) echo "usage: ./dev test [--full]" >&2; return 2 ;;
  esac
  dev_python || return
  if [ -n "$full" ]; then
    sanitized asan "unit_tests arbiter_scenarios" -L "unit|scenario" || { echo "dev: AddressSanitizer run failed" >&2; return 1; }
    sanitized tsan tests_threads -L threads || { echo "dev: ThreadSanitizer run failed" >&2; return 1; }
    export FLEXAI_FUZZ_SECONDS=60 FLEXAI_FULL=1
  fi
  echo "dev: building"
  dev_build dev || return
  ctest --test-dir build/dev --output-on-failure  # last, so that its closing line is
}
