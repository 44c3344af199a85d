"""Pods with slices come and go in a real cluster with Flexai installed, while what runs them is killed at random: agents, kubelets, both
hi-schedulers, the API server, etcd, kube-scheduler. Every pod has its result, no card is ever lent twice, and at the end nothing is left.

usage: storm_test.py BUILD      needs root. FLEXAI_PODS: how many, else 200; FLEXAI_SEED: of the chance in it, else a new one, which is printed
"""
import atexit
import contextlib
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))
from cases import expect, run_cases  # noqa: E402
from dra_cluster import DOOR, NODES, DraCluster  # noqa: E402
from scheduling import DRA, XPU, Api, insist, slice_of  # noqa: E402

COUNT = int(os.environ.get("FLEXAI_PODS") or 200)
SEED = int(os.environ.get("FLEXAI_SEED") or random.randrange(1 << 30))
ALIVE = 8
PAUSE = (3, 8)  # seconds from the end of one fault to the next
MEMORY = 128 << 20
PODS = "/api/v1/namespaces/default/pods"
CLAIMS = f"{DRA}/namespaces/default/resourceclaims"
# Where the agent's pod has its things on a node.
FOLDERS = ("/run/flexai/doors", "/var/run/cdi", "/var/lib/flexai/state/grants", "/var/lib/flexai/state/claims")


class StormTest:
    def __init__(self, build):
        self.cluster = DraCluster(build, "storm-test")
        atexit.register(self.down)
        self.cluster.up()
        self.cluster.door("install", "--build", str(self.cluster.build), seconds=600)
        self.api = Api(self.cluster.state, self.cluster.server)
        self.over, self.all_made = threading.Event(), threading.Event()
        self.booked, self.most, self.failed, self.done = [], 0, [], 0
        print(f"seed {SEED}", flush=True)

    def down(self):
        subprocess.run([*DOOR, "--state", str(self.cluster.state), "down"], check=False, capture_output=True)

    # Pods.

    def template(self, name, compute):
        self.api.create(f"{DRA}/namespaces/default/resourceclaimtemplates", {
            "metadata": {"name": name}, "spec": {"spec": {"devices": slice_of(compute, MEMORY)}}})

    def make(self, name, compute, seconds, node=None):
        body = {"metadata": {"name": name, "labels": {"storm": "yes"}}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
            "resourceClaims": [{"name": "card", "resourceClaimTemplateName": f"c{compute}"}],
            "containers": [{"name": "pi", "image": "docker.io/flexai/flexai:latest", "imagePullPolicy": "IfNotPresent",
                            "command": ["/opt/flexai/bin/flexai-example-pi", str(seconds)], "resources": {"claims": [{"name": "card"}]}}]}}
        # What was created by a call whose answer was lost is there.
        insist(lambda: self.api.call("GET", f"{PODS}/{name}", expect=False)[0] == 200 or self.api.create(PODS, body), 120)

    def phases(self):
        return {one["metadata"]["name"]: one["status"].get("phase") for one in insist(lambda: self.api.items(f"{PODS}?labelSelector=storm=yes"))}

    def churn(self):
        chance, made = random.Random(SEED + 1), 0
        while made < COUNT or self.done + len(self.failed) < COUNT:
            phases = self.phases()
            for name, phase in phases.items():
                if phase in ("Succeeded", "Failed"):
                    self.take(name, phase)
            while made < COUNT and len(phases) < ALIVE:
                name = f"s{made}"
                self.make(name, chance.choice([100, 200, 300]), chance.randint(1, 4), chance.choice([None, "plain"]))
                phases[name] = None
                made += 1
            time.sleep(0.3)
        self.all_made.set()

    def take(self, name, phase):
        """One that has ended: its result, and away with it."""
        status, told = insist(lambda: self.api.call("GET", f"{PODS}/{name}/log", expect=False))
        right = phase == "Succeeded" and "pi is 3.1415" in str(told)
        # The log of a container is of its node, which may be the one whose kubelet was killed.
        if phase == "Succeeded" and status != 200:
            return
        if right:
            self.done += 1
        else:
            self.failed.append(f"{name}: {phase}: {str(told)[-300:]}")
        insist(lambda: self.api.delete(f"{PODS}/{name}?gracePeriodSeconds=0"))
        while insist(lambda: self.api.call("GET", f"{PODS}/{name}", expect=False)[0]) == 200:
            time.sleep(0.1)

    # What must hold at every moment: one list is one moment.

    def look(self):
        while not self.over.wait(0.2):
            with contextlib.suppress(Exception):
                total = sum(lease["spec"]["compute"] for lease in self.api.items(f"{XPU}/xpuleases"))
                self.most = max(self.most, total)
                if total > 1000:
                    self.booked.append(total)

    # Faults.

    def kill_on(self, node, program):
        """By the number of the process, as an administrator of the node; whether there was one."""
        pids = self.cluster.on(node, "pidof", program, code=None).split()
        for pid in pids:
            self.cluster.on(node, "kill", "-9", pid, code=None)
        return bool(pids)

    def begin_anew(self):
        """What an administrator does with pods that the kubelet lets wait for having ended often."""
        pods = insist(lambda: self.api.items("/api/v1/namespaces/flexai-system/pods"))
        for pod in pods:
            for status in pod["status"].get("containerStatuses", []):
                if status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff":
                    insist(lambda pod=pod: self.api.delete(f"/api/v1/namespaces/flexai-system/pods/{pod['metadata']['name']}"))

    def server(self, name, chance):
        self.cluster.door("kill", name, code=None)
        time.sleep(chance.uniform(0, 2))
        self.cluster.door("up", seconds=300)

    def fault(self, chance):
        what = chance.choice(["agent", "agent", "hi-scheduler", "kubelet", "kube-apiserver", "etcd", "kube-scheduler"])
        node = chance.choice(NODES)
        if what == "agent":
            self.kill_on(node, "flexaid")
        elif what == "hi-scheduler":
            for one in NODES:  # wherever the two are
                if chance.random() < 0.7:
                    self.kill_on(one, "hi-scheduler")
        else:
            self.server(f"kubelet-{node}" if what == "kubelet" else what, chance)
        return what

    # The end.

    def left(self, node):
        found = [f"{folder}/{one}" for folder in FOLDERS for one in self.cluster.on(node, "ls", "-A", folder, code=None).split()]
        found += [f"worker {one}" for one in self.cluster.on(node, "pidof", "flexai-worker", code=None).split()]
        return found + [line for line in self.cluster.on(node, "cat", "/proc/mounts").splitlines() if "/flexai/doors" in line]

    def case_everything_is_killed(self):
        for compute in (100, 200, 300):
            self.template(f"c{compute}", compute)
        maker, watcher = threading.Thread(target=self.churn, daemon=True), threading.Thread(target=self.look, daemon=True)
        watcher.start()
        maker.start()
        chance, killed, end = random.Random(SEED), [], time.monotonic() + 1200
        while not self.all_made.wait(chance.uniform(*PAUSE)):
            expect(time.monotonic() < end and maker.is_alive(), f"{self.done} of {COUNT} pods are done, failed: {self.failed[:5]}: {self.phases()}")
            self.begin_anew()
            killed.append(self.fault(chance))
        print(f"      {len(killed)} faults: {', '.join(f'{what} {killed.count(what)}' for what in sorted(set(killed)))}; "
              f"{self.done} of {COUNT} pods have their result; the card was lent to {self.most / 10:.0f} % at most", flush=True)
        expect(not self.failed, f"{len(self.failed)} pods: {self.failed[:5]}")
        self.cluster.door("up", seconds=300)
        self.ledger_is_leases()
        self.over.set()
        watcher.join()
        expect(not self.booked, f"the card was lent twice: {self.booked[:5]}")
        self.cluster.until("claims and leases are gone", lambda: not insist(lambda: self.api.items(CLAIMS)) and not insist(lambda: self.api.items(f"{XPU}/xpuleases")), 120)
        for node in NODES:
            self.cluster.until(f"nothing is left on {node}: {self.left(node)}", lambda node=node: not self.left(node), 90)

    def ledger_is_leases(self):
        """With pods that run: what the card's agent has promised is what the leases say, no more and no less."""
        names = [f"long{number}" for number in range(4)]
        for number, name in enumerate(names):
            self.make(name, 200, 600, NODES[number % 2])
        self.cluster.until("they run", lambda: all(self.phases().get(name) == "Running" for name in names), 180)
        leases = {f"k-{one['spec']['claim']['uid'][:8]}-0": one["spec"]["compute"] for one in self.api.items(f"{XPU}/xpuleases")}
        slices = {name: one["compute_milli"] for name, one in self.cluster.slices("card").items()}
        expect(leases == slices and len(leases) == len(names), f"leases {leases}, slices {slices}")
        for name in names:
            self.api.delete(f"{PODS}/{name}?gracePeriodSeconds=0")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("storm_test.py: a cluster with nodes needs root")
    run_cases(StormTest)
