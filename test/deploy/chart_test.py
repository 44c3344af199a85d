"""The chart and the kustomize base say the same; every value is described, allowed and used; rights and policies are what they should be.

usage: chart_test.py [UNITTEST ARGUMENTS]"""
import json
import re
import unittest

import render

WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}
# Value -> what it changes; with these, every template is rendered both ways.
SWITCHES = [{"webhook": {"enabled": False}}, {"networkPolicy": {"enabled": False}}, {"crds": {"install": False}}, {"crds": {"keep": True}},
            {"access": {"enabled": False}}, {"access": {"defaultQueue": False}}, {"access": {"highPriority": False}},
            {"serviceMonitor": {"enabled": True, "agents": True, "labels": {"release": "prometheus"}}}, {"namespace": {"create": True}},
            {"imagePullSecrets": [{"name": "registry"}]}, {"image": {"tag": "0.2.0", "pullPolicy": "Always"}},
            {"agent": {"kubeletFolder": "/data/kubelet", "nodeSelector": {"pool": "xpu"}, "extraArguments": ["--tenant-cache=1GiB"]}}]


def leaves(values, path=()):
    """Paths of what is a value of its own: objects that the chart knows the parts of are not."""
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict) and here not in OPEN:
            yield from leaves(value, here)
        else:
            yield ".".join(here), value


OPEN = {(part, name) for part in ("agent", "scheduler", "webhook") for name in ("resources", "nodeSelector")} | {
    ("networkPolicy", "metricsNamespaces"), ("serviceMonitor", "labels")}


def rules_of(objects, kind, name):
    return next(one for (k, _, n), one in objects.items() if (k, n) == (kind, name))["rules"]


def workloads(objects):
    return [one for (kind, _, _), one in objects.items() if kind in ("DaemonSet", "Deployment")]


class Same(unittest.TestCase):
    def test_chart_and_base_give_the_same_objects(self):
        self.assertEqual(render.differences(render.base(), render.chart({"namespace": {"create": True}})), [])

    def test_a_difference_is_found(self):
        one, other = render.base(), render.chart({"namespace": {"create": True}})
        next(iter(workloads(other)))["spec"]["template"]["spec"]["hostPID"] = "other"
        other.pop(("Service", "flexai-system", "flexai-webhook"))
        self.assertEqual(len(render.differences(one, other)), 2)

    def test_another_namespace_is_named_everywhere(self):
        objects = render.chart({"namespace": {"create": True}}, namespace="elsewhere")
        self.assertNotIn("flexai-system", json.dumps(list(objects.values())))
        self.assertEqual({key[1] for key in objects} - {""}, {"elsewhere"})
        self.assertIn('system:serviceaccount:elsewhere:flexai-agent', json.dumps(list(objects.values())))

    def test_switches(self):
        plain = render.chart()
        for values in SWITCHES:
            self.assertNotEqual(render.differences(plain, render.chart(values)), [], f"{values} changes nothing")
        self.assertFalse([key for key in render.chart({"webhook": {"enabled": False}}) if "webhook" in key[2] and key[0] != "NetworkPolicy"])
        self.assertFalse([key for key in render.chart({"networkPolicy": {"enabled": False}}) if key[0] == "NetworkPolicy"])
        everybody = {name: [rule["resources"][0] for rule in rules_of(render.chart({"access": {"defaultQueue": one, "highPriority": other}}), "ClusterRole", "flexai:everybody") or []]
                     for name, one, other in (("all", True, True), ("queue", True, False), ("card", False, True), ("none", False, False))}
        self.assertEqual(everybody, {"all": ["xpuqueues", "cardpriorities"], "queue": ["xpuqueues"], "card": ["cardpriorities"], "none": []})
        self.assertFalse([key for key in render.chart({"access": {"enabled": False}}) if key[2].endswith("-use") or key[2] == "flexai:everybody"])
        kept = render.chart({"crds": {"keep": True}})
        self.assertTrue(all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for key, one in kept.items()
                            if key[0] == "CustomResourceDefinition"))
        other = json.dumps(list(render.chart({"agent": {"kubeletFolder": "/data/kubelet"}}).values()))
        self.assertNotIn("/var/lib/kubelet", other)
        self.assertIn("--plugin-registry=/data/kubelet/plugins_registry", other)

    def test_what_the_renderer_does_not_know_it_refuses(self):
        for text in ("{{ include \"x\" . }}", "{{ .Values.nothing }}", "{{- if .Values.image }}", "{{- end }}", "{{ .Values.image | quote }}"):
            with self.assertRaises(render.NotKnown):
                render.rendered(text, {"Values": render.defaults()}, "test")


class Values(unittest.TestCase):
    def schema_at(self, path):
        here = json.loads((render.CHART / "values.schema.json").read_text(encoding="utf-8"))
        for part in path.split("."):
            self.assertFalse(here.get("additionalProperties", True), f"{path}: the schema lets anything in beside {part}")
            here = here["properties"][part]
        return here

    def test_every_value_is_in_schema_page_and_templates(self):
        page = (render.CHART / "README.md").read_text(encoding="utf-8")
        templates = "".join(path.read_text(encoding="utf-8") for path in (render.CHART / "templates").iterdir())
        for path, value in leaves(render.defaults()):
            kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
            schema = self.schema_at(path)
            self.assertTrue("enum" in schema and value in schema["enum"] or isinstance(value, kinds[schema.get("type", "object")]), path)
            self.assertIn(f"| `{path}` |", page)
            self.assertIn(f".Values.{path} ", templates)
        told = set(re.findall(r"^\| `([a-z][\w.]+)` \|", page, re.M))
        self.assertEqual(told - {path for path, _ in leaves(render.defaults())}, set(), "the page tells of values that are not there")

    def test_version_is_the_project_s(self):
        version = re.search(r"project\(flexai VERSION ([\d.]+)", (render.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")).group(1)
        about = render.yaml.safe_load((render.CHART / "Chart.yaml").read_text(encoding="utf-8"))
        self.assertEqual((about["version"], about["appVersion"]), (version, version))


class Rights(unittest.TestCase):
    """Of the base; the chart's are the same."""

    def setUp(self):
        self.objects = render.base()

    def test_no_right_is_for_everything(self):
        for (kind, _, name), one in self.objects.items():
            for rule in one["rules"] if kind in ("Role", "ClusterRole") else []:
                self.assertNotIn("*", [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], name)
                if "secrets" in rule["resources"]:
                    self.assertEqual((kind, rule["resourceNames"]), ("Role", ["flexai-webhook-tls"]))
                if kind == "ClusterRole":
                    self.assertFalse({"pods/exec", "serviceaccounts/token", "nodes/proxy"} & set(rule["resources"]), name)

    def may(self, name, resource):
        return {verb for rule in rules_of(self.objects, "ClusterRole", name) if resource in rule["resources"] for verb in rule["verbs"]}

    def test_agents_write_neither_claims_nor_pods(self):
        for resource in ("resourceclaims", "pods", "nodes"):
            self.assertFalse(self.may("flexai-agent", resource) & WRITES, resource)
        # Of a claim's status, which 1.36 guards by verbs of their own: the devices of our driver, of claims of the agent's own node.
        self.assertEqual(self.may("flexai-agent", "resourceclaims/status"), {"patch"})
        self.assertEqual(self.may("flexai-agent", "resourceclaims/driver"), {"associated-node:patch"})
        self.assertEqual([rule["resourceNames"] for rule in rules_of(self.objects, "ClusterRole", "flexai-agent")
                          if "resourceclaims/driver" in rule["resources"]], [["xpu.flexai.io"]])
        self.assertFalse(self.may("flexai-agent", "resourceclaims/binding"))

    def test_the_scheduler_may_write_allocations(self):
        self.assertEqual(self.may("flexai:hi-scheduler", "resourceclaims/status"), {"patch"})
        self.assertEqual(self.may("flexai:hi-scheduler", "resourceclaims/binding"), {"patch", "update"})
        self.assertFalse(self.may("flexai:hi-scheduler", "pods") & {"delete", "create"})

    def test_everybody_may_use_the_default_queue_and_no_other(self):
        rules = rules_of(self.objects, "ClusterRole", "flexai:everybody")
        self.assertEqual([(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in rules],
                         [(["xpuqueues"], ["default"], ["use"]), (["cardpriorities"], ["high"], ["use"])])

    def test_what_guards_use_fails_closed(self):
        for (kind, _, name), one in self.objects.items():
            if kind == "ValidatingAdmissionPolicy" and name.endswith("-use"):
                self.assertEqual(one["spec"]["failurePolicy"], "Fail", name)

    def test_pods_but_the_agent_s_are_unprivileged(self):
        for one in workloads(self.objects):
            for container in one["spec"]["template"]["spec"]["containers"]:
                rights = container["securityContext"]
                if one["metadata"]["name"] == "flexai-agent":
                    continue
                self.assertTrue(rights["runAsNonRoot"] and rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"])
                self.assertEqual((rights["capabilities"], rights["seccompProfile"]), ({"drop": ["ALL"]}, {"type": "RuntimeDefault"}))


class Policies(unittest.TestCase):
    def test_each_workload_has_one_with_its_ports(self):
        objects = render.base()
        policies = {json.dumps(one["spec"]["podSelector"]): one["spec"] for (kind, _, _), one in objects.items() if kind == "NetworkPolicy"}
        self.assertEqual(len(policies), 3)
        for one in workloads(objects):
            spec = policies[json.dumps(one["spec"]["selector"])]
            self.assertIn("Ingress", spec["policyTypes"])
            allowed = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
            for container in one["spec"]["template"]["spec"]["containers"]:
                listened = {port["containerPort"] for port in container.get("ports", [])} or {7700, 7701}
                self.assertEqual(allowed, listened, one["metadata"]["name"])

    def test_pages_of_the_scheduler_are_for_readers_of_metrics_alone(self):
        spec = render.base()["NetworkPolicy", "flexai-system", "hi-scheduler"]["spec"]
        self.assertTrue(all(rule.get("from") for rule in spec["ingress"]))


class Examples(unittest.TestCase):
    def test_they_use_the_image_that_is_deployed(self):
        containers = 0
        for path in (render.ROOT / "examples").rglob("*.yaml"):
            for one in render.yaml.safe_load_all(path.read_text(encoding="utf-8")):
                spec = one.get("spec", {})
                for container in spec.get("template", {}).get("spec", spec).get("containers", []):
                    self.assertEqual(container["image"], "docker.io/flexai/flexai:latest", path)
                    containers += 1
        self.assertEqual(containers, 6)


if __name__ == "__main__":
    unittest.main()
