"""Who may use which queue and priority, on a real control plane: the policies of deploy/kustomize/access-policy.yaml, asked as users and as
what controllers make. No hi-scheduler and no webhook runs here: it must hold without them. FLEXAI_TEST_CLUSTER=FOLDER keeps and uses a cluster.

usage: access_test.py BUILD [CASE...]
"""
import sys
import time
import unittest

from scheduling import DRA, DRIVER, GI, ROOT, XPU, Cluster, slice_of, wait

CLUSTER = None
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PODS = [{"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["create", "get", "patch", "update", "delete"]},
        {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["create"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]},
        {"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims", "resourceclaimtemplates"], "verbs": ["create", "get"]}]


def setUpModule():  # noqa: unittest's name
    global CLUSTER
    CLUSTER = Cluster()
    CLUSTER.kubectl("apply", "-f", str(ROOT / "deploy/kustomize/access-policy.yaml"))


def tearDownModule():  # noqa: unittest's name
    CLUSTER.down()


class Case(unittest.TestCase):
    """A namespace in which alice may make pods, claims and Jobs, and nothing says anything of queues."""

    def setUp(self):
        self.api = CLUSTER.api
        self.ns = self.id().rsplit(".", 1)[1].replace("_", "-").lower()[:40].rstrip("-")
        self.api.create("/api/v1/namespaces", {"metadata": {"name": self.ns}})
        self.addCleanup(self.clear)
        self.allow("works", PODS, self.user("alice"), self.user("bob"))
        wait(lambda: self.api.call("GET", f"/api/v1/namespaces/{self.ns}/serviceaccounts/default", expect=False)[0] == 200)
        # The policies have just been made, and this namespace's rights as well.
        wait(lambda: self.make("alice", f"p{time.monotonic_ns()}", "nobodys")[0] == 403, 30, 0.3)
        wait(lambda: self.make("alice", f"p{time.monotonic_ns()}")[0] == 201, 30, 0.3)

    def clear(self):
        for kind in ("pods?gracePeriodSeconds=0", "resourcequotas"):
            self.api.delete(f"/api/v1/namespaces/{self.ns}/{kind}")
        self.api.delete(f"/api/v1/namespaces/{self.ns}")

    @staticmethod
    def user(name):
        return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}

    def account(self, name):
        return {"kind": "ServiceAccount", "namespace": self.ns, "name": name}

    def allow(self, name, rules, *subjects):
        """In this namespace alone."""
        self.api.create(f"{RBAC}/namespaces/{self.ns}/roles", {"metadata": {"name": name}, "rules": rules})
        self.api.create(f"{RBAC}/namespaces/{self.ns}/rolebindings", {
            "metadata": {"name": name}, "subjects": list(subjects),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}})

    def may_use(self, resource, name, *subjects, group=DRIVER):
        self.allow(f"use-{name}-{time.monotonic_ns()}", [{"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": ["use"]}], *subjects)

    @staticmethod
    def pod_spec(claims=True, **more):
        return {"containers": [{"name": "c", "image": "none", **({"resources": {"claims": [{"name": "x"}]}} if claims else {})}],
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "restartPolicy": "Never",
                **({"resourceClaims": [{"name": "x", "resourceClaimName": "x"}]} if claims else {}), **more}

    def make(self, who, name, queue=None, **more):
        labels = {} if queue is None else {f"{DRIVER}/queue": queue}
        return self.api.call("POST", f"/api/v1/namespaces/{self.ns}/pods", {"metadata": {"name": name, "labels": labels}, "spec": self.pod_spec(**more)},
                             expect=False, as_user=who)

    def allowed(self, answer):
        self.assertEqual(answer[0], 201, answer[1])

    def denied(self, answer, *words):
        self.assertEqual(answer[0], 403, answer[1])
        for word in words:
            self.assertIn(word, answer[1]["message"])


class Queues(Case):
    def test_a_queue_is_for_those_who_may_use_it(self):
        self.denied(self.make("alice", "a", "research"), "neither alice nor", "service account default", "queue research",
                    f"verb use on xpuqueues.{DRIVER}/research")
        self.may_use("xpuqueues", "research", self.user("alice"))
        wait(lambda: self.make("alice", "b", "research")[0] == 201, 10, 0.2)
        self.denied(self.make("bob", "c", "research"), "neither bob")
        self.denied(self.make("alice", "d", "production"), "queue production")

    def test_the_queue_that_is_not_named_needs_no_right_until_an_administrator_says_so(self):
        self.allowed(self.make("alice", "a"))
        self.allowed(self.make("alice", "b", "default"))
        self.allowed(self.make("alice", "c", ""))
        path = f"{RBAC}/clusterrolebindings/flexai:everybody"
        kept = self.api.get(path)
        self.api.delete(path)
        try:
            wait(lambda: self.make("alice", f"x{time.monotonic_ns()}")[0] == 403, 10, 0.2)
            self.denied(self.make("alice", "d"), "queue default")
            self.denied(self.make("alice", "e", ""), "queue default")
            self.allowed(self.make("alice", "f", claims=False))
        finally:
            self.api.create(f"{RBAC}/clusterrolebindings", {key: kept[key] for key in ("roleRef", "subjects")} | {"metadata": {"name": "flexai:everybody"}})

    def test_pods_without_claims_are_none_of_ours(self):
        self.allowed(self.make("alice", "a", "research", claims=False))
        # A claim cannot be put into a pod later; a gate neither.
        self.denied(self.make("alice", "b", "research", claims=False, schedulingGates=[{"name": f"{DRIVER}/placement"}]), "queue research")

    def test_a_pod_is_not_moved_into_another_queue(self):
        self.allowed(self.make("alice", "a"))
        path = f"/api/v1/namespaces/{self.ns}/pods/a"
        moved = {"metadata": {"labels": {f"{DRIVER}/queue": "research"}}}

        def patch(body, where=""):
            return self.api.call("PATCH", path + where, body, "application/merge-patch+json", expect=False, as_user="alice")
        self.denied(patch(moved), "queue research")
        self.denied(patch(moved, "/status"), "queue research")
        self.assertNotIn(f"{DRIVER}/queue", self.api.get(path)["metadata"].get("labels", {}))
        self.assertEqual(patch({"metadata": {"labels": {"other": "label"}}})[0], 200)
        self.api.merge(path, moved)  # an administrator may
        # Who may not use the queue changes other things of the pod all the same: gates and status are others' work.
        self.assertEqual(patch({"metadata": {"labels": {"other": "again"}}})[0], 200)

    def test_pods_of_a_job_are_asked_for_by_their_service_account(self):
        self.api.create(f"/api/v1/namespaces/{self.ns}/serviceaccounts", {"metadata": {"name": "trainer"}})
        self.may_use("xpuqueues", "research", self.account("trainer"))

        def job(name, account):
            template = {"metadata": {"labels": {f"{DRIVER}/queue": "research"}}, "spec": self.pod_spec(serviceAccountName=account)}
            answer = self.api.call("POST", f"/apis/batch/v1/namespaces/{self.ns}/jobs", {"metadata": {"name": name}, "spec": {"template": template}},
                                   expect=False, as_user="alice")
            self.allowed(answer)
            return self.api.warnings()
        self.assertIn("its pods will be refused", str(job("refused", "default")))
        wait(lambda: not job(f"heard{time.monotonic_ns()}", "trainer"), 10, 0.3)
        job("runs", "trainer")

        def pods(name):
            return self.api.items(f"/api/v1/namespaces/{self.ns}/pods?labelSelector=job-name%3D{name}")
        wait(lambda: pods("runs"))
        wait(lambda: [event["note"] for event in self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.ns}/events")
                      if event["regarding"]["name"] == "refused" and "job-controller nor the pod's service account default" in event["note"]])
        self.assertEqual(pods("refused"), [])

    def test_the_example_of_a_queue_gets_its_pods(self):
        self.addCleanup(self.api.delete, f"{XPU}/xpuqueues/small")
        CLUSTER.kubectl("-n", self.ns, "apply", "-f", str(ROOT / "examples/more/queue.yaml"))
        wait(lambda: len(self.api.items(f"/api/v1/namespaces/{self.ns}/pods?labelSelector=job-name%3Dqueue")) == 2, 60)

    def test_templates_are_warned_of(self):
        template = {"metadata": {"labels": {f"{DRIVER}/queue": "research", "app": "a"}}, "spec": self.pod_spec()}
        self.api.call("POST", f"/apis/batch/v1/namespaces/{self.ns}/cronjobs", {"metadata": {"name": "c"}, "spec": {
            "schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}}, as_user="alice")
        self.assertIn("queue research", str(self.api.warnings()))
        always = {**template, "spec": {**template["spec"], "restartPolicy": "Always"}}
        self.api.call("POST", f"/apis/apps/v1/namespaces/{self.ns}/deployments", {"metadata": {"name": "d"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": always}}, as_user="alice")
        self.assertIn("queue research", str(self.api.warnings()))

    def test_an_open_namespace_asks_nobody(self):
        self.denied(self.make("alice", "a", "research"))
        self.api.merge(f"/api/v1/namespaces/{self.ns}", {"metadata": {"labels": {f"{DRIVER}/access": "open"}}})
        wait(lambda: self.make("alice", f"b{time.monotonic_ns()}", "research")[0] == 201, 10, 0.2)

    def test_kubectl_can_be_asked(self):
        self.may_use("xpuqueues", "research", self.user("alice"))

        def may(who, queue):
            return self.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {"user": who, "resourceAttributes": {
                "namespace": self.ns, "group": DRIVER, "resource": "xpuqueues", "name": queue, "verb": "use"}}})["status"]["allowed"]
        wait(lambda: may("alice", "research"), 5, 0.2)
        self.assertFalse(may("bob", "research"))


class Priorities(Case):
    def test_a_guarded_class_is_for_those_who_may_use_it(self):
        for name, labels in (("guarded", {f"{DRIVER}/use": "guarded"}), ("free", {})):
            self.api.delete(f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}")
            self.api.create("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name, "labels": labels}, "value": 1000})
            self.addCleanup(self.api.delete, f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}")
        wait(lambda: self.make("alice", f"x{time.monotonic_ns()}", priorityClassName="guarded")[0] == 403, 15, 0.3)
        self.denied(self.make("alice", "a", priorityClassName="guarded"), "neither alice", "priority class guarded", "priorityclasses.scheduling.k8s.io/guarded")
        self.allowed(self.make("alice", "b", priorityClassName="free"))
        self.allowed(self.make("alice", "c"))
        self.allowed(self.make("alice", "d", claims=False, priorityClassName="guarded"))
        self.may_use("priorityclasses", "guarded", self.user("alice"), group="scheduling.k8s.io")
        wait(lambda: self.make("alice", "e", priorityClassName="guarded")[0] == 201, 10, 0.2)
        self.denied(self.make("bob", "f", priorityClassName="guarded"), "neither bob")
        self.may_use("priorityclasses", "guarded", self.account("default"), group="scheduling.k8s.io")
        wait(lambda: self.make("bob", "g", priorityClassName="guarded")[0] == 201, 10, 0.2)

    def claim(self, who, name, kind="resourceclaims", **config):
        spec = {"devices": slice_of(100, GI, config or None)}
        return self.api.call("POST", f"{DRA}/namespaces/{self.ns}/{kind}", {
            "metadata": {"name": name}, "spec": spec if kind == "resourceclaims" else {"spec": spec}}, expect=False, as_user=who)

    def test_high_on_a_card_is_everybodys_until_an_administrator_says_so(self):
        self.allowed(self.claim("alice", "a", priority="high"))
        path = f"{RBAC}/clusterroles/flexai:everybody"
        rules = self.api.get(path)["rules"]
        self.api.merge(path, {"rules": [rule for rule in rules if "cardpriorities" not in rule["resources"]]})
        try:
            wait(lambda: self.claim("alice", f"x{time.monotonic_ns()}", priority="high")[0] == 403, 10, 0.2)
            self.denied(self.claim("alice", "b", priority="high"), "alice may not ask for priority high", f"cardpriorities.{DRIVER}/high")
            self.denied(self.claim("alice", "c", "resourceclaimtemplates", priority="high"), "priority high")
            for number, config in enumerate(({"priority": "normal"}, {"qos": "fixed"}, {})):
                self.allowed(self.claim("alice", f"d{number}", **config))
                self.allowed(self.claim("alice", f"d{number}", "resourceclaimtemplates", **config))
            self.may_use("cardpriorities", "high", self.user("alice"))
            wait(lambda: self.claim("alice", "t", "resourceclaimtemplates", priority="high")[0] == 201, 10, 0.2)
            # What the claim controller makes of it is not asked again.
            self.allowed(self.make("bob", "p", resourceClaims=[{"name": "x", "resourceClaimTemplateName": "t"}]))
            wait(lambda: [one for one in self.api.items(f"{DRA}/namespaces/{self.ns}/resourceclaims") if one["metadata"].get("generateName")], 15)
        finally:
            self.api.merge(path, {"rules": rules})


class Agents(Case):
    """What an agent may write of a claim: the devices of its own driver, of claims of its own node; by the server's own check, and by our
    policy where that is switched off."""

    def setUp(self):
        super().setUp()
        for file in ("agent-rbac.yaml", "agent-policy.yaml"):
            CLUSTER.kubectl("apply", "-f", str(ROOT / "deploy/kustomize" / file))
        for node in ("card", "plain"):
            CLUSTER.node(node)
            self.addCleanup(self.api.delete, f"/api/v1/nodes/{node}")
            self.api.create("/api/v1/namespaces/flexai-system/pods", {"metadata": {"name": f"agent-{node}"}, "spec": {
                "nodeName": node, "serviceAccountName": "flexai-agent", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "none"}]}})
            self.addCleanup(self.api.delete, f"/api/v1/namespaces/flexai-system/pods/agent-{node}?gracePeriodSeconds=0")
        self.share = "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1"
        self.path = f"{DRA}/namespaces/{self.ns}/resourceclaims/c/status"
        CLUSTER.claim(self.ns, "c", {"requests": [{"name": name, "exactly": {"deviceClassName": DRIVER}} for name in ("xpu", "other")]})
        self.api.merge(f"{DRA}/namespaces/{self.ns}/resourceclaims/c", {"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}})
        self.api.merge(self.path, {"status": {"allocation": {
            "devices": {"results": [{"request": "xpu", "driver": DRIVER, "pool": "card", "device": "card-1", "shareID": self.share},
                                    {"request": "other", "driver": "else.io", "pool": "card", "device": "d"}]},
            "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["plain"]}]}]}}}})
        self.tokens = {node: CLUSTER.kubectl("-n", "flexai-system", "create", "token", "flexai-agent", "--bound-object-kind", "Pod", "--bound-object-name",
                                             f"agent-{node}").strip() for node in ("card", "plain")}

    def clear(self):
        self.api.call("PATCH", self.path, {"status": {"allocation": None, "devices": None}}, "application/merge-patch+json", expect=False)
        self.api.delete(f"{DRA}/namespaces/{self.ns}/resourceclaims/c")
        super().clear()

    def said(self, driver=DRIVER, status="True"):
        return {"driver": driver, "pool": "card", "device": "card-1" if driver == DRIVER else "d", **({"shareID": self.share} if driver == DRIVER else {}),
                "conditions": [{"type": "Ready", "status": status, "reason": "Prepared", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"}]}

    def write(self, node, **status):
        return self.api.call("PATCH", self.path, {"status": status}, "application/merge-patch+json", expect=False, token=self.tokens[node])

    def applied(self, node):
        """As the agent does it."""
        body = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c", "namespace": self.ns}, "status": {
            "devices": [self.said()]}}
        return self.api.call("PATCH", f"{self.path}?fieldManager=flexaid&force=true", body, "application/apply-patch+yaml", expect=False,
                             token=self.tokens[node])

    def test_an_agent_tells_of_its_own_devices_alone(self):
        wait(lambda: self.applied("plain")[0] == 200, 10, 0.3)
        self.assertEqual(self.api.get(self.path)["status"]["devices"][0]["device"], "card-1")
        wait(lambda: self.write("card", devices=[self.said(status="False")])[0] in (403, 422), 10, 0.3)
        for node, status in (("card", {"devices": []}), ("plain", {"devices": [self.said(), self.said("else.io")]}), ("plain", {"allocation": None}),
                             ("plain", {"reservedFor": [{"resource": "pods", "name": "p", "uid": "1"}]})):
            self.assertIn(self.write(node, **status)[0], (403, 422), (node, status))
        self.assertEqual(len(self.api.get(self.path)["status"]["devices"]), 1)

    def test_our_policy_holds_where_the_server_does_not_look(self):
        """An agent with all of the server's own rights for parts of a status: as where it does not ask for them."""
        rules = [{"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims/driver"], "verbs": ["arbitrary-node:patch", "associated-node:patch"]},
                 {"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims/binding"], "verbs": ["patch", "update"]}]
        self.api.create(f"{RBAC}/clusterroles", {"metadata": {"name": "test-all-of-a-status"}, "rules": rules})
        self.addCleanup(self.api.delete, f"{RBAC}/clusterroles/test-all-of-a-status")
        self.api.create(f"{RBAC}/clusterrolebindings", {
            "metadata": {"name": "test-all-of-a-status"}, "subjects": [{"kind": "ServiceAccount", "namespace": "flexai-system", "name": "flexai-agent"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "test-all-of-a-status"}})
        self.addCleanup(self.api.delete, f"{RBAC}/clusterrolebindings/test-all-of-a-status")
        wait(lambda: "and this agent is of another one" in str(self.write("card", devices=[self.said()])), 15, 0.3)
        for status in ({"devices": [self.said(), self.said("else.io")]}, {"allocation": None}, {"reservedFor": [{"resource": "pods", "name": "p", "uid": "1"}]}):
            wait(lambda status=status: "of the driver xpu.flexai.io, nothing else" in str(self.write("plain", **status)), 10, 0.3)
        wait(lambda: self.write("plain", devices=[self.said()])[0] == 200, 10, 0.3)


if __name__ == "__main__":
    sys.argv.pop(1)
    unittest.main(verbosity=2)
