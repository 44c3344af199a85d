# Packages. Does nothing, quickly, when all is there.
dev_setup() {
  # shellcheck disable=SC2046  # names are words
  dev_packages $(grep -v '^#' tools/packages.txt)
}

dev_packages() {  # NAMES...
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f='${Status}\n' "$p" 2>/dev/null | grep -q '^install ok' || missing+=("$p")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    echo "dev: installing ${#missing[@]} packages: ${missing[*]}"
    $sudo apt-get update -qq || { echo "dev: apt-get update failed; check the network and the package sources" >&2; return 1; }
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >"${TMPDIR:-/tmp}/flexai-apt.log" 2>&1 ||
      { tail -5 "${TMPDIR:-/tmp}/flexai-apt.log" >&2; echo "dev: apt-get install failed" >&2; return 1; }
  fi
}
