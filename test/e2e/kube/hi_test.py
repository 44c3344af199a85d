"""The hi-scheduler on a real control plane and kube-scheduler; nodes and cards are objects. Needs the built servers of `./dev cluster`: part
of the full form. FLEXAI_TEST_CLUSTER=FOLDER keeps and uses a cluster there.

usage: hi_test.py BUILD [CASE...]
"""
import os
import random
import sys
import tempfile
import threading
import time
import unittest
import uuid

from random_claims import random_claim
from scheduling import DRA, DRIVER, GI, XPU, Agents, Cluster, HiScheduler, slice_of, wait

BUILD = ""
CLUSTER = None
FULL = os.environ.get("FLEXAI_FULL") == "1"


def setUpModule():  # noqa: unittest's name
    global CLUSTER
    CLUSTER = Cluster()


def tearDownModule():  # noqa: unittest's name
    CLUSTER.down()


def main():
    """Of this file, and of others that bring cases of their own."""
    global BUILD
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)


class Case(unittest.TestCase):
    """A namespace, nodes and cards of its own; everything goes with it."""
    options = ()
    before = ()  # words before the program's
    holding = ()  # pools whose agent does not answer

    def setUp(self):
        self.api = CLUSTER.api
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        self.addCleanup(self.folder.cleanup)
        self.ns = self.id().rsplit(".", 1)[1].replace("_", "-").lower()[:40].rstrip("-")
        self.api.create("/api/v1/namespaces", {"metadata": {"name": self.ns}})
        self.config = CLUSTER.identity(self.folder.name)
        self.nodes, self.running = [], []
        self.agents = Agents(self.api, self.holding)
        self.addCleanup(self.agents.end)
        self.addCleanup(self.clear)
        self.hi = None
        self.cluster()
        self.start()

    def cluster(self):
        self.node("card", {}, {}, cpu="2")
        self.node("plain")

    def node(self, name, *cards, **more):
        CLUSTER.node(name, **more)
        self.nodes.append(name)
        if cards:
            CLUSTER.cards(name, *cards)

    def start(self, *options):
        # Of one that was killed; nobody waits for it here.
        if not any(hi.process.poll() is None for hi in self.running):
            self.api.delete("/apis/coordination.k8s.io/v1/namespaces/flexai-system/leases/hi-scheduler")
        self.hi = HiScheduler(BUILD, self.config, self.folder.name, "--verbose", *self.options, *options, before=self.before)
        self.running.append(self.hi)
        self.addCleanup(self.stop, self.hi)
        return self.hi

    def stop(self, hi):
        if hi.process.poll() is None:
            hi.end()
        failed = self._outcome.result and any(case is self for case, _ in self._outcome.result.failures + self._outcome.result.errors)
        if failed:
            print(hi.text()[-6000:], file=sys.stderr)

    def clear(self):
        self.agents.hold = set()
        self.api.delete(f"/api/v1/namespaces/{self.ns}/pods?gracePeriodSeconds=0")
        self.api.delete(f"{DRA}/namespaces/{self.ns}/resourceclaims")
        wait(lambda: not self.api.items(f"{DRA}/namespaces/{self.ns}/resourceclaims"), 30)
        wait(lambda: not self.leases(), 30)
        for node in self.nodes:
            self.api.delete(f"/api/v1/nodes/{node}")
            self.api.delete(f"{DRA}/resourceslices/{node}-{DRIVER}")
        for queue in self.api.items(f"{XPU}/xpuqueues"):
            self.api.delete(f"{XPU}/xpuqueues/{queue['metadata']['name']}")
        self.api.delete(f"/api/v1/namespaces/{self.ns}")

    # Looking.
    def get_pod(self, name):
        return self.api.get(f"/api/v1/namespaces/{self.ns}/pods/{name}")

    def node_of(self, name):
        return self.get_pod(name)["spec"].get("nodeName")

    def bound(self, name, seconds=15):
        return wait(lambda: self.node_of(name), seconds)

    def gated(self, name):
        return bool(self.get_pod(name)["spec"].get("schedulingGates"))

    def status(self, claim):
        return self.api.get(f"{DRA}/namespaces/{self.ns}/resourceclaims/{claim}").get("status", {})

    def results(self, claim):
        return self.status(claim).get("allocation", {}).get("devices", {}).get("results", [])

    def leases(self):
        return self.api.items(f"{XPU}/namespaces/{self.ns}/xpuleases")

    def why(self, name):
        """What the pod's condition says."""
        for condition in self.get_pod(name).get("status", {}).get("conditions", []):
            if condition["type"] == "PodScheduled":
                return condition.get("message", "")
        return ""

    def run_pod(self, name, spec, **more):
        CLUSTER.claim(self.ns, name, spec)
        return CLUSTER.pod(self.ns, name, [name], **more)

    def remove(self, name):
        self.api.delete(f"/api/v1/namespaces/{self.ns}/pods/{name}?gracePeriodSeconds=0")
        self.api.delete(f"{DRA}/namespaces/{self.ns}/resourceclaims/{name}")

    def taken(self):
        """Of each card: compute and memory that claims hold."""
        sums = {}
        for claim in self.api.items(f"{DRA}/resourceclaims"):
            for result in claim.get("status", {}).get("allocation", {}).get("devices", {}).get("results", []):
                of = sums.setdefault((result["pool"], result["device"]), [0, 0])
                of[0] += int(result["consumedCapacity"]["compute"])
                of[1] += 1
        return sums


class Placing(Case):
    def test_a_pod_gets_a_slice_of_its_own_nodes_card(self):
        self.run_pod("p", slice_of(300, GI, {"qos": "fixed"}))
        self.assertEqual(self.bound("p"), "card")
        status = self.status("p")
        result = status["allocation"]["devices"]["results"][0]
        self.assertEqual((result["driver"], result["pool"], result["request"]), (DRIVER, "card", "xpu"))
        self.assertEqual(result["consumedCapacity"], {"compute": "300", "memory": "1Gi"})
        self.assertEqual(len(result["shareID"]), 36)
        config = status["allocation"]["devices"]["config"][0]
        self.assertEqual((config["source"], config["opaque"]["parameters"]["qos"]), ("FromClaim", "fixed"))
        self.assertEqual([one["name"] for one in status["reservedFor"]], ["p"])
        lease = wait(self.leases)[0]
        self.assertEqual(lease["metadata"]["finalizers"], [f"{DRIVER}/slice"])
        spec = lease["spec"]
        self.assertEqual((spec["claim"]["name"], spec["pod"]["name"], spec["node"], spec["pool"], spec["compute"], spec["memory"], spec["state"]),
                         ("p", "p", "card", "card", 300, GI, "Running"))
        self.assertEqual(spec["shareID"], result["shareID"])

    def test_a_pod_too_large_for_the_cards_node_uses_its_card_from_another(self):
        self.run_pod("p", slice_of(300, GI), cpu="4")
        self.assertEqual(self.bound("p"), "plain")
        self.assertEqual(self.results("p")[0]["pool"], "card")

    def test_local_is_kept_local_and_says_what_is_missing(self):
        self.run_pod("p", slice_of(300, GI, {"reach": "local"}), cpu="4")
        reason = wait(lambda: ": 0/2 nodes" in self.why("p") and self.why("p"), 5)
        self.assertRegex(reason, r"^[A-Z][A-Za-z]+: 0/2 nodes")
        self.assertIn("too few free processors", reason)
        self.assertIn("with a remote card allowed", reason)
        self.assertTrue(self.gated("p"))

    def test_a_card_is_never_given_twice_and_free_again_when_the_lease_is(self):
        for number in range(12):
            self.run_pod(f"p{number}", slice_of(300, GI))
        wait(lambda: sum(self.node_of(f"p{number}") is not None for number in range(12)) == 6)
        time.sleep(0.5)
        self.assertEqual(sorted(value[0] for value in self.taken().values()), [900, 900])
        self.agents.hold = {"card"}
        gone = [f"p{number}" for number in range(12) if self.node_of(f"p{number}")][0]
        self.remove(gone)
        time.sleep(1.5)
        self.assertEqual(sum(bool(self.results(f"p{number}")) for number in range(12) if f"p{number}" != gone), 5,
                         "given away before the card's agent has let it go")
        self.agents.hold = set()
        wait(lambda: sum(bool(self.results(f"p{number}")) for number in range(12) if f"p{number}" != gone) == 6)

    def test_two_pods_share_a_claim(self):
        CLUSTER.claim(self.ns, "both", slice_of(300, GI))
        CLUSTER.pod(self.ns, "a", ["both"])
        CLUSTER.pod(self.ns, "b", ["both"])
        self.assertEqual(self.bound("a"), self.bound("b"))
        self.assertEqual(sorted(one["name"] for one in self.status("both")["reservedFor"]), ["a", "b"])

    def test_a_claim_of_a_template(self):
        self.api.create(f"{DRA}/namespaces/{self.ns}/resourceclaimtemplates", {
            "metadata": {"name": "t"}, "spec": {"spec": {"devices": slice_of(200, GI)}}})
        self.api.create(f"/api/v1/namespaces/{self.ns}/pods", {"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "none", "resources": {"claims": [{"name": "x"}]}}], "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False, "schedulingGates": [{"name": f"{DRIVER}/placement"}],
            "resourceClaims": [{"name": "x", "resourceClaimTemplateName": "t"}]}})
        self.assertEqual(self.bound("p"), "card")

    def test_only_the_last_gate_is_opened_by_us(self):
        CLUSTER.claim(self.ns, "p", slice_of(100, GI))
        self.api.create(f"/api/v1/namespaces/{self.ns}/pods", {"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "none", "resources": {"claims": [{"name": "x"}]}}], "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False, "schedulingGates": [{"name": f"{DRIVER}/placement"}, {"name": "other.io/gate"}],
            "resourceClaims": [{"name": "x", "resourceClaimName": "p"}]}})
        time.sleep(1)
        self.assertEqual(self.results("p"), [])
        self.api.call("PATCH", f"/api/v1/namespaces/{self.ns}/pods/p", [{"op": "remove", "path": "/spec/schedulingGates/1"}],
                      "application/json-patch+json")
        self.assertEqual(self.bound("p"), "card")


class Finalizer(Case):
    """The policy gives a claim what the hi-scheduler would have to write besides."""

    def test_a_new_claim_of_our_class_is_written_once(self):
        def held(name, spec):
            made = CLUSTER.claim(self.ns, name, spec)
            return made["metadata"].get("finalizers", []) == ["resource.kubernetes.io/delete-protection"]
        wait(lambda: held(f"c{time.monotonic_ns()}", slice_of(100, GI)), 15, 0.3)  # the policy has just been made
        self.assertTrue(held("ways", {"requests": [{"name": "xpu", "firstAvailable": [
            {"name": "other", "deviceClassName": "other"}, {"name": "ours", "deviceClassName": DRIVER}]}]}))
        self.assertFalse(held("foreign", slice_of(deviceClassName="other")))
        before = self.patches()
        self.run_pod("p", slice_of(300, GI))
        self.assertEqual(self.bound("p"), "card")
        self.assertEqual(self.patches() - before, 0)
        # Of another one it is written as ever.
        CLUSTER.claim(self.ns, "bare", slice_of(100, GI))
        self.api.merge(f"{DRA}/namespaces/{self.ns}/resourceclaims/bare", {"metadata": {"finalizers": None}})
        CLUSTER.pod(self.ns, "q", ["bare"])
        self.assertEqual(self.bound("q"), "card")
        self.assertEqual(self.patches() - before, 2)  # our own merge above is one of them

    def patches(self):
        """Of claims, not of their status."""
        return sum(int(line.rsplit(" ", 1)[1]) for line in self.api.get("/metrics").splitlines() if line.startswith("apiserver_request_total{")
                   and 'verb="PATCH"' in line and 'resource="resourceclaims"' in line and 'subresource=""' in line and 'code="200"' in line)

    def test_a_claim_that_was_never_allocated_goes_when_it_is_deleted(self):
        CLUSTER.claim(self.ns, "unused", slice_of(100, GI))
        path = f"{DRA}/namespaces/{self.ns}/resourceclaims/unused"
        self.api.delete(path)
        wait(lambda: self.api.call("GET", path, expect=False)[0] == 404, 20)


class Nodes(Case):
    def cluster(self):
        self.node("tainted", {}, taints=[{"key": "dedicated", "value": "x", "effect": "NoSchedule"}])
        self.node("labelled", {}, labels={"disk": "ssd"})
        self.node("sick", {"taints": [{"key": f"{DRIVER}/unhealthy", "value": "ecc", "effect": "NoSchedule"}]}, {}, labels={"kind": "sick"})

    def test_filters(self):
        self.run_pod("selected", slice_of(100, GI), nodeSelector={"disk": "ssd"})
        self.assertEqual(self.bound("selected"), "labelled")
        self.run_pod("tolerant", slice_of(100, GI, {"reach": "local"}), nodeSelector={"kubernetes.io/hostname": "tainted"},
                     tolerations=[{"key": "dedicated", "operator": "Exists"}])
        self.assertEqual(self.bound("tolerant"), "tainted")
        self.run_pod("there", slice_of(100, GI), affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "kind", "operator": "In", "values": ["sick"]}]}]}}})
        self.assertEqual(self.bound("there"), "sick")
        self.assertEqual(self.results("there")[0]["device"], "card-00000001", "the healthy card of the node")
        ports = [{"containerPort": 80, "hostPort": 8080}]
        for number in range(2):
            self.run_pod(f"port{number}", slice_of(100, GI, {"reach": "local"}), nodeSelector={"disk": "ssd"}, ports=ports)
        wait(lambda: self.node_of("port0") or self.node_of("port1"))
        waiting = "port1" if self.node_of("port0") else "port0"
        reason = wait(lambda: "host port" in self.why(waiting) and self.why(waiting), 5)
        self.assertIn("1 with the host port taken", reason)
        self.assertIn("1 with taints not tolerated", reason)
        self.run_pod("impossible", slice_of(100, GI), nodeSelector={"no": "where"})
        reason = wait(lambda: ": 0/3" in self.why("impossible") and self.why("impossible"), 3)
        self.assertIn("2 not matching the node selector", reason)


class Claims(Case):
    def cluster(self):
        self.node("one", {"brand": "Acme", "slot": 0}, {"brand": "Acme", "slot": 1, "memory": 32 * GI}, {"brand": "Other", "slot": 2})
        self.node("two", {"brand": "Other", "slot": 0})

    def devices(self, claim):
        return [(result["pool"], result["device"][-1]) for result in wait(lambda: self.results(claim))]

    def test_selectors_counts_and_constraints(self):
        def cel(text):
            return [{"cel": {"expression": text}}]
        big = f'device.capacity["{DRIVER}"].memory.compareTo(quantity("20Gi")) > 0'
        self.run_pod("big", slice_of(100, GI, selectors=cel(big)))
        self.assertEqual(self.devices("big"), [("one", "1")])
        self.run_pod("brand", slice_of(100, GI, selectors=cel(f'device.attributes["{DRIVER}"].brand.startsWith("Oth")'),
                                       config={"reach": "local"}), nodeSelector={"kubernetes.io/hostname": "one"})
        self.assertEqual(self.devices("brand"), [("one", "2")])
        same = slice_of(100, GI, count=2)
        same["constraints"] = [{"matchAttribute": f"{DRIVER}/brand"}, {"distinctAttribute": f"{DRIVER}/slot"}]
        self.run_pod("pair", same)
        self.assertEqual(sorted(self.devices("pair")), [("one", "0"), ("one", "1")])
        self.run_pod("all", slice_of(50, GI, allocationMode="All"), nodeSelector={"kubernetes.io/hostname": "one"})
        self.assertEqual(sorted(self.devices("all")), [("one", "0"), ("one", "1"), ("one", "2")])
        first = {"requests": [{"name": "x", "firstAvailable": [
            {"name": "none", "deviceClassName": DRIVER, "selectors": cel(f'device.attributes["{DRIVER}"].brand == "Nobody"')},
            {"name": "some", "deviceClassName": DRIVER, "capacity": {"requests": {"compute": "70", "memory": "1Mi"}}}]}]}
        self.run_pod("first", first)
        self.devices("first")
        self.assertEqual(self.results("first")[0]["request"], "x/some")
        self.assertEqual(self.results("first")[0]["consumedCapacity"]["compute"], "70")

    def test_what_cannot_be_is_refused_with_the_reason(self):
        cases = {
            "cel": (slice_of(100, GI, selectors=[{"cel": {"expression": 'device.attributes["x"].y.format([1]) == "a"'}}]), "character"),
            "error": (slice_of(100, GI, selectors=[{"cel": {"expression": f'device.attributes["{DRIVER}"].nothing == "a"'}}]), "no nothing"),
            "config": (slice_of(100, GI, {"qos": "golden"}), "qos"),
            "field": (slice_of(100, GI, {"colour": "red"}), "colour"),
            "much": (slice_of(2000, GI), "more compute than a card has"),
            "class": (slice_of(100, GI, deviceClassName="nobody"), "nobody"),
        }
        del cases["class"]  # a claim of another class is none of ours
        for name, (spec, _) in cases.items():
            status, answer = self.api.call("POST", f"{DRA}/namespaces/{self.ns}/resourceclaims", {"metadata": {"name": name}, "spec": {
                "devices": spec}}, expect=False)
            if status >= 300:  # the API server knows better
                self.assertEqual(name, "cel", answer)
                continue
            CLUSTER.pod(self.ns, name, [name])
        for name, (_, part) in cases.items():
            if name != "cel":
                wait(lambda name=name, part=part: part in self.why(name), 3)
        def told():
            return {event["regarding"]["name"]: event["note"] for event in self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.ns}/events")
                    if event["reason"] == "FailedScheduling" and "0/" not in event["note"]}
        wait(lambda: "qos" in told().get("config", ""), 3)
        events = self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.ns}/events")
        self.assertLessEqual(len(events), 3 * len(cases))


class Reallocation(Case):
    def test_what_kube_scheduler_could_not_bind_goes_elsewhere(self):
        # Pod affinity is kube-scheduler's; we do not look at it, and learn from what it does.
        self.api.create(f"/api/v1/namespaces/{self.ns}/pods", {"metadata": {"name": "friend", "labels": {"app": "friend"}}, "spec": {
            "containers": [{"name": "c", "image": "none"}], "nodeSelector": {"kubernetes.io/hostname": "plain"},
            "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}})
        self.bound("friend")
        self.run_pod("p", slice_of(300, GI), affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "friend"}}, "topologyKey": "kubernetes.io/hostname"}]}})
        self.assertEqual(self.bound("p", 60), "plain")
        self.assertEqual(self.results("p")[0]["pool"], "card")
        wait(lambda: [lease["spec"]["node"] for lease in self.leases()] == ["plain"], 20)


class Queues(Case):
    def queue(self, name, **spec):
        self.api.create(f"{XPU}/xpuqueues", {"apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuQueue", "metadata": {"name": name}, "spec": spec})

    def test_a_queue_over_its_limit_waits_and_says_so(self):
        self.queue("small", limit=500)
        wait(lambda: "small" in self.hi.page("/v1/queues"))
        for name in ("a", "b"):
            self.run_pod(name, slice_of(400, GI), labels={f"{DRIVER}/queue": "small"})
        wait(lambda: self.node_of("a") or self.node_of("b"))
        waiting = "b" if self.node_of("a") else "a"
        wait(lambda: "queue small is at its limit" in self.why(waiting), 3)
        status = wait(lambda: (one := self.api.get(f"{XPU}/xpuqueues/small").get("status", {})).get("pending") == 1 and one, 5)
        self.assertEqual((status["used"], status["running"]), (400, 1))
        self.remove("a" if waiting == "b" else "b")
        self.bound(waiting)

    def status_of(self, name):
        return self.api.get(f"{XPU}/xpuqueues/{name}").get("status", {})

    def condition(self, queue, kind):
        return next((one for one in self.status_of(queue).get("conditions", []) if one["type"] == kind), {})

    def test_guarantees_that_a_smaller_cluster_cannot_keep_are_cut_and_stop_nobody(self):
        self.node("other", {})
        self.queue("a", guarantee=1500)
        self.queue("b", guarantee=500)
        wait(lambda: self.condition("a", "Guaranteed").get("status") == "True", 5)
        self.api.delete("/api/v1/nodes/other")
        self.api.delete(f"{DRA}/resourceslices/other-{DRIVER}")
        wait(lambda: self.condition("a", "Guaranteed").get("status") == "True" and self.status_of("a")["guarantee"] == 1500, 5)  # two cards are left
        self.api.delete(f"{DRA}/resourceslices/card-{DRIVER}")
        CLUSTER.cards("card", {}, generation=2)
        wait(lambda: self.condition("a", "Guaranteed").get("reason") == "ClusterTooSmall", 5)
        self.assertEqual((self.status_of("a")["guarantee"], self.status_of("b")["guarantee"]), (750, 250))
        self.assertIn("of this one's 1500 its part is 750", self.condition("a", "Guaranteed")["message"])
        self.assertEqual(self.condition("a", "Ready")["status"], "True")
        for name in ("a", "b"):
            self.run_pod(name, slice_of(200, GI), labels={f"{DRIVER}/queue": name})
            self.bound(name)

    def test_a_queue_borrows_what_is_idle_and_gives_it_back(self):
        """`lender` deserves a card and has nothing to run; `borrower` takes both, and gives one back when it is asked for."""
        for name in ("lender", "borrower"):
            self.queue(name, guarantee=1000)
        wait(lambda: "lender" in self.hi.page("/v1/queues"))
        for number in range(5):
            self.run_pod(f"b{number}", slice_of(400, GI, {"leastCompute": 0}), labels={f"{DRIVER}/queue": "borrower"})
        pods = [f"b{number}" for number in range(5)]
        wait(lambda: sum(self.node_of(name) is not None for name in pods) == 4)
        waiting = next(name for name in pods if not self.node_of(name))
        reason = wait(lambda: "0/2 nodes" in self.why(waiting) and self.why(waiting), 5)
        self.assertIn("of its compute free", reason)
        status = wait(lambda: (one := self.status_of("borrower")).get("running") == 4 and one, 5)
        self.assertEqual((status["used"], status["pending"], status["unmet"]), (1600, 1, 400))
        self.run_pod("mine", slice_of(600, GI), labels={f"{DRIVER}/queue": "lender"})
        self.assertEqual(self.bound("mine", 60), "card")
        left = [name for name in pods if self.api.call("GET", f"/api/v1/namespaces/{self.ns}/pods/{name}", expect=False)[0] == 200]
        self.assertLess(len(left), 5, "nobody was evicted")
        self.assertGreaterEqual(sum(self.node_of(name) is not None for name in left), 2, "more was taken back than needed")

    def test_what_queues_have_used_is_counted(self):
        self.queue("q", deserved=1000)
        self.run_pod("p", slice_of(500, GI), labels={f"{DRIVER}/queue": "q"})
        self.bound("p")
        name = f'flexai_ncu_hours_total{{namespace="{self.ns}",queue="q"}}'
        wait(lambda: name in self.hi.metrics(), 10)
        before, began = self.hi.metrics()[name], time.monotonic()
        time.sleep(3)
        grown, hours = self.hi.metrics()[name] - before, (time.monotonic() - began) / 3600
        self.assertAlmostEqual(grown / hours, 0.5, delta=0.1)
        self.assertIn("ncuHours", self.status_of("q"))

    def test_unknown_and_wrong_queues(self):
        self.run_pod("p", slice_of(400, GI), labels={f"{DRIVER}/queue": "nobody"})
        wait(lambda: "queue nobody is not there" in self.why("p"), 3)
        self.queue("child", parent="nobody2")
        wait(lambda: [c["status"] for c in self.api.get(f"{XPU}/xpuqueues/child").get("status", {}).get("conditions", [])] == ["False"], 5)
        status, answer = self.api.call("POST", f"{XPU}/xpuqueues", {
            "apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuQueue", "metadata": {"name": "wrong"},
            "spec": {"guarantee": 2, "deserved": 1}}, expect=False)
        self.assertEqual(status, 422)
        self.assertIn("deserved must not be less than guarantee", str(answer))
        self.queue("nobody")
        self.bound("p")


class Ladder(Case):
    """What is done to pods that run, so that others may: leases first, eviction last, and never before the card's agent has let go."""
    def cluster(self):
        self.node("card", {}, cpu="16")

    def setUp(self):
        super().setUp()
        for name, value in (("low", 10), ("high", 1000)):
            self.api.delete(f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}")
            self.api.create("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"})

    def low(self, name, compute, config, **more):
        self.run_pod(name, slice_of(compute, GI, config), priorityClassName="low", **more)
        self.bound(name)
        wait(lambda: self.lease_of(name).get("status", {}).get("phase") == "Running")

    def high(self, name, compute):
        self.run_pod(name, slice_of(compute, GI), priorityClassName="high")

    def lease_of(self, pod):
        return next((lease for lease in self.leases() if lease["spec"].get("pod", {}).get("name") == pod), {})

    def state(self, pod):
        lease = self.lease_of(pod)
        return lease["spec"]["state"], lease["spec"]["compute"]

    def told(self, pod):
        return [event["reason"] for event in self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.ns}/events")
                if event["regarding"]["name"] == pod]

    def test_elastic_work_shrinks_and_nobody_starts_before_its_agent_says_so(self):
        self.low("low", 800, {"qos": "elastic", "leastCompute": 300})
        self.agents.deaf = {"card"}
        self.high("high", 600)
        wait(lambda: self.state("low") == ("Running", 300))
        wait(lambda: "as soon as" in self.why("high"), 5)
        time.sleep(1)
        self.assertEqual(self.results("high"), [], "given away before the card's agent has made the slice smaller")
        self.agents.deaf = set()
        self.assertEqual(self.bound("high"), "card")
        self.assertEqual(self.node_of("low"), "card")
        wait(lambda: "XpuShrunk" in self.told("low"), 5)

    def test_work_is_suspended_and_goes_on_when_there_is_room(self):
        self.low("low", 800, {"suspend": True})
        self.high("high", 600)
        self.assertEqual(self.bound("high"), "card")
        self.assertEqual(self.state("low"), ("Suspended", 800))
        time.sleep(1)
        self.assertEqual(self.state("low")[0], "Suspended", "there is no room yet")
        self.remove("high")
        wait(lambda: self.state("low") == ("Running", 800))
        wait(lambda: {"XpuSuspended", "XpuResumed"} <= set(self.told("low")), 5)

    def test_work_that_can_live_on_idle_time_gives_its_guarantee_up(self):
        self.low("low", 800, {"share": True, "suspend": True})
        self.high("high", 600)
        self.assertEqual(self.bound("high"), "card")
        self.assertEqual(self.state("low")[0], "Shared", "the milder of the two")
        self.remove("high")
        wait(lambda: self.state("low") == ("Running", 800))

    def test_eviction_is_last_and_asks_the_budget(self):
        self.low("low", 800, {}, labels={"app": "low"})
        budgets = f"/apis/policy/v1/namespaces/{self.ns}/poddisruptionbudgets"
        self.api.create(budgets, {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "low"}}}})
        self.running_pod("low")
        wait(lambda: self.api.get(f"{budgets}/b").get("status", {}).get("currentHealthy") == 1)
        self.high("high", 600)
        wait(lambda: "does not give way" in self.hi.text(), 10)
        self.assertIsNotNone(self.node_of("low"))
        self.assertEqual(self.results("high"), [])
        self.api.delete(f"{budgets}/b")
        self.assertEqual(self.bound("high", 60), "card")
        self.assertEqual(self.api.call("GET", f"/api/v1/namespaces/{self.ns}/pods/low", expect=False)[0], 404)

    def running_pod(self, name):
        self.api.merge(f"/api/v1/namespaces/{self.ns}/pods/{name}/status", {"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": None}]}})

    def test_an_agent_that_cannot_is_believed(self):
        self.low("low", 800, {"qos": "elastic", "leastCompute": 300})
        self.agents.failing = {"card"}
        self.high("high", 600)
        wait(lambda: "does not give way" in self.hi.text(), 10)
        wait(lambda: self.state("low") == ("Running", 800), 5)
        self.assertEqual(self.results("high"), [])

    def test_a_slice_is_fitted_to_its_load(self):
        self.low("low", 800, {"qos": "elastic", "leastCompute": 100})
        self.agents.used["low"] = 120
        wait(lambda: self.state("low")[1] == 150)
        self.agents.used["low"] = 150
        wait(lambda: self.state("low")[1] == 800)


class Gangs(Case):
    def member(self, name, size, cpu="100m", compute=800, **more):
        self.run_pod(name, slice_of(compute, GI), cpu=cpu, labels={f"{DRIVER}/gang": "g"}, annotations={f"{DRIVER}/gang-size": str(size), **more})

    def test_all_members_or_none(self):
        self.member("m0", 3)
        self.member("m1", 3)
        wait(lambda: "2 of 3 members are there" in self.why("m0"), 3)
        self.assertTrue(self.gated("m0"))
        self.member("m2", 3)
        wait(lambda: ": 0/2 nodes" in self.why("m2"), 5)
        self.assertEqual([bool(self.results(f"m{n}")) for n in range(3)], [False] * 3, "two would fit")
        self.node("more", {})
        for number in range(3):
            self.bound(f"m{number}")


    def test_a_gang_that_does_not_run_in_its_time_is_taken_back(self):
        timeout = {f"{DRIVER}/gang-timeout": "3"}
        for number in range(2):  # nobody runs them here
            self.member(f"m{number}", 2, **timeout)
        for number in range(2):
            self.bound(f"m{number}")
        wait(lambda: not self.api.items(f"/api/v1/namespaces/{self.ns}/pods"), 20)
        wait(lambda: not self.status("m0").get("allocation"), 20)


class Life(Case):
    def test_killed_at_any_moment_nothing_is_lost_or_given_twice(self):
        names = [f"p{number}" for number in range(60 if FULL else 24)]
        chance = random.Random(7)

        def make():
            for name in names:
                self.run_pod(name, slice_of(chance.choice([50, 100, 200]), GI))

        maker = threading.Thread(target=make)
        maker.start()
        for _ in range(4):
            time.sleep(chance.uniform(0.1, 0.5))
            self.hi.end("kill")
            self.start("--no-election")
        maker.join()

        def settled():
            waiting = [name for name in names if not self.node_of(name)]
            return len(waiting) == len([name for name in waiting if not self.results(name)])

        wait(settled, 30)
        wait(lambda: all(value[0] <= 1000 for value in self.taken().values()))
        given = {result["shareID"] for name in names for result in self.results(name)}
        wait(lambda: {lease["spec"]["shareID"] for lease in self.leases()} == given, 20)
        for name in names:
            self.remove(name)
        wait(lambda: not self.leases(), 20)
        self.run_pod("after", slice_of(1000))
        self.bound("after")

    def test_a_lease_without_a_claim_goes_though_the_servers_collector_leaves_it(self):
        """Of a kind that is new it learns half a minute late; this one names no owner."""
        self.run_pod("p", slice_of(300, GI))
        self.bound("p")
        spec = wait(self.leases)[0]["spec"]
        gone = str(uuid.uuid4())
        self.api.create(f"{XPU}/namespaces/{self.ns}/xpuleases", {
            "apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuLease", "metadata": {"name": f"{gone}-0"},
            "spec": {**spec, "claim": {"name": "p", "uid": gone}, "shareID": str(uuid.uuid4())}})
        began = time.monotonic()
        wait(lambda: len(self.leases()) == 1, 20)
        self.assertGreater(time.monotonic() - began, 3, "its claim may be on its way to us")
        self.assertEqual(self.leases()[0]["spec"]["claim"]["uid"], spec["claim"]["uid"])

    def test_a_standby_takes_over(self):
        first = self.hi
        wait(lambda: first.metrics()["flexai_leads"])
        other = self.start()
        self.run_pod("a", slice_of(100, GI))
        self.bound("a")
        first.end()  # gives the lead up
        began = time.monotonic()
        self.run_pod("b", slice_of(100, GI))
        self.bound("b")
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual(other.metrics()["flexai_leads"], 1)

    def test_a_killed_leader_is_followed_and_nothing_is_given_twice(self):
        first = self.hi
        wait(lambda: first.metrics()["flexai_leads"])
        other = self.start()
        names = [f"p{number}" for number in range(30)]
        for name in names[:10]:
            self.run_pod(name, slice_of(100, GI))
        wait(lambda: self.node_of("p0"))
        first.end("kill")  # with the others on their way
        killed = time.monotonic()
        for name in names[10:]:
            self.run_pod(name, slice_of(100, GI))
        wait(lambda: sum(self.node_of(name) is not None for name in names) >= 19, 60)
        took = time.monotonic() - killed
        print(f"a killed leader: {took:.1f} s until its standby has placed the next", file=sys.stderr)
        self.assertEqual(other.metrics()["flexai_leads"], 1)
        self.assertLess(took, 30)
        time.sleep(1)
        taken = self.taken()
        self.assertTrue(all(value[0] <= 1000 for value in taken.values()), f"given twice: {taken}")
        given = {result["shareID"] for name in names for result in self.results(name)}
        wait(lambda: {lease["spec"]["shareID"] for lease in self.leases()} >= given, 20)

    def test_what_it_may_not(self):
        """Its identity changes nothing but what it must."""
        def refused(*words):
            import subprocess
            done = subprocess.run([CLUSTER.kubectl_program, "--kubeconfig", self.config, *words], capture_output=True, text=True)
            return done.returncode != 0 and "orbidden" in done.stderr
        self.assertTrue(refused("get", "secrets", "-A"))
        self.assertTrue(refused("delete", "node", "plain"))
        self.assertTrue(refused("-n", self.ns, "create", "configmap", "x"))
        self.assertTrue(refused("delete", "resourceslice", f"card-{DRIVER}"))
        self.assertTrue(refused("-n", self.ns, "delete", "pod", "x"))


class Comparison(Case):
    """Claims at random: what we can satisfy is what kube-scheduler can."""
    options = ("--class", "ours")

    def cluster(self):
        self.node("n", {"brand": "A", "slot": 0, "sick": False}, {"brand": "A", "slot": 1, "memory": 32 * GI, "sick": False},
                  {"brand": "B", "slot": 2, "sick": True},
                  {"brand": "B", "slot": 3, "memory": 8 * GI, "sick": False, "taints": [{"key": "t", "value": "v", "effect": "NoSchedule"}]},
                  cpu="64", pods="500")
        for name in ("ours", "theirs"):  # alike; the second we leave alone
            self.api.delete(f"{DRA}/deviceclasses/{name}")
            self.api.create(f"{DRA}/deviceclasses", {"metadata": {"name": name}, "spec": {"selectors": [
                {"cel": {"expression": f'device.driver == "{DRIVER}"'}}]}})

    def test_random_claims(self):
        chance = random.Random(int(os.environ.get("FLEXAI_SEED", "1")))
        total = 1000 if FULL else 60
        different, refused, yes, alone = [], 0, 0, 0
        for number in range(total):
            state = chance.getstate()
            answers, chosen = {}, None
            for who in ("ours", "theirs"):
                chance.setstate(state)
                spec = random_claim(chance, who)
                answers[who], results = self.ask(who, f"{who}-{number}", spec)
                chosen = chosen or results
            refused += answers["ours"].startswith("refused")
            yes += answers["ours"] == "yes"
            if answers["ours"].split(":")[0] != answers["theirs"].split(":")[0]:
                # It does not come back from every first way that it tried; the way that we took must be one that it takes.
                if answers["ours"] == "yes" and self.ask("theirs", f"chosen-{number}", self.as_chosen(spec, chosen))[0] == "yes":
                    alone += 1
                else:
                    different.append((spec, answers))
            if number % 100 == 99 or number + 1 == total:
                print(f"{number + 1} of {total} claims: {yes} satisfied, {alone} of them in a way that kube-scheduler takes and does not find, {refused} "
                      f"refused by the API server, {len(different)} different", file=sys.stderr)
        self.assertEqual(different, [])
        self.assertLessEqual(alone, total // 100)
        self.assertGreater(yes, total // 10)

    def ask(self, who, name, spec):
        """What becomes of a claim: the answer, and what it was given."""
        status, answer = self.api.call("POST", f"{DRA}/namespaces/{self.ns}/resourceclaims", {
            "metadata": {"name": name}, "spec": {"devices": spec}}, expect=False)
        if status >= 300:
            return f"refused: {answer['message'][:300]}", None
        CLUSTER.pod(self.ns, name, [name], gated=who == "ours", cpu="1m", memory="1Mi")
        answer = wait(lambda: self.answer(name), 20)
        results = self.results(name)
        self.remove(name)
        wait(lambda: not [c for c in self.api.items(f"{DRA}/namespaces/{self.ns}/resourceclaims") if c["metadata"]["name"] == name], 20)
        wait(lambda: not self.leases(), 60)  # a server that knows the kind since now collects its objects late
        return answer, results

    @staticmethod
    def as_chosen(spec, results):
        """The claim with nothing left to choose: of each request the way that was taken."""
        taken = dict(result["request"].split("/") for result in results if "/" in result["request"])
        requests = []
        for request in spec["requests"]:
            if request["name"] in taken:
                way = next(way for way in request["firstAvailable"] if way["name"] == taken[request["name"]])
                request = {"name": request["name"], "exactly": {key: value for key, value in way.items() if key != "name"}}
            requests.append(request)
        return {**spec, "requests": requests}

    def answer(self, name):
        if self.node_of(name):
            return "yes"
        why = self.why(name)
        # The second is tried again; the third is said when the watch of pods is before that of claims.
        if why and not why.startswith(("Scheduling is blocked", "running PreBind", "ClaimNotThere")):
            return "no: " + why
        return None


if __name__ == "__main__":
    main()
