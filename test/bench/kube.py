"""The hi-scheduler beside kube-scheduler, on the same real control plane, with the same claims and the same client limits.

usage: kube.py BUILD [--json FILE] [--nodes N,N] [--pods N]

Nodes and cards are objects, four cards a node; each pod has a claim for a tenth of a card. Pods and claims are made beforehand; then the scheduler
is started, and the middle 80 % of the allocations that a watch sees are timed. kube-scheduler binds in both cases."""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/e2e/kube"))
from scheduling import DRA, DRIVER, GI, TOOL, XPU, Agents, Cluster, HiScheduler, slice_of, wait  # noqa: E402

FAST = ("--kube-api-qps", "5000", "--kube-api-burst", "5000", "--no-election")


class Watch:
    """When each claim of a namespace is first seen allocated, each pod bound."""

    def __init__(self, cluster, ns):
        self.allocated, self.bound, self.ended = {}, {}, False
        self.cluster = cluster
        for path, seen in ((f"{DRA}/namespaces/{ns}/resourceclaims", self.claim), (f"/api/v1/namespaces/{ns}/pods", self.pod)):
            threading.Thread(target=self.run, args=(path, seen), daemon=True).start()

    def run(self, path, seen):
        import http.client
        version = self.cluster.api.get(f"{path}?limit=1")["metadata"]["resourceVersion"]
        connection = http.client.HTTPSConnection(self.cluster.api.host, context=self.cluster.api.context, timeout=600)
        connection.request("GET", f"{path}?watch=1&resourceVersion={version}")
        answer = connection.getresponse()
        while not self.ended:
            line = answer.readline()
            if not line:
                return
            seen(json.loads(line)["object"], time.monotonic())

    def claim(self, claim, now):
        if "allocation" in claim.get("status", {}):
            self.allocated.setdefault(claim["metadata"]["name"], now)

    def pod(self, pod, now):
        if pod["spec"].get("nodeName"):
            self.bound.setdefault(pod["metadata"]["name"], now)


def middle_rate(times):
    """Of the middle 80 %, a second."""
    times = sorted(times)
    tenth = len(times) // 10
    times = times[tenth:len(times) - tenth]
    return (len(times) - 1) / max(1e-9, times[-1] - times[0])


def cpu_of(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def parallel(work, items, threads=8):
    items = list(items)

    def run(part):
        for item in part:
            work(item)
    running = [threading.Thread(target=run, args=(items[i::threads],)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


class Bench:
    def __init__(self, build):
        self.build, self.cluster = build, Cluster()
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        self.config = self.cluster.identity(self.folder.name)
        self.made = 0

    def tool(self, *words):
        return subprocess.run([sys.executable, "-B", TOOL, "--state", self.cluster.state, *words], check=True, capture_output=True, text=True).stdout

    def pid(self, name):
        return json.loads(self.tool("status", "--json"))["processes"][name]

    def nodes(self, count):
        def make(number):
            self.cluster.node(f"node-{number:05}", cpu="64", memory="256Gi", pods="500")
            self.cluster.cards(f"node-{number:05}", {}, {}, {}, {})
        parallel(make, range(self.made, count))
        self.made = count

    def fill(self, ns, count, of, gated):
        self.cluster.api.create("/api/v1/namespaces", {"metadata": {"name": ns}})

        def make(number):
            self.cluster.claim(ns, f"p{number}", slice_of(100, GI, deviceClassName=of))
            self.cluster.pod(ns, f"p{number}", [f"p{number}"], gated=gated, cpu="10m", memory="16Mi")
        parallel(make, range(count))

    def clear(self, ns):
        agents = Agents(self.cluster.api)
        api = self.cluster.api
        api.delete(f"/api/v1/namespaces/{ns}/pods?gracePeriodSeconds=0")
        api.delete(f"{DRA}/namespaces/{ns}/resourceclaims")
        wait(lambda: not api.items(f"{DRA}/namespaces/{ns}/resourceclaims?limit=1"), 120)
        wait(lambda: not api.items(f"{XPU}/namespaces/{ns}/xpuleases?limit=1"), 120)
        agents.end()

    def ours(self, count):
        self.fill("ours", count, DRIVER, True)
        watch = Watch(self.cluster, "ours")
        time.sleep(0.5)
        began = time.monotonic()
        hi = HiScheduler(self.build, self.config, self.folder.name, *FAST)
        wait(lambda: len(watch.bound) == count, 300, 0.1)
        figures = hi.metrics()
        result = {"allocations_per_s": middle_rate(watch.allocated.values()), "bound_per_s": middle_rate(watch.bound.values()),
                  "first_s": min(watch.allocated.values()) - began, "cpu_ms_per_pod": 1000 * figures["process_cpu_seconds_total"] / count,
                  "writes_per_pod": figures["flexai_api_writes_total"] / count, "rss_mb": figures["process_resident_memory_bytes"] / 1e6,
                  "plan_ms_per_pod": 1000 * figures["flexai_plan_seconds_total"] / count}
        hi.end("kill")
        began = time.monotonic()
        hi = HiScheduler(self.build, self.config, self.folder.name, *FAST)
        self.cluster.claim("ours", "late", slice_of(100, GI))
        self.cluster.pod("ours", "late", ["late"], cpu="10m", memory="16Mi")
        wait(lambda: "late" in watch.allocated, 60, 0.005)
        result["restart_to_first_placement_s"] = watch.allocated["late"] - began
        result["restart_rss_mb"] = hi.metrics()["process_resident_memory_bytes"] / 1e6
        hi.end()
        watch.ended = True
        self.clear("ours")
        return result

    def theirs(self, count):
        api = self.cluster.api
        api.delete(f"{DRA}/deviceclasses/bench")
        api.create(f"{DRA}/deviceclasses", {"metadata": {"name": "bench"}, "spec": {"selectors": [
            {"cel": {"expression": f'device.driver == "{DRIVER}"'}}]}})
        self.tool("kill", "kube-scheduler")
        self.fill("theirs", count, "bench", False)
        watch = Watch(self.cluster, "theirs")
        time.sleep(0.5)
        self.tool("up", "--profile", "scheduling")
        wait(lambda: len(watch.bound) == count, 600, 0.1)
        result = {"allocations_per_s": middle_rate(watch.allocated.values()), "bound_per_s": middle_rate(watch.bound.values()),
                  "cpu_ms_per_pod": 1000 * cpu_of(self.pid("kube-scheduler")) / count}
        watch.ended = True
        self.clear("theirs")
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--nodes", default="100,1000")
    parser.add_argument("--pods", type=int, default=1000)
    args = parser.parse_args()
    bench = Bench(os.path.abspath(args.build))
    table = {}
    try:
        for nodes in map(int, args.nodes.split(",")):
            bench.nodes(nodes)
            table[nodes] = {"hi": bench.ours(args.pods), "kube-scheduler": bench.theirs(args.pods)}
            row = table[nodes]
            row["ratio"] = row["hi"]["allocations_per_s"] / row["kube-scheduler"]["allocations_per_s"]
            print(json.dumps({nodes: row}, indent=1), flush=True)
            for ns in ("ours", "theirs"):
                bench.cluster.api.delete(f"/api/v1/namespaces/{ns}")
            wait(lambda: not [n for n in bench.cluster.api.items("/api/v1/namespaces") if n["metadata"]["name"] in ("ours", "theirs")], 120)
    finally:
        bench.cluster.down()
    if args.json:
        args.json.write_text(json.dumps(table, indent=1), encoding="utf-8")
    missed = [nodes for nodes, row in table.items() if row["ratio"] < 4 or row["hi"]["restart_to_first_placement_s"] > 3]
    print("every target holds" if not missed else f"missed with {missed} nodes: allocations a second >= 4 x kube-scheduler, restart < 3 s")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
