"""The hi-scheduler in a cluster of thousands of nodes and tens of thousands of pods.

One pod with its claim, lease, node and cards is made as they are made in life, and is then written as many times into etcd itself, with other
names: by way of the API server it would take ten minutes and more. Controller manager and kube-scheduler are down meanwhile."""
import base64
import http.client
import json
import pathlib
import re
import ssl
import time
import urllib.parse
import uuid

from objects import DRA, DRIVER, GI, XPU, parallel, resident_mb, slice_of, wait

CARDS = 4
BATCH = 120  # etcd takes 128 operations at once


class Etcd:
    def __init__(self, state):
        # Where it listens: ports of the API server, etcd, its peers, ...
        chosen = json.loads(next(pathlib.Path(state).glob("cluster.json")).read_text(encoding="utf-8"))
        pki = pathlib.Path(state) / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "etcd-client.crt", pki / "etcd-client.key")
        self.connection = http.client.HTTPSConnection("127.0.0.1", chosen["ports"][1], context=context, timeout=60)
        self.waiting = []

    def put(self, key, text):
        coded = [base64.b64encode(word.encode()).decode() for word in (key, text)]
        self.waiting.append({"requestPut": {"key": coded[0], "value": coded[1]}})
        if len(self.waiting) == BATCH:
            self.flush()

    def flush(self):
        self.connection.request("POST", "/v3/kv/txn", json.dumps({"success": self.waiting}), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:500]
        self.waiting = []


def bare(thing):
    """As a text that says what it is, without what the API server gave it when it was written."""
    thing["metadata"].pop("resourceVersion", None)
    return thing


def patterns(bench):
    """One of each kind, made as in life: a pod that runs with a slice."""
    api, ns = bench.api, "pattern"
    bench.namespace(ns)
    bench.cluster.node("pattern-node", cpu="64", memory="256Gi", pods="500")
    bench.cluster.cards("pattern-node", *({} for _ in range(CARDS)))
    hi = bench.hi()
    bench.cluster.claim(ns, "pattern-claim", slice_of(100, GI))
    bench.cluster.pod(ns, "pattern-pod", ["pattern-claim"], cpu="100m", memory="64Mi", nodeSelector={"kubernetes.io/hostname": "pattern-node"})
    pod = wait(lambda: (one := api.get(f"/api/v1/namespaces/{ns}/pods/pattern-pod"))["spec"].get("nodeName") and one, 30)
    api.merge(f"/api/v1/namespaces/{ns}/pods/pattern-pod/status", {"status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [
        {"name": "c", "ready": True, "restartCount": 0, "image": "none", "imageID": "sha256:" + "0" * 64, "containerID": "containerd://" + "0" * 64,
         "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}})
    lease = wait(lambda: api.items(f"{XPU}/namespaces/{ns}/xpuleases"), 30)[0]
    pod = api.get(f"/api/v1/namespaces/{ns}/pods/pattern-pod")
    claim = api.get(f"{DRA}/namespaces/{ns}/resourceclaims/pattern-claim")
    hi.end()
    slices = api.get(f"{DRA}/resourceslices/pattern-node-{DRIVER}")
    node = api.get("/api/v1/nodes/pattern-node")
    for one, kind, version in ((pod, "Pod", "v1"), (claim, "ResourceClaim", "resource.k8s.io/v1"), (slices, "ResourceSlice", "resource.k8s.io/v1"),
                               (node, "Node", "v1")):
        one |= {"kind": kind, "apiVersion": version}
    return [bare(one) for one in (pod, claim, lease, node, slices)]


def fill(bench, nodes, pods):
    pod, claim, lease, node, slices = patterns(bench)
    for name in ("kube-controller-manager", "kube-scheduler"):
        bench.tool("kill", name)
    etcd = Etcd(bench.cluster.state)
    share = claim["status"]["allocation"]["devices"]["results"][0]["shareID"]
    device = claim["status"]["allocation"]["devices"]["results"][0]["device"]
    uids = {"pod": pod["metadata"]["uid"], "claim": claim["metadata"]["uid"]}
    own = {what: one["metadata"]["uid"] for what, one in (("lease", lease), ("node", node), ("slices", slices))}
    texts = {"pod": json.dumps(pod), "claim": json.dumps(claim), "lease": json.dumps(lease), "node": json.dumps(node), "slices": json.dumps(slices)}

    def put(what, key, changes):
        text = texts[what]
        for before, after in changes.items():
            text = text.replace(before, after)
        etcd.put(key, text)
    for number in range(nodes):
        changes = {"pattern-node": f"big-{number:05}", own["node"]: str(uuid.uuid4()), own["slices"]: str(uuid.uuid4())}
        put("node", f"/registry/minions/big-{number:05}", changes)
        put("slices", f"/registry/resourceslices/big-{number:05}-{DRIVER}", changes)
    for number in range(pods):
        at = f"big-{number % nodes:05}"
        ids = {what: str(uuid.uuid4()) for what in ("pod", "claim", "lease", "share")}
        changes = {"pattern-node": at, "pattern-pod": f"pod-{number:05}", "pattern-claim": f"claim-{number:05}", uids["pod"]: ids["pod"],
                   uids["claim"]: ids["claim"], own["lease"]: ids["lease"], share: ids["share"], device: f"card-{number // nodes % CARDS:08x}"}
        put("pod", f"/registry/pods/pattern/pod-{number:05}", changes)
        put("claim", f"/registry/resourceclaims/pattern/claim-{number:05}", changes)
        put("lease", f"/registry/{DRIVER}/xpuleases/pattern/{ids['claim']}-0", changes)
    etcd.flush()
    sizes = {what: len(text) for what, text in texts.items()}
    return sizes


LISTS = ("/api/v1/pods", f"{DRA}/resourceclaims", f"{XPU}/xpuleases", "/api/v1/nodes", f"{DRA}/resourceslices")
MORE = re.compile(rb'"continue":"([^"]+)"')


def lists_alone(bench):
    """Seconds until somebody who reads all of it at once, and does nothing with it, has it: what is left of a restart is the scheduler's."""
    def read(path):
        connection, more = http.client.HTTPSConnection(bench.api.host, context=bench.api.context, timeout=120), ""
        while True:
            connection.request("GET", f"{path}?limit=2000&continue={urllib.parse.quote(more)}", headers={"User-Agent": "flexai"})
            text = connection.getresponse().read()
            found = MORE.search(text[:1000]) or MORE.search(text[-1000:])
            if not found:
                return
            more = found[1].decode()
    began = time.monotonic()
    parallel(read, LISTS, len(LISTS))
    return time.monotonic() - began


def at_scale(bench, nodes, pods, rounds=3):
    began = time.monotonic()
    bench.namespace("late")
    sizes = fill(bench, nodes, pods)
    # Its memory of all objects is to be there before the clock starts, as in a cluster that runs.
    wait(lambda: len(bench.api.items("/api/v1/nodes?limit=1")) == 1, 120)
    wait(lambda: bench.api.get(f"/api/v1/namespaces/pattern/pods/pod-{pods - 1:05}", ), 120)
    filled = time.monotonic() - began
    firsts, resident, synced, cpu, alone = [], [], [], [], []
    lists_alone(bench)  # the first time the server has more to do
    for turn in range(rounds):
        alone.append(lists_alone(bench))
        bench.cluster.claim("late", f"late{turn}", slice_of(100, GI))
        bench.cluster.pod("late", f"late{turn}", [f"late{turn}"], cpu="10m", memory="16Mi")
        began = time.monotonic()
        hi = bench.hi()

        def placed(turn=turn):
            return bench.api.get(f"{DRA}/namespaces/late/resourceclaims/late{turn}").get("status", {}).get("allocation")
        wait(placed, 120, 0.02)
        firsts.append(time.monotonic() - began)
        time.sleep(2)
        metrics = hi.metrics()
        cpu.append(metrics["process_cpu_seconds_total"])
        resident.append(resident_mb(hi.process.pid))
        # One that comes later: how long such a World takes for a single pod.
        bench.cluster.claim("late", f"next{turn}", slice_of(100, GI))
        bench.cluster.pod("late", f"next{turn}", [f"next{turn}"], cpu="10m", memory="16Mi")
        wait(lambda turn=turn: bench.api.get(f"{DRA}/namespaces/late/resourceclaims/next{turn}").get("status", {}).get("allocation"), 60, 0.01)
        before, after = metrics["flexai_pod_allocation_duration_seconds_sum"], hi.metrics()["flexai_pod_allocation_duration_seconds_sum"]
        synced.append(after - before)
        hi.end("kill")
    return {"nodes": nodes, "pods": pods, "sizes": sizes, "fill_s": filled, "first_s": firsts, "rss_mb": resident, "cpu_s": cpu, "one_more_s": synced,
            "lists_alone_s": alone}
