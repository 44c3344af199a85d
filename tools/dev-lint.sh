# Formatting, repository checks, clang's thread-safety analysis.
lint_sources() { git ls-files -co --exclude-standard -- "$@"; }
# What is shipped: clang 14 does not know all of the C++20 that tests use.
lint_product() { lint_sources '*.cc' | grep -vE '^test/|_test\.cc$'; }

dev_fmt() {
  lint_sources '*.h' '*.cc' | xargs -r clang-format-14 -i
  python3 -B api/gen/generate.py --spec api/opencl.toml --docs docs/api-coverage.md
}

lint_one() {  # SOURCE FLAGS...: into an object of its own, so that the compiler cache knows it again
  local source="$1" object="build/lint/${1%.cc}.o" cache=""
  shift
  command -v ccache >/dev/null && cache=ccache
  mkdir -p "${object%/*}"
  nice $cache clang++-14 "$@" -c -o "$object" "$source"
}

# Every source of the product by clang: a lock that is not held where its annotation asks for it is an error.
lint_thread_safety() {
  local generated=build/lint/generated flags
  python3 -B api/gen/generate.py --spec api/opencl.toml --out "$generated"
  flags="-std=c++20 -O0 -Wthread-safety -Werror -Wno-deprecated-declarations -I. -I$generated"
  flags+=" -DCL_TARGET_OPENCL_VERSION=300 -DCL_ENABLE_BETA_EXTENSIONS -DFLEXAI_VERSION=__FILE__"
  local version
  for version in 1_0 1_1 1_2 2_0 2_1 2_2; do flags+=" -DCL_USE_DEPRECATED_OPENCL_${version}_APIS"; done
  [ "$(uname -m)" = x86_64 ] && flags+=" -mcx16"
  export -f lint_one
  # shellcheck disable=SC2086  # flags are words
  lint_product | xargs -r -P "$(nproc)" -I {} bash -c 'lint_one "$@"' _ {} $flags
}

dev_lint() {
  local build=() failed=0
  [ -f build/dev/compile_commands.json ] && build=(--build build/dev)
  python3 -B test/repo/repo_check.py "${build[@]}" || failed=1
  lint_thread_safety && echo "thread safety: $(lint_product | wc -l) sources hold" || failed=1
  return "$failed"
}
