"""One fixed set of jobs, twice on the same real card of a full cluster: with a whole card each, which kube-scheduler gives them, and with a
slice each, placed by the hi-scheduler. The program, the driver, the nodes and the moments at which pods are made are the same; only the claim
differs. A job that has no card waits; it does its work, all of it, when it has one.

The set (`JOBS`), made to look like a team's day: trainings that compute for two thirds of their time and read in between, services that get
their requests in bursts, notebooks in which somebody runs a cell now and then. It is not made to look good: whoever has only trainings that
are never idle gains nothing by slices, and the result says how much each kind computes by itself.

Needs root (nodes), and the servers of `./dev cluster`."""
import atexit
import contextlib
import json
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test/e2e/kube"))
sys.path.insert(0, str(ROOT / "test/e2e/remote"))
from dra_cluster import DOOR, GATE, NODES, USR, DraCluster  # noqa: E402
from harness import note  # noqa: E402
from objects import go_first  # noqa: E402
from scheduling import DRA, DRIVER, GI, XPU, Api, Cluster, HiScheduler, slice_of, wait  # noqa: E402

WHOLE = "whole-card"  # a class with the same card, for kube-scheduler
LOOPS = 2000  # of the kernel all jobs run; how long that is on this machine is measured first
SERVICE_SECONDS, NOTEBOOK_SECONDS = 40, 30
# Kind: words for the program, and the slice it asks for: thousandths of the card, configuration.
KINDS = {
    "training": (["--steps", "60", "--kernels", "KERNELS", "--pause-us", "80000"], 100, {}),
    "service": (["--seconds", str(SERVICE_SECONDS), "--rate", "8", "--on-ms", "1000", "--off-ms", "2000"], 250, {"priority": "high"}),
    "notebook": (["--seconds", str(NOTEBOOK_SECONDS), "--kernels", "KERNELS", "--pause-us", "3000000"], 25, {}),
}
STEP_SECONDS = 0.16  # of computing in a training's step and a notebook's cell, on an idle card
# (kind, second at which it is made)
JOBS = [("training", 0), ("service", 2), ("notebook", 4), ("training", 5), ("training", 10), ("notebook", 12), ("training", 20), ("notebook", 22),
        ("service", 25), ("training", 30), ("notebook", 35), ("training", 40)]


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))] if values else None


class Load(threading.Thread):
    """Which part of the last second the card computed for slices, every half second, as its agent counts it."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        loop = "while :; do curl -s --unix-socket /run/flexai/flexai.sock http://x/metrics | grep ^flexai_card_utilization_ratio; sleep 0.5; done"
        self.process = subprocess.Popen([*DOOR, "--state", str(cluster.state), "on", "card", "sh", "-c", loop], stdout=subprocess.PIPE, text=True)
        self.samples = []
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.samples.append((time.monotonic(), float(line.rsplit(" ", 1)[1])))

    def end(self):
        self.process.terminate()
        self.process.wait(20)


class Mission(DraCluster):
    def __init__(self, build):
        super().__init__(build, "bench-mission")
        self.door("build", seconds=3600)
        self.door("down")
        atexit.register(self.down)
        go_first()  # and the agents, their workers and so the cards, which are of this session
        self.up()
        for pid in filter(None, json.loads(self.door("status", "--json"))["processes"].values()):
            go_first(pid)
        # Programs of pods are in groups of their own.
        for file, most in (("cpu/flexai-cluster/cpu.shares", "65536"), ("flexai-cluster/cpu.weight", "10000")):
            with contextlib.suppress(OSError):
                (pathlib.Path("/sys/fs/cgroup") / file).write_text(most, encoding="ascii")
        self.install()
        for file in ("crds/xpuqueue.yaml", "kustomize/claim-policy.yaml", "kustomize/hi-scheduler-rbac.yaml"):
            self.kubectl("apply", "-f", str(ROOT / "deploy" / file))
        self.api = Api(self.state, self.server)
        self.api.create(f"{DRA}/deviceclasses", {"metadata": {"name": WHOLE}, "spec": {"selectors": [
            {"cel": {"expression": f'device.driver == "{DRIVER}"'}}]}})
        for node in NODES:
            self.start_agent(node)
        self.hi, self.kernels = None, 1

    def down(self):
        if self.hi is not None:
            self.hi.end("kill")
        for agent in self.agents.values():
            agent.terminate()
        subprocess.run([*DOOR, "--state", str(self.state), "down"], check=False, capture_output=True)

    def with_hi(self, on):
        if on and self.hi is None:
            self.hi = HiScheduler(self.build, Cluster.identity(self, str(self.state)), str(self.state), "--no-election")
        elif not on and self.hi is not None:
            self.hi.end()
            self.hi = None

    def namespace(self, ns):
        self.api.create("/api/v1/namespaces", {"metadata": {"name": ns}})
        wait(lambda: self.api.call("GET", f"/api/v1/namespaces/{ns}/serviceaccounts/default", expect=False)[0] == 200, 30)

    def make(self, ns, name, kind, sliced):
        """A pod on the card's own node. A card that kube-scheduler gives is of this node as well. When the pod's own request began."""
        words, compute, config = KINDS[kind]
        spec = slice_of(compute, GI // 4, config or None) if sliced else slice_of(deviceClassName=WHOLE)
        self.api.create(f"{DRA}/namespaces/{ns}/resourceclaims", {"metadata": {"name": name}, "spec": {"devices": spec}})
        volumes = {**USR, str(self.build / "bin"): "/flexai"}
        command = ["/flexai/flexai-job-opencl", "--loops", str(LOOPS), "--seed", str(sum(map(ord, name))),
                   *(word.replace("KERNELS", str(self.kernels)) for word in words)]
        began = time.monotonic()
        self.api.create(f"/api/v1/namespaces/{ns}/pods", {"metadata": {"name": name}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "nodeSelector": {"kubernetes.io/hostname": "card"},
            "automountServiceAccountToken": False, **({"schedulingGates": [{"name": GATE}]} if sliced else {}),
            "resourceClaims": [{"name": "card", "resourceClaimName": name}],
            "volumes": [{"name": f"v{n}", "hostPath": {"path": source}} for n, source in enumerate(volumes)],
            "containers": [{"name": "main", "image": "docker.io/local/host:1", "imagePullPolicy": "Never", "command": command,
                            "securityContext": {"runAsUser": 12345}, "env": [{"name": "HOME", "value": "/tmp"}],
                            "resources": {"claims": [{"name": "card"}], "requests": {"cpu": "150m", "memory": "16Mi"}},
                            "volumeMounts": [{"name": f"v{n}", "mountPath": target, "readOnly": True}
                                             for n, target in enumerate(volumes.values())]}]}})
        return began

    def run_set(self, ns, jobs, sliced, seconds=900):
        """Each job's moments in seconds since the first was made, and what its program says."""
        self.with_hi(sliced)
        self.namespace(ns)
        load, began = Load(self), time.monotonic()
        found, waiting = {}, [(f"{kind}-{number}", kind, at) for number, (kind, at) in enumerate(jobs)]
        while waiting or any("ended" not in one for one in found.values()):
            now = time.monotonic() - began
            while waiting and waiting[0][2] <= now:
                name, kind, _ = waiting.pop(0)
                self.make(ns, name, kind, sliced)
                found[name] = {"kind": kind, "made": time.monotonic() - began}
            for pod in self.api.items(f"/api/v1/namespaces/{ns}/pods"):
                job, phase = found[pod["metadata"]["name"]], pod["status"]["phase"]
                if phase != "Pending":
                    job.setdefault("ran", time.monotonic() - began)
                if phase in ("Succeeded", "Failed"):
                    job.setdefault("ended", time.monotonic() - began)
            assert now < seconds, f"after {now:.0f} s: {found}"
            time.sleep(0.25)
        load.end()
        for name, job in found.items():
            job["said"] = json.loads(self.kubectl("logs", "-n", ns, name))
        self.clear(ns)
        return {"jobs": found, "load": [(round(when - began, 2), part) for when, part in load.samples if when >= began]}

    def clear(self, ns):
        self.api.delete(f"/api/v1/namespaces/{ns}/pods?gracePeriodSeconds=0")
        self.api.delete(f"{DRA}/namespaces/{ns}/resourceclaims")
        wait(lambda: not self.api.items(f"{DRA}/namespaces/{ns}/resourceclaims") and not self.api.items(f"{XPU}/namespaces/{ns}/xpuleases"), 60)

    def calibrate(self):
        """How many kernels are a step, on the card as it is now and with nobody else on it."""
        self.kernels = 10
        alone = self.run_set("calibrate", [("training", 0)], True)["jobs"]["training-0"]["said"]
        each = percentile(alone["latency_ms"], 0.1) / 1000 / self.kernels  # whoever else computes here only makes it slower
        self.kernels = max(1, round(STEP_SECONDS / each))
        note(f"mission: a kernel takes {1000 * each:.2f} ms; {self.kernels} a step")
        return each


def summary(run):
    """Of a set: what counts."""
    jobs = run["jobs"]
    makespan = max(job["ended"] for job in jobs.values())
    load = [(when, part) for when, part in run["load"] if when <= makespan]
    busy = sum((b[0] - a[0]) * min(1, b[1]) for a, b in zip(load, load[1:]))
    services = [job for job in jobs.values() if job["kind"] == "service"]
    latencies = [one for job in services for one in job["said"]["latency_ms"]]

    def mean(values):
        values = list(values)
        return sum(values) / len(values) if values else None

    def turnaround(kind):
        return mean(job["ended"] - job["made"] for job in jobs.values() if job["kind"] == kind)
    return {"makespan_s": makespan, "busy_s": busy, "busy": busy / makespan, "jobs_an_hour": 3600 * len(jobs) / makespan,
            "waited_s": mean(job["ran"] - job["made"] for job in jobs.values()), "training_turnaround_s": turnaround("training"),
            "training_runs_s": mean(job["ended"] - job["ran"] for job in jobs.values() if job["kind"] == "training"),
            "service_waited_s": mean(job["ran"] - job["made"] for job in services),
            "service_p50_ms": percentile(latencies, 0.5), "service_p99_ms": percentile(latencies, 0.99), "requests": len(latencies)}


def mission(build):
    """All of it; some minutes."""
    cluster = Mission(build)
    kernel = cluster.calibrate()
    result = {"jobs": JOBS, "kinds": {kind: {"program": words, "slice_milli": compute} for kind, (words, compute, _) in KINDS.items()},
              "kernel_ms": 1000 * kernel, "kernels_a_step": cluster.kernels, "runs": {}, "summary": {}}
    for name, jobs, sliced in (("service_alone", [("service", 0)], True), ("training_alone", [("training", 0)], True),
                               ("slices", JOBS, True), ("whole", JOBS, False)):
        result["runs"][name] = cluster.run_set(name.replace("_", "-"), jobs, sliced)
        result["summary"][name] = summary(result["runs"][name])
        note(f"mission, {name}: {json.dumps(result['summary'][name])}")
    return result
