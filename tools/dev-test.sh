# What CI runs; --full adds the sanitizers and the long forms.
sanitized() {  # PRESET TARGETS CTEST-ARGUMENTS...
  local preset="$1" target="$2"
  shift 2
  echo "dev: $preset: building $target"
  dev_configure "$preset" && cmake --build "build/$preset" --target $target &&  # words
    ctest --test-dir "build/$preset" --output-on-failure "$@"
}

served_sanitized() {  # PRESET: a short served run with everything but the driver built that way
  local preset="$1"
  echo "dev: $preset: building what is served"
  dev_configure "$preset" && cmake --build "build/$preset" --target served_programs &&
    python3 -B test/e2e/remote/sanitized_test.py "$PWD/build/$preset"
}

fuzzed() {  # each target of the fuzz preset for FLEXAI_FUZZ_SECONDS; what it finds stays in build/fuzz/found
  local program name found
  echo "dev: fuzz: building"
  dev_configure fuzz && cmake --build build/fuzz --target fuzz_targets || return
  for program in build/fuzz/bin/fuzz-*; do
    name="${program##*/fuzz-}" found="build/fuzz/found/${program##*/fuzz-}"
    mkdir -p "$found"
    echo "dev: fuzz: $name for $FLEXAI_FUZZ_SECONDS s"
    "$program" -max_total_time="$FLEXAI_FUZZ_SECONDS" -max_len=8192 -print_funcs=0 -verbosity=0 -artifact_prefix="$found/" \
      "$found" "test/fuzz/corpus/$name" 2>"$found.log" || { tail -40 "$found.log" >&2; return 1; }
  done
}

cluster_tested() {  # the whole test cluster, and what talks to its API server; the servers are built once a machine
  echo "dev: test cluster: building its servers, if they are not there"
  dev_build dev && dev_cluster build && python3 -B test/e2e/kube/cluster_test.py build/dev &&
    python3 -B test/e2e/kube/kube_test.py build/dev && python3 -B test/e2e/kube/proto_test.py && python3 -B test/e2e/kube/packed_test.py build/dev &&
    python3 -B test/e2e/kube/dra_test.py build/dev && python3 -B test/e2e/kube/pods_test.py build/dev &&
    python3 -B test/e2e/kube/ladder_test.py build/dev && python3 -B test/e2e/kube/move_test.py build/dev && python3 -B test/e2e/kube/faults_test.py build/dev &&
    python3 -B test/e2e/kube/installed_test.py build/dev && python3 -B test/e2e/kube/helm_test.py build/dev &&
    python3 -B test/e2e/kube/churn_test.py build/dev && python3 -B test/e2e/kube/pools_test.py build/dev && python3 -B test/e2e/kube/hours_test.py build/dev && python3 -B test/e2e/kube/storm_test.py build/dev &&
    python3 -B test/e2e/kube/first_user_test.py build/dev && python3 -B test/e2e/kube/access_test.py build/dev &&
    python3 -B test/e2e/kube/clock_test.py build/dev && python3 -B test/e2e/kube/server_test.py build/dev &&
    python3 -B test/e2e/kube/hi_moves_test.py build/dev && FLEXAI_FULL=1 python3 -B test/e2e/kube/hi_test.py build/dev
}

dev_test() {
  local full="" preset
  case "${1:-}" in
    "") ;;
    --full) full=yes ;;
    *) echo "usage: ./dev test [--full]" >&2; return 2 ;;
  esac
  dev_python || return
  if [ -n "$full" ]; then
    sanitized asan "unit_tests arbiter_scenarios sched_scenarios hi-sim" -L "unit|scenario" || { echo "dev: AddressSanitizer run failed" >&2; return 1; }
    sanitized tsan tests_threads -L threads || { echo "dev: ThreadSanitizer run failed" >&2; return 1; }
    for preset in asan tsan; do
      served_sanitized "$preset" || { echo "dev: the served run under $preset failed" >&2; return 1; }
    done
    dev_packages ffmpeg debootstrap || return  # ffmpeg: 90 packages, 157 MB on disk, too much for every run
    export FLEXAI_FUZZ_SECONDS="${FLEXAI_FUZZ_SECONDS:-60}" FLEXAI_FULL=1
    cluster_tested || { echo "dev: the test cluster failed; ./dev cluster status and its logs say more, ./dev cluster down ends it" >&2; return 1; }
    fuzzed || { echo "dev: a fuzz target failed; its input is in build/fuzz/found, add it to test/fuzz/corpus" >&2; return 1; }
  fi
  echo "dev: building"
  dev_build dev || return
  ctest --test-dir build/dev --output-on-failure  # last, so that its closing line is
}
