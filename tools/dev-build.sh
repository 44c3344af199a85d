dev_configure() {
  local preset="$1"
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >"${TMPDIR:-/tmp}/flexai-cmake.log" 2>&1 ||
    { tail -20 "${TMPDIR:-/tmp}/flexai-cmake.log" >&2; return 1; }
}

dev_build() {  # PRESET [TARGET]
  dev_configure "$1" && cmake --build "build/$1" ${2:+--target "$2"}
}
