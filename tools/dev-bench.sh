dev_python() {  # the Python environment of the programs we test with
  local stamp=.venv/.requirements
  cmp -s tools/requirements.txt "$stamp" && return 0
  echo "dev: Python environment"
  python3 -m venv .venv && .venv/bin/pip install -q -r tools/requirements.txt && cp tools/requirements.txt "$stamp"
}

dev_bench() {
  local name="${1:-}"
  [ -n "$name" ] && [ -f "test/bench/$name.py" ] || { echo "usage: ./dev bench NAME [--json FILE]; NAME: slicing, sched, remote, kube" >&2; return 2; }
  shift
  dev_python && FLEXAI_PRESET=release && export FLEXAI_PRESET && dev_build release programs && python3 "test/bench/$name.py" "$@"
}
