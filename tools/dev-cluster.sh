# A real Kubernetes on this machine; see test/cluster/main.py.
dev_cluster() {
  local word wanted="" flexai="" more=()
  for word in "$@"; do
    case "$word" in
      kubectl) break ;;
      helm) wanted=yes && break ;;
      build) wanted=yes ;;
      up) wanted=yes flexai=${flexai:-yes} ;;
      --profile* | --bare) flexai=no ;;
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
  if [ "$flexai" = yes ] && [ -n "$wanted" ]; then
    # Without the tests, which would take longer than all the rest.
    dev_build "$preset" product || return
    more=(--flexai "build/$preset")
  fi
  for word in "$@"; do  # --bare is ours
    [ -n "$flexai" ] || break
    shift
    [ "$word" = --bare ] || set -- "$@" "$word"
  done
  python3 -B test/cluster/main.py "$@" "${more[@]}"
}
