"""Slices that move, decided by the hi-scheduler on a real control plane; nodes, cards and their agents are stand-ins, as in hi_test.py.

usage: hi_moves_test.py BUILD [CASE...]
"""
import os
import pathlib
import sys
import time
import unittest

import hi_test
from hi_test import setUpModule, tearDownModule  # noqa: F401  unittest looks for them here
from scheduling import GI, XPU, slice_of, wait

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Moves(hi_test.Case):
    """Slices of a node without cards go to another node's card, so that others have room where they were."""
    lease_of, told = hi_test.Ladder.lease_of, hi_test.Ladder.told

    def setUp(self):
        super().setUp()
        for name, value in (("low", 10), ("high", 1000)):
            self.api.delete(f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}")
            self.api.create("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"})

    def cluster(self):
        self.node("a", {}, cpu="16")
        self.node("plain", cpu="16")

    def low(self, config=None):
        self.run_pod("low", slice_of(400, GI, {"move": True} if config is None else config), priorityClassName="low",
                     nodeSelector={"kubernetes.io/hostname": "plain"})
        self.bound("low")
        wait(lambda: self.phase() == "Running")
        self.node("b", {}, cpu="16")

    def phase(self):
        return self.lease_of("low").get("status", {}).get("phase")

    def at(self):
        spec = self.lease_of("low")["spec"]
        return spec["pool"], spec.get("target", {}).get("pool")

    def high(self):
        self.run_pod("high", slice_of(900, GI, {"reach": "local"}), priorityClassName="high", nodeSelector={"kubernetes.io/hostname": "a"})

    def test_a_slice_goes_elsewhere_and_nobody_starts_before_it_has_left(self):
        self.agents.slow = {"a"}
        self.low()
        self.high()
        wait(lambda: self.phase() == "Moving")
        self.assertEqual(self.at(), ("a", "b"))
        self.run_pod("third", slice_of(700, GI, {"reach": "local"}), nodeSelector={"kubernetes.io/hostname": "b"})
        time.sleep(1)
        self.assertEqual(self.results("high"), [], "given away before the slice has left")
        self.assertEqual(self.results("third"), [], "the room of what is on its way was given away")
        self.agents.slow = set()
        self.assertEqual(self.bound("high"), "a")
        wait(lambda: self.at() == ("b", None) and self.phase() == "Running")
        self.assertEqual([result["pool"] for result in self.results("low")], ["a"], "the claim was written")
        self.assertEqual(self.node_of("low"), "plain")
        wait(lambda: {"XpuMoving", "XpuMoved"} <= set(self.told("low")), 5)
        time.sleep(1)
        self.assertEqual(self.results("third"), [], "what has moved holds its new card")
        self.remove("low")
        self.assertEqual(self.bound("third"), "b")

    def test_a_new_leader_goes_on_with_what_is_on_its_way(self):
        self.agents.slow = {"a"}
        self.low()
        self.high()
        wait(lambda: self.phase() == "Moving")
        self.hi.end("kill")
        self.start()
        self.run_pod("third", slice_of(700, GI, {"reach": "local"}), nodeSelector={"kubernetes.io/hostname": "b"})
        time.sleep(2)
        self.assertEqual(self.results("high") + self.results("third"), [])
        self.agents.slow = set()
        self.assertEqual(self.bound("high"), "a")
        wait(lambda: self.at() == ("b", None))

    def test_an_agent_that_cannot_is_believed(self):
        self.low()
        self.agents.failing = {"a"}
        self.high()
        wait(lambda: "does not give way" in self.hi.text(), 10)
        wait(lambda: self.at() == ("a", None) and self.phase() == "Running", 5)
        self.assertIsNotNone(self.node_of("low"))

    def test_what_does_not_allow_it_is_not_moved(self):
        self.low({"move": False})
        self.high()
        time.sleep(2)
        self.assertNotIn("XpuMoving", self.told("low"))


class Rights(hi_test.Case):
    """Who may write a lease that leads to another card: the agent of its card, and the target's when the first has said that nothing is left."""
    def cluster(self):
        for name in ("a", "b", "plain"):
            self.node(name, cpu="16")

    def token_of(self, node):
        """Of an agent there: its account, by a token that is bound to its pod."""
        pods = "/api/v1/namespaces/flexai-system/pods"
        self.api.create(pods, {"metadata": {"name": f"agent-{node}"}, "spec": {
            "nodeName": node, "serviceAccountName": "flexai-agent", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "none"}]}})
        self.addCleanup(self.api.delete, f"{pods}/agent-{node}?gracePeriodSeconds=0")
        uid = self.api.get(f"{pods}/agent-{node}")["metadata"]["uid"]
        made = self.api.call("POST", "/api/v1/namespaces/flexai-system/serviceaccounts/flexai-agent/token", {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": [], "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": f"agent-{node}", "uid": uid}}})
        return made["status"]["token"]

    def test_only_the_two_agents_that_it_concerns_write_its_lease(self):
        self.agents.end()
        self.hi.end("kill")
        wait(lambda: self.api.call("GET", f"{XPU}/xpuqueues", expect=False)[0] == 200)
        for file in ("agent-rbac.yaml", "agent-policy.yaml"):
            hi_test.CLUSTER.kubectl("apply", "-f", f"{ROOT}/deploy/kustomize/{file}")
        tokens = {node: self.token_of(node) for node in ("a", "b", "plain")}
        path = f"{XPU}/namespaces/{self.ns}/xpuleases"
        self.api.create(path, {"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "XpuLease", "metadata": {"name": "abc-0"}, "spec": {
            "claim": {"name": "x", "uid": "abc"}, "node": "plain", "pool": "a", "device": "card-1", "shareID": "0" * 36, "compute": 1,
            "memory": 1, "state": "Running", "target": {"pool": "b", "device": "card-1"}}})

        def writes(node, phase=None, spec=None):
            status, said = self.api.call("PATCH", f"{path}/abc-0" + ("" if spec else "/status"), {"spec": spec} if spec else {"status": {"phase": phase}},
                                         "application/merge-patch+json", expect=False, token=tokens[node])
            return status, str(said)
        # The server begins to hold to a policy a moment after it has it.
        wait(lambda: "about a card of a" in writes("plain", "Running")[1])
        for node in ("b", "plain"):
            self.assertIn("about a card of a", writes(node, "Moving")[1], node)
        self.assertEqual(writes("a", "Moving")[0], 200)
        self.assertIn("about a card of a", writes("b", "Moved")[1])
        self.assertEqual(writes("a", "Moved")[0], 200)
        self.assertIn("about a card of a", writes("plain", "Released")[1])
        self.assertEqual(writes("b", "Moved")[0], 200)
        for node in ("a", "b"):
            self.assertIn("status of a lease", writes(node, spec={"pool": "b", "target": None})[1])
        status, said = self.api.call("PATCH", f"{path}/abc-0", {"spec": {"target": {"pool": "a"}}}, "application/merge-patch+json", expect=False)
        self.assertIn("to a card of another node", str(said), status)
        self.api.delete(f"{path}/abc-0")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    hi_test.BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
