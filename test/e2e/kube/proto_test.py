"""api/dra/*.proto against the kubelet's own: PROGRAM. With --module NAME it only says where a module of Kubernetes is. Names, numbers and types of all fields and calls are the same. Needs the Go module
k8s.io/kubelet in the cache ($GOMODCACHE), where building the test cluster puts it; fetches it when it is not there."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test" / "cluster"))

import main as main_of_cluster
import toolchain

PAIRS = {"registration": "pluginregistration/v1", "plugin": "dra/v1", "health": "dra-health/v1alpha1"}


def shape(text):
    """What of a .proto counts: a set of lines."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    found = {"package " + re.search(r"package\s+([\w.]+)\s*;", text).group(1)}
    for kind, name, body in re.findall(r"(message|enum|service)\s+(\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        found.add(f"{kind} {name}")
        if kind == "service":
            calls = re.findall(r"rpc\s+(\w+)\s*\(\s*((?:stream\s+)?\w+)\s*\)\s*returns\s*\(\s*((?:stream\s+)?\w+)\s*\)", body)
            found |= {f"{name}.{call}({given}) -> {got}" for call, given, got in calls}
        else:
            fields = re.findall(r"((?:repeated |optional )?[\w.<>, ]*?)\s*(\w+)\s*=\s*(\d+)\s*;", body)
            found |= {f"{name}.{field} = {number}: {' '.join(type_.split())}" for type_, field, number in fields}
    return found


def module(name="k8s.io/kubelet"):
    """The folder of a module of Kubernetes, of the version that the test cluster is built from."""
    cache = main_of_cluster.default_cache() / "cluster"
    go = toolchain.command(cache)
    required = (ROOT / "test" / "cluster" / "modules" / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    version = re.search(rf"{re.escape(name)} => {re.escape(name)} (v[\d.]+)", required).group(1)
    told = subprocess.run([go, "mod", "download", "-json", f"{name}@{version}"], capture_output=True, text=True, check=False,
                          env=toolchain.environment(cache, go), cwd="/")
    if told.returncode != 0:
        sys.exit(toolchain.explained(f"{name} {version}", told.stderr))
    return pathlib.Path(json.loads(told.stdout)["Dir"])


def main():
    if sys.argv[1:2] == ["--module"]:
        return print(module(sys.argv[2]))
    folder, failed = module(), 0
    for ours, theirs in PAIRS.items():
        mine = shape((ROOT / "api" / "dra" / f"{ours}.proto").read_text(encoding="utf-8"))
        other = shape((folder / "pkg" / "apis" / theirs / "api.proto").read_text(encoding="utf-8"))
        for line in sorted(mine ^ other):
            failed += 1
            print(f"{ours}.proto: {'only ours' if line in mine else 'missing'}: {line}")
        print(f"{ours}.proto: {len(mine & other)} agree")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
