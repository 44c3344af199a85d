# A real Kubernetes on this machine; see test/cluster/main.py.
dev_cluster() {
  local word wanted=""
  for word in "$@"; do
    case "$word" in
      kubectl) break ;;
      build | up) wanted=yes ;;
      -h | --help) wanted="" && break ;;
    esac
  done
  if [ -n "$wanted" ]; then
    dev_setup || return
    # shellcheck disable=SC2046  # names are words
    dev_packages $(grep -v '^#' tools/packages-cluster.txt) || return
    # Any Go brings the one that is needed; a machine that has the servers needs none.
    command -v go >/dev/null || python3 -B test/cluster/main.py build --check || dev_packages golang-go || return
  fi
  python3 -B test/cluster/main.py "$@"
}
