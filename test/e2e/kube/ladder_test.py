"""The hi-scheduler and the agents together, on the real test cluster, with pods that run: what gives way and goes on, and gangs.

usage: ladder_test.py BUILD [CASE ...]      needs root; builds the servers when they are not built"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))

from cases import expect, run_cases
from dra_cluster import DRIVER
from ladder_cluster import COUNTER, GEMM, LAUNCHES, LONG, LadderCluster
from network_test import counted

class LadderTest(LadderCluster):
    def __init__(self, build):
        super().__init__(build, "ladder-test")

    def gives_way(self, node):
        """A pod on `node` shrinks for one pod, is suspended for another, goes on, and has counted right."""
        self.start("low", COUNTER, 800, "low", {"qos": "elastic", "leastCompute": 300, "suspend": True}, node=node)
        self.running("low")
        self.until("its lease says Running", lambda: self.status_of("low").get("phase") == "Running")
        name = self.slice_of("low")
        self.until("it has memory on the card", lambda: self.used(name) > 0)
        self.start("middle", LONG, 500, "middle")
        self.running("middle")
        told = self.status_of("low")
        expect(told["phase"] == "Running" and 300 <= told["compute"] <= 500, f"it did not shrink: {told}")
        expect(self.slices("card")[name]["compute_milli"] == told["compute"], f"{self.slices('card')}")
        self.remove("middle")
        self.start("high", LONG, 900, "high")
        self.running("high")
        told = self.status_of("low")
        expect((told["phase"], told["compute"], told["memory"]) == ("Suspended", 0, 0), f"it was not suspended: {told}")
        here = self.slices("card")[name]
        expect(here["residency"] == "memory" and self.used(name) == 0, f"its memory is on the card: {here}")
        expect(self.phase("low") == "Running", "the pod ended")
        time.sleep(3)
        expect(self.status_of("low")["phase"] == "Suspended", "it went on without room")
        self.remove("high")
        self.until("it goes on", lambda: self.status_of("low").get("phase") == "Running")
        expect(self.slices("card")[name]["residency"] == "card", f"{self.slices('card')[name]}")
        expect(counted(LAUNCHES) in self.output("low", 240), f"it counted wrong: {self.kubectl('logs', 'low')}")
        self.until("its events say it", lambda: {"XpuShrunk", "XpuSuspended", "XpuResumed"} <= self.reasons("low"))
        self.remove("low")
        self.nothing_left()

    def case_a_pod_shrinks_is_suspended_and_goes_on(self):
        self.gives_way("card")

    def case_so_does_one_of_another_node(self):
        self.gives_way("plain")

    # Gangs.

    def member(self, name, size, command, compute=200, timeout=60, **more):
        self.start(name, command, compute, meta={"labels": {f"{DRIVER}/gang": "g"}, "annotations": {
            f"{DRIVER}/gang-size": str(size), f"{DRIVER}/gang-timeout": str(timeout)}}, **more)

    def pods_left(self):
        return [one["metadata"]["name"] for one in self.get("pods")["items"]]

    def clear(self, *names):
        self.remove(*names)
        self.nothing_left()

    def case_a_gang_of_four_computes(self):
        names = [f"g{number}" for number in range(4)]
        for name in names:
            self.member(name, 4, GEMM)
        for name in names:
            expect(json.loads(self.output(name))["max_error"] < 1e-3, name)
        expect(not [one for one in self.get("xpuleases")["items"] if one["spec"].get("hold")], "a lease is still held back")
        self.clear(*names)

    def case_a_member_without_processors_keeps_all_out(self):
        names = [f"g{number}" for number in range(4)]
        for name in names:
            self.member(name, 4, GEMM, **({"cpu": "500"} if name == "g3" else {}))
        self.until("it is said", lambda: "processors" in self.events("g0") + self.events("g3"))
        expect(not any(self.get("resourceclaim", name).get("status", {}).get("allocation") for name in names), "a member has a card")
        expect(all(self.get("pod", name)["spec"].get("schedulingGates") for name in names), "a gate is open")
        self.clear(*names)

    def case_a_member_that_cannot_be_prepared_takes_all_back(self):
        """Its claim asks for what its node's agent refuses. The others run until the gang's time is over; then all are evicted, nothing is
        left, and the gang that is made anew and right computes."""
        names = [f"g{number}" for number in range(4)]
        self.kubectl("label", "namespace", "default", f"{DRIVER}/direct=allowed")
        for name in names:
            self.member(name, 4, LONG, timeout=20, config={"isolation": "direct"} if name == "g3" else None)
        for name in names[:3]:
            self.running(name)
        self.until("the last says why", lambda: "isolation direct is not there yet" in self.events("g3"))
        expect(self.phase("g3") == "Pending", self.phase("g3"))
        self.until("all are evicted", lambda: not self.pods_left(), 60)
        self.until("nobody has a card", lambda: not any("allocation" in self.get("resourceclaim", name).get("status", {}) for name in names))
        self.nothing_left()
        self.until("no lease is left", lambda: not self.get("xpuleases")["items"])
        self.remove(*names)
        for name in names:
            self.member(name, 4, GEMM)
        for name in names:
            expect(json.loads(self.output(name))["max_error"] < 1e-3, name)
        self.clear(*names)
        self.kubectl("label", "namespace", "default", f"{DRIVER}/direct-")

    def case_nobody_is_prepared_before_all_are_bound(self):
        """kube-scheduler cannot bind the second: its affinity is to a pod that is not there. The first waits, then both go."""
        affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "nobody"}}, "topologyKey": "kubernetes.io/hostname"}]}}
        self.member("g0", 2, GEMM, timeout=25)
        self.member("g1", 2, GEMM, timeout=25, affinity=affinity)
        self.until("the first is bound", lambda: self.get("pod", "g0")["spec"].get("nodeName"))
        self.until("its lease is held back", lambda: self.lease_of("g0").get("spec", {}).get("hold"))
        time.sleep(4)
        expect(not self.slices("card"), f"a slice was given: {self.slices('card')}")
        expect(self.phase("g0") == "Pending", self.phase("g0"))
        self.until("the bound one is evicted", lambda: "g0" not in self.pods_left(), 60)
        self.clear("g0", "g1")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("ladder_test.py: a cluster with nodes needs root")
    run_cases(LadderTest)
