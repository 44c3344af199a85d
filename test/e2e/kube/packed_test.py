"""Lists in protobuf: what kube/packed_shapes.cc says of the messages against their definitions in the Go modules, and what becomes of objects of
a real API server against its own JSON of them. Needs the built servers of `./dev cluster`: part of the full form.

usage: packed_test.py BUILD [CASE...]
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from servers import ControlPlane

BUILD = ""
PLANE = None
FILES = (("k8s.io/api", "resource/v1"), ("k8s.io/api", "core/v1"), ("k8s.io/apimachinery", "pkg/apis/meta/v1"))
TYPES = {"string": "text", "bool": "bool", "int64": "int", "int32": "int", "Quantity": "quantity", "Time": "time", "RawExtension": "json"}
MANY = {"text": "texts", "quantity": "quantities", "message": "messages"}


def setUpModule():  # noqa: unittest's name
    global PLANE
    PLANE = ControlPlane()


def tearDownModule():  # noqa: unittest's name
    PLANE.down()


def probe(*words):
    done = subprocess.run([f"{BUILD}/bin/kube-probe", "--kubeconfig", PLANE.kubeconfig, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def module(name):
    """Its folder."""
    tool = pathlib.Path(__file__).with_name("proto_test.py")
    return pathlib.Path(subprocess.run([sys.executable, "-B", tool, "--module", name], capture_output=True, text=True, check=True).stdout.strip())


def shapes():
    """{message: {name: (number, kind, message of it, kept)}}"""
    found = {}
    for line in probe("shapes"):
        words = line.split()
        if words[0] == "shape":
            found[words[1]] = {}
        else:
            _, message, number, name, kind, of, *kept = words
            found[message][name] = (int(number), kind, of, bool(kept))
    return found


def defined(text):
    """{message: {name: (number, kind, message of it)}} of a .proto."""
    found = {}
    text = re.sub(r"//[^\n]*", "", text)
    for message, body in re.findall(r"message\s+(\w+)\s*\{([^{}]*)\}", text):
        found[message] = fields = {}
        for label, value, kind, name, number in re.findall(r"(optional|repeated)?\s*(?:map\s*<\s*string\s*,\s*([\w.]+)\s*>|([\w.]+))\s+(\w+)\s*=\s*(\d+)\s*;",
                                                            body):
            of = (value or kind).rsplit(".", 1)[-1]
            simple = TYPES.get(of, "message")
            shown = f"{simple}-map" if value else MANY.get(simple, simple) if label == "repeated" else simple
            fields[name] = (int(number), shown, of if simple == "message" else "-")
    return found


POD = {"metadata": {"name": "full", "labels": {"app": "x", "odd": ""}, "annotations": {"note": "a \"quoted\" \\ line\nand ünïcode"}},
       "spec": {
           "schedulingGates": [{"name": "xpu.flexai.io/placement"}, {"name": "other.io/x"}], "nodeSelector": {"disk": "ssd"},
           "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}, {"key": "v", "value": "1"}],
           "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
               {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}, {"key": "b", "operator": "Exists"}]},
               {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]}},
               "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "t", "labelSelector": {}}]}},
           "overhead": None, "resourceClaims": [{"name": "a", "resourceClaimName": "claim"}, {"name": "b", "resourceClaimTemplateName": "t"}],
           "volumes": [{"name": "p", "persistentVolumeClaim": {"claimName": "disk"}}, {"name": "e", "emptyDir": {}},
                       {"name": "own", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {
                           "requests": {"storage": "1Gi"}}}}}}],
           "initContainers": [{"name": "i", "image": "none", "restartPolicy": "Always", "resources": {"requests": {"cpu": "10m"}}}],
           "containers": [{"name": "c", "image": "none", "ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}],
                           "resources": {"requests": {"cpu": "1500m", "memory": "1.5Gi"}, "limits": {"other.io/x": "2"}, "claims": [{"name": "a"}]}},
                          {"name": "d", "image": "none"}]}}
CLAIM = {"metadata": {"name": "claim", "finalizers": ["xpu.flexai.io/x"]}, "spec": {"devices": {
    "requests": [
        {"name": "one", "exactly": {"deviceClassName": "xpu.flexai.io", "count": 2, "selectors": [{"cel": {"expression": "device.driver == \"x\""}}],
                                    "capacity": {"requests": {"compute": "300", "memory": "1Gi"}}, "tolerations": [{"operator": "Exists"}]}},
        {"name": "all", "exactly": {"deviceClassName": "c", "allocationMode": "All"}},
        {"name": "ways", "firstAvailable": [{"name": "s0", "deviceClassName": "c", "count": 3}, {
            "name": "s1", "deviceClassName": "d", "capacity": {"requests": {"memory": "1500Ki"}}, "tolerations": [{"key": "t", "value": "v"}]}]}],
    "constraints": [{"requests": ["one"], "matchAttribute": "xpu.flexai.io/model"}, {"distinctAttribute": "xpu.flexai.io/id"}],
    "config": [{"requests": ["one"], "opaque": {"driver": "xpu.flexai.io", "parameters": {
        "apiVersion": "xpu.flexai.io/v1alpha1", "kind": "SliceConfig", "qos": "fixed", "text": "\"}{é"}}}]}}}
ALLOCATION = {"allocation": {
    "devices": {"results": [{"request": "one", "driver": "xpu.flexai.io", "pool": "n", "device": "card-0", "shareID": "1b1d0000-0000-4000-8000-000000000000",
                             "consumedCapacity": {"compute": "300", "memory": "1Gi"}}],
                "config": [{"source": "FromClass", "requests": [], "opaque": {"driver": "xpu.flexai.io", "parameters": {"qos": "elastic"}}}]},
    "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]}},
    "reservedFor": [{"resource": "pods", "name": "full", "uid": "u"}]}
NODE = {"metadata": {"name": "n", "labels": {"zone": "a"}}, "spec": {"unschedulable": True, "taints": [{"key": "k", "value": "v", "effect": "NoExecute"}]}}
SLICE = {"metadata": {"name": "s"}, "spec": {"driver": "xpu.flexai.io", "nodeName": "n", "pool": {"name": "n", "generation": 3, "resourceSliceCount": 1},
         "devices": [{"name": "card-0", "allowMultipleAllocations": True,
                      "attributes": {"zero": {"int": 0}, "no": {"bool": False}, "none": {"string": ""}, "brand": {"string": "Acme"},
                                     "v": {"version": "1.2.3"}},
                      "capacity": {"compute": {"value": "1000", "requestPolicy": {"default": "1000", "validRange": {"min": "1", "max": "1k", "step": "1"}}},
                                   "memory": {"value": "16Gi", "requestPolicy": {"default": "8Gi", "validValues": ["8Gi", "16Gi"]}}},
                      "taints": [{"key": "xpu.flexai.io/unhealthy", "value": "ecc", "effect": "NoSchedule"}]},
                     {"name": "card-1"}]}}


class Packed(unittest.TestCase):
    maxDiff = None

    def test_numbers_and_kinds_are_those_of_the_definitions(self):
        theirs = {}
        for name, folder in FILES:
            for message, fields in defined((module(name) / folder / "generated.proto").read_text(encoding="utf-8")).items():
                theirs.setdefault(message, fields)
        count = 0
        for message, fields in shapes().items():
            for name, (number, kind, of, _) in fields.items():
                expected = theirs[message].get(name)
                self.assertEqual((number, "message" if kind == "inline" else kind, of), expected, f"{message}.{name}")
                count += 1
        self.assertGreater(count, 120)

    def wanted(self, message, thing):
        """Of the server's JSON what the shape names, without what is nothing."""
        found = {}
        for name, (_, kind, of, kept) in self.shapes[message].items():
            if kind == "inline":
                found |= self.wanted(of, thing)
                continue
            value = thing.get(name)
            if value is None or (not kept and value in ("", 0, False, [], {}) and kind != "message"):
                continue
            if kind == "message":
                value = self.wanted(of, value)
            elif kind == "messages":
                value = [self.wanted(of, one) for one in value]
            elif kind == "message-map":
                value = {key: self.wanted(of, one) for key, one in value.items()}
            found[name] = value
        return found

    def compare(self, resource, message, *objects):
        path = f"{'/apis/' + resource.rsplit('/', 1)[0] if '/' in resource else '/api/v1'}/{resource.rsplit('/', 1)[-1]}"
        theirs = json.loads(PLANE.kubectl("get", "--raw", path))["items"]
        self.assertGreaterEqual(len(theirs), len(objects))
        ours = {one["metadata"]["uid"]: one for one in map(json.loads, probe("packed", resource, message))}
        self.assertEqual(len(ours), len(theirs))
        for one in theirs:
            self.assertEqual(ours[one["metadata"]["uid"]], self.wanted(message, one))

    def test_objects_are_what_the_servers_json_says(self):
        self.shapes = shapes()

        def make(kind, version, *things):
            for thing in things:
                PLANE.kubectl("create", "-f", "-", stdin=json.dumps({"kind": kind, "apiVersion": version, **thing}))
        PLANE.kubectl("create", "serviceaccount", "default")  # whose controller is not here
        bare = [{"metadata": {"name": f"bare{n}"}, "spec": {"containers": [{"name": "c", "image": "none"}]}} for n in range(4)]
        pods = [{**one, "spec": {**one["spec"], "automountServiceAccountToken": False}} for one in (POD, *bare)]
        make("Pod", "v1", *pods)
        make("Node", "v1", NODE)
        make("ResourceClaim", "resource.k8s.io/v1", CLAIM, {**CLAIM, "metadata": {"name": "unallocated"}})
        make("ResourceSlice", "resource.k8s.io/v1", SLICE)
        PLANE.kubectl("patch", "node", "n", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {
            "capacity": {"cpu": "4", "memory": "8Gi"}, "allocatable": {"cpu": "3500m", "memory": "8Gi", "pods": "110", "other.io/x": "3"}}}))
        PLANE.kubectl("patch", "resourceclaim", "claim", "--subresource=status", "--type=merge", "-p", json.dumps({"status": ALLOCATION}))
        PLANE.kubectl("patch", "pod", "full", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {
            "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "X", "message": "waits"}],
            "resourceClaimStatuses": [{"name": "b", "resourceClaimName": "made"}]}}))
        PLANE.kubectl("delete", "resourceclaim", "claim", "--wait=false")  # its deletionTimestamp
        self.compare("pods", "Pod", *pods)
        self.compare("nodes", "Node", NODE)
        self.compare("resource.k8s.io/v1/resourceclaims", "ResourceClaim", CLAIM)
        self.compare("resource.k8s.io/v1/resourceslices", "ResourceSlice", SLICE)

    def test_what_the_server_cannot_pack_comes_as_it_is(self):
        PLANE.kubectl("apply", "-f", os.path.join(os.path.dirname(__file__), "../../../deploy/crds/xpuqueue.yaml"))
        PLANE.kubectl("wait", "--for=condition=Established", "crd/xpuqueues.xpu.flexai.io", "--timeout=20s")
        PLANE.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "XpuQueue", "metadata": {"name": "q"},
                                                           "spec": {"weight": 3}}))
        lines = probe("packed", "xpu.flexai.io/v1alpha1/xpuqueues", "Pod")
        self.assertEqual([json.loads(line)["spec"]["weight"] for line in lines], [3])


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
