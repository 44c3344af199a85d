"""A real control plane whose nodes are objects, for measuring schedulers: filled quickly, watched, and its API server's counters read."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test/e2e/kube"))
from scheduling import DRA, DRIVER, GI, TOOL, XPU, Agents, Cluster, HiScheduler, slice_of, wait  # noqa: E402

# For both schedulers: so high that it is not what is measured.
FAST = ("--kube-api-qps", "5000", "--kube-api-burst", "5000", "--no-election")
STOCK = "stock"  # a device class with the same cards that kube-scheduler allocates
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Watch:
    """When each claim of a namespace is first seen allocated, each pod without gates, and bound."""

    def __init__(self, cluster, ns):
        self.allocated, self.opened, self.bound, self.ended = {}, {}, {}, False
        self.cluster, self.cuts = cluster, 0
        for path, seen in ((f"{DRA}/namespaces/{ns}/resourceclaims", self.claim), (f"/api/v1/namespaces/{ns}/pods", self.pod)):
            threading.Thread(target=self.run, args=(path, seen), daemon=True).start()

    def run(self, path, seen):
        version = self.cluster.api.get(f"{path}?limit=1")["metadata"]["resourceVersion"]
        while not self.ended:
            with contextlib.suppress(OSError, http.client.HTTPException):
                for line, now in self.lines(path, version):
                    version = VERSION.search(line)[1].decode()
                    # Parsing all of it would cost more than what is measured.
                    seen(line, NAME.search(line)[1].decode(), now)
            self.cuts += 1

    def lines(self, path, version):
        """Of one watch, with when they came; whatever has come at once, as a watcher that reads slowly is cut off."""
        connection = http.client.HTTPSConnection(self.cluster.api.host, context=self.cluster.api.context, timeout=600)
        connection.request("GET", f"{path}?watch=1&resourceVersion={version}")
        answer, rest = connection.getresponse(), b""
        while not self.ended and (some := answer.read1(1 << 18)):
            now = time.monotonic()
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                yield line, now

    def claim(self, line, name, now):
        if b'"allocation":{' in line:
            self.allocated.setdefault(name, now)

    def pod(self, line, name, now):
        if b'"schedulingGates":[' not in line:
            self.opened.setdefault(name, now)
        if b'"nodeName":"' in line:
            self.bound.setdefault(name, now)


NAME = re.compile(rb'"metadata":\{"name":"([^"]+)"')
VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


def middle_rate(times):
    """Of the middle 80 %, a second."""
    times = sorted(times)
    tenth = len(times) // 10
    times = times[tenth:len(times) - tenth]
    return (len(times) - 1) / max(1e-9, times[-1] - times[0])


def cpu_of(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def go_first(pid="self"):
    """Before whatever else runs on this machine, where that is allowed: what is measured is the schedulers, not who else compiles. Sessions
    share the processors by groups, so the group is what counts."""
    with contextlib.suppress(OSError):
        pathlib.Path(f"/proc/{pid}/autogroup").write_text("-15", encoding="ascii")
    if pid != "self":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, -10)


def resident_mb(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


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


def writes_of(api):
    """By (verb, resource, subresource): what the API server has been asked to write, status codes of success only."""
    found = {}
    for line in api.get("/metrics").splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels, value = line[len("apiserver_request_total{"):].rsplit("} ", 1)
        said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if said["verb"] in WRITES and said["code"].startswith("2"):
            key = (said["verb"], said["resource"], said["subresource"])
            found[key] = found.get(key, 0) + float(value)
    return found


def written(before, after):
    """{"PATCH pods": 3.0, ...} in between."""
    return {" ".join(word for word in (key[0], "/".join(word for word in key[1:] if word))): value - before.get(key, 0)
            for key, value in sorted(after.items()) if value != before.get(key, 0)}


def of_pods(writes):
    """Without the leases by which servers elect and tell that they live."""
    return {what: count for what, count in writes.items() if what.split()[1] != "leases"}


class Objects:
    """The cluster, its nodes and its schedulers. Four cards a node."""

    def __init__(self, build):
        self.build, self.cluster = build, Cluster()
        self.api = self.cluster.api
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        self.config = self.cluster.identity(self.folder.name)
        self.made = 0
        go_first()
        self.all_go_first()
        self.api.create(f"{DRA}/deviceclasses", {"metadata": {"name": STOCK}, "spec": {"selectors": [
            {"cel": {"expression": f'device.driver == "{DRIVER}"'}}]}})

    def tool(self, *words):
        return subprocess.run([sys.executable, "-B", TOOL, "--state", self.cluster.state, *words], check=True, capture_output=True, text=True).stdout

    def pids(self):
        """Of all servers; None: it is down."""
        words = [sys.executable, "-B", TOOL, "--state", self.cluster.state, "status", "--json"]
        return json.loads(subprocess.run(words, check=False, capture_output=True, text=True).stdout)["processes"]

    def pid(self, name):
        return self.pids()[name]

    def all_go_first(self):
        for pid in filter(None, self.pids().values()):
            go_first(pid)

    def down(self):
        self.cluster.down()

    def scheduler(self, on):
        """kube-scheduler; it is started with nothing remembered."""
        if on:
            self.tool("up", "--profile", "scheduling")
            self.all_go_first()
        else:
            self.tool("kill", "kube-scheduler")

    def hi(self):
        hi = HiScheduler(self.build, self.config, self.folder.name, *FAST)
        go_first(hi.process.pid)
        return hi

    def nodes(self, count):
        def make(number):
            self.cluster.node(f"node-{number:05}", cpu="64", memory="256Gi", pods="500")
            self.cluster.cards(f"node-{number:05}", {}, {}, {}, {})
        parallel(make, range(self.made, count))
        self.made = max(self.made, count)

    def namespace(self, ns):
        self.api.create("/api/v1/namespaces", {"metadata": {"name": ns}})

    def claims(self, ns, count, of, allocated=False):
        def make(number):
            made = self.cluster.claim(ns, f"p{number}", slice_of(100, GI, deviceClassName=of))
            if allocated:
                self.api.merge(f"{DRA}/namespaces/{ns}/resourceclaims/{made['metadata']['name']}",
                               {"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}})
                self.allocate(number, ns)
        parallel(make, range(count))

    def allocate(self, number, ns):
        """Spread over nodes and cards, as a scheduler that is done would leave it, but for the pod, which is not there yet."""
        card = number % (self.made * 4)
        node = f"node-{card // 4:05}"
        self.api.merge(f"{DRA}/namespaces/{ns}/resourceclaims/p{number}/status", {"status": {"allocation": {
            "devices": {"results": [{"request": "xpu", "driver": DRIVER, "pool": node, "device": f"card-{card % 4:08x}",
                                     "shareID": f"00000000-0000-4000-8000-{number:012x}",
                                     "consumedCapacity": {"compute": "100", "memory": str(GI)}}]},
            "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}})

    def reserve(self, ns, number, uid):
        self.api.merge(f"{DRA}/namespaces/{ns}/resourceclaims/p{number}/status", {"status": {"reservedFor": [
            {"resource": "pods", "name": f"p{number}", "uid": uid}]}})

    def pods(self, ns, numbers, gated, reserved=False):
        def make(number):
            made = self.cluster.pod(ns, f"p{number}", [f"p{number}"], gated=gated, cpu="10m", memory="16Mi")
            if reserved:
                self.reserve(ns, number, made["metadata"]["uid"])
        parallel(make, numbers)

    def clear(self, ns):
        """All of a namespace, and the namespace."""
        agents = Agents(self.api)
        api = self.api
        api.delete(f"/api/v1/namespaces/{ns}/pods?gracePeriodSeconds=0")
        wait(lambda: not api.items(f"/api/v1/namespaces/{ns}/pods?limit=1"), 120, 0.3)
        # Nobody takes the finalizer of those away that no pod had.
        for claim in api.items(f"{DRA}/namespaces/{ns}/resourceclaims"):
            if claim.get("status", {}).get("allocation"):
                path = f"{DRA}/namespaces/{ns}/resourceclaims/{claim['metadata']['name']}"
                api.call("PATCH", f"{path}/status", {"status": {"allocation": None, "reservedFor": None}}, "application/merge-patch+json", expect=False)
        api.delete(f"{DRA}/namespaces/{ns}/resourceclaims")
        wait(lambda: not api.items(f"{DRA}/namespaces/{ns}/resourceclaims?limit=1"), 120, 0.3)
        wait(lambda: not api.items(f"{XPU}/namespaces/{ns}/xpuleases?limit=1"), 120, 0.3)
        agents.end()
        api.delete(f"/api/v1/namespaces/{ns}")
        wait(lambda: ns not in [one["metadata"]["name"] for one in api.items("/api/v1/namespaces")], 120, 0.3)
