# What others install: an image for clusters, a package for hosts. Both of the release preset, unless FLEXAI_PRESET says otherwise.
dev_built() {  # what is installed, in build/$1
  dev_setup && dev_build "$1" product
}

dev_image() {  # [--out FILE] [--name REFERENCE] [--rootfs FOLDER]
  local preset="${FLEXAI_PRESET:-release}"
  dev_built "$preset" && python3 -B tools/image.py --build "build/$preset" "$@"
}

dev_deb() {  # [FOLDER]
  local preset="${FLEXAI_PRESET:-release}" out="${1:-.}"
  # shellcheck disable=SC2046  # names are words
  dev_built "$preset" && mkdir -p "$out" && out="$(cd "$out" && pwd)" &&
    (cd "build/$preset" && cpack -B "$PWD/package" >package.log 2>&1 || { tail -20 package.log >&2; exit 1; }) &&
    cp "build/$preset"/package/*.deb "$out/" && ls "$out"/flexai_*.deb
}
