"""The test cluster itself, whole and real: PROGRAM BUILD [NAME ...]. Needs root; builds the servers when they are not built."""
import atexit
import json
import os
import pathlib
import random
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cluster"))

import host
import images
from cases import expect, run_cases

ROOT = pathlib.Path(__file__).resolve().parents[3]
DOOR = [sys.executable, "-B", str(ROOT / "test" / "cluster" / "main.py")]
FULL = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", *(
    f"{part}-{node}" for node in ("card", "plain") for part in ("containerd", "kubelet", "kube-proxy"))]
ANSWER = "mkdir -p /tmp/www; echo $NAME >/tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
ASK_API = """
import os, ssl, sys, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
request = urllib.request.Request(server + sys.argv[1], headers={"Authorization": "Bearer " + open(folder + "/token").read()})
try:
    print(server, urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + "/ca.crt"), timeout=20).status)
except urllib.error.HTTPError as error:
    print(server, error.code)
"""


class ClusterTest:
    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        # One of its own: whoever has a cluster up is told so, and keeps it.
        self.state = self.build / "cluster-test"
        self.door("build", seconds=3600)
        self.door("down")
        self.before = host.traces(self.mark)
        atexit.register(self.door, "down")  # also when a case failed

    @property
    def mark(self):
        return f"FLEXAI_CLUSTER_MEMBER_OF={self.state}"

    def door(self, *words, code=0, seconds=300, given=None):
        done = subprocess.run([*DOOR, "--state", str(self.state), *words], capture_output=True, text=True, check=False, timeout=seconds, input=given)
        expect(code is None or done.returncode == code, f"{words}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def kubectl(self, *words, **more):
        return self.door("kubectl", *words, **more)

    def status(self):
        return json.loads(self.door("status", "--json", code=None))

    def up(self):
        return self.door("up")

    def until(self, what, condition, seconds=90):
        end = time.monotonic() + seconds
        while not (found := condition()):
            expect(time.monotonic() < end, f"waited {seconds} s in vain until {what}: {self.kubectl('get', 'pods', '-o', 'wide')}"
                   f"{self.kubectl('get', 'events', '--sort-by=.lastTimestamp')[-3000:]}")
            time.sleep(0.2)
        return found

    def pod(self, name, node, command, image="busybox", volumes=None, env=None):
        """Made anew; `volumes`: path on the node -> path in the pod, both read only."""
        self.kubectl("delete", "pod", name, "--ignore-not-found", "--force", "--grace-period=0")
        volumes = volumes or {}
        self.kubectl("create", "-f", "-", given=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"nodeName": node, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "dnsPolicy": "Default",
                     "volumes": [{"name": f"v{n}", "hostPath": {"path": source}} for n, source in enumerate(volumes)],
                     "containers": [{"name": "main", "image": f"docker.io/local/{image}:1", "imagePullPolicy": "Never", "command": command,
                                     "env": [{"name": key, "value": value} for key, value in ({"NAME": name} | (env or {})).items()],
                                     "volumeMounts": [{"name": f"v{n}", "mountPath": target, "readOnly": True}
                                                      for n, target in enumerate(volumes.values())]}]}}))

    def phase(self, name):
        return json.loads(self.kubectl("get", "pod", name, "-o", "json"))["status"]

    def address(self, name):
        return self.until(f"pod {name} has an address", lambda: self.phase(name)["phase"] == "Running" and self.phase(name).get("podIP"))

    def result(self, name, seconds=180):
        """Of a pod that ends: (succeeded, its output)."""
        self.until(f"pod {name} ends", lambda: self.phase(name)["phase"] in ("Succeeded", "Failed"), seconds)
        return self.phase(name)["phase"] == "Succeeded", self.kubectl("logs", name)

    def host_pod(self, name, node, command, more=None, env=None):
        """With the programs and libraries of its node."""
        self.pod(name, node, command, image="host", env=env, volumes={"/usr": "/usr", "/etc/OpenCL": "/etc/OpenCL", "/etc/ld.so.cache":
                                                                      "/etc/ld.so.cache", "/etc/alternatives": "/etc/alternatives", **(more or {})})

    def left(self):
        self.door("down")
        return host.differences(self.before, host.traces(self.mark))

    def case_up_twice_and_status(self):
        self.door("down")
        expect(self.door("status", code=3).startswith("there is no cluster"), "status without a cluster")
        began = time.monotonic()
        shown = self.up()
        took = time.monotonic() - began
        print(f"      up in {took:.0f} s")
        expect(took < 90, f"up took {took:.0f} s")
        expect("kubectl get nodes" in shown and "no card, no driver" in shown, shown)
        first = self.status()
        expect(first["state"] == "up" and all(node["ready"] for node in first["nodes"].values()), f"{first}")
        began = time.monotonic()
        self.up()
        print(f"      up again in {time.monotonic() - began:.1f} s")
        expect(self.status()["processes"] == first["processes"], "the second up started something again")
        versions = self.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}")
        expect(versions.split() == ["v1.36.3", "v1.36.3"], versions)

    def case_pods_answer_over_the_pod_network(self):
        self.up()
        for node in ("card", "plain"):
            self.pod(f"web-{node}", node, ["sh", "-c", ANSWER])
        addresses = {node: self.address(f"web-{node}") for node in ("card", "plain")}
        expect(addresses["card"].split(".")[2] != addresses["plain"].split(".")[2], f"{addresses}")
        for node, other in (("card", "plain"), ("plain", "card"), ("plain", "plain")):
            got = self.kubectl("exec", f"web-{node}", "--", "timeout", "10", "wget", "-qO-", f"http://{addresses[other]}:8080/")
            expect(got.strip() == f"web-{other}", f"{node} asked {other}: {got}")

    def case_an_image_is_loaded_and_a_link_is_cut(self):
        self.up()
        archive = self.state.parent / "image.tar"
        archive.write_bytes(images.layout("docker.io/local/mine:1", {"bin": None, "bin/busybox": images.busybox(), "bin/sh": "busybox"}, ["/bin/sh"]))
        self.door("load", str(archive))
        archive.unlink()
        self.pod("mine", "plain", ["sh", "-c", "echo from the image"], image="mine")
        expect(self.result("mine") == (True, "from the image\n"), "the loaded image does not run")
        self.pod("web-card", "card", ["sh", "-c", ANSWER])
        ask = ["timeout", "3", "busybox", "wget", "-qO-", f"http://{self.address('web-card')}:8080/"]
        expect(self.door("on", "plain", *ask).strip() == "web-card", "a node reaches a pod of the other")
        self.door("on", "control", "ip", "link", "set", "node-2", "down")
        self.door("on", "plain", *ask, code=None)
        expect(self.door("on", "plain", *ask, code=None) == "", "the cut link carries")
        self.up()
        expect(self.door("on", "plain", *ask).strip() == "web-card", "up mends the cut link")

    def case_services_are_reached_from_both_nodes(self):
        self.up()
        self.pod("web-card", "card", ["sh", "-c", ANSWER])
        self.address("web-card")
        self.kubectl("delete", "service", "web", "--ignore-not-found")
        self.kubectl("expose", "pod", "web-card", "--name=web", "--port=80", "--target-port=8080")
        address = self.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
        for node in ("card", "plain"):
            # A service that has just been made is known on the nodes a moment later.
            ask = f"for i in 1 2 3 4 5 6 7 8 9; do timeout 5 wget -qO- http://{address}/ && exit; sleep 1; done; exit 1"
            self.pod(f"ask-{node}", node, ["sh", "-c", ask])
            good, text = self.result(f"ask-{node}")
            expect(good and text.strip() == "web-card", f"on {node}: {text}")

    def case_a_pod_reaches_the_api_server_and_may_no_more_than_it_is_granted(self):
        self.up()
        for node in ("card", "plain"):
            for path, wanted in (("/api", "200"), ("/api/v1/secrets", "403")):
                self.host_pod(f"api-{node}", node, ["python3", "-c", ASK_API, path])
                good, text = self.result(f"api-{node}")
                expect(good and text.split() == ["https://10.78.64.1:443", wanted], f"on {node}, {path}: {text}")

    def case_pocl_is_on_the_card_s_node_alone(self):
        self.up()
        env = {"POCL_CACHE_DIR": "/tmp/pocl", "POCL_MEMORY_LIMIT": "2", "HOME": "/tmp"}
        program = {str(self.build / "bin"): "/flexai"}
        gemm = ["/flexai/gemm-clblast", "--n", "128", "--repeat", "2"]
        self.host_pod("gemm-card", "card", gemm, more=program, env=env)
        good, text = self.result("gemm-card")
        expect(good and json.loads(text)["max_error"] < 1e-3, f"on the card's node: {text}")
        self.host_pod("gemm-plain", "plain", gemm, more=program, env=env)
        good, text = self.result("gemm-plain")
        expect(not good, f"on the plain node: {text}")
        self.host_pod("list-card", "card", ["clinfo", "-l"], env=env)
        good, text = self.result("list-card")
        expect(good and "Portable Computing Language" in text and "rusticl" not in text, text)
        self.host_pod("list-plain", "plain", ["clinfo"], env=env)
        _, text = self.result("list-plain")
        expect("Number of platforms" in text and text.split("Number of platforms", 1)[1].split()[0] == "0", text)

    def case_sharing_fields_of_dra_are_kept_and_allocated(self):
        self.up()
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": dra_objects()}))
        kept = json.loads(self.kubectl("get", "resourceslice", "cards-of-test", "-o", "json"))["spec"]["devices"][0]
        expect(kept.get("allowMultipleAllocations") is True and "requestPolicy" in kept["capacity"]["compute"], f"{kept}")

        def allocated():
            claims = [json.loads(self.kubectl("get", "resourceclaim", name, "-o", "json")) for name in ("third", "half")]
            results = [c.get("status", {}).get("allocation", {}).get("devices", {}).get("results", []) for c in claims]
            return all(results) and [one[0] for one in results]
        third, half = self.until("both claims are allocated", allocated)
        expect(third["device"] == half["device"] == "card-0" and third["shareID"] != half["shareID"], f"{third} {half}")
        expect((third["consumedCapacity"]["compute"], half["consumedCapacity"]["compute"]) == ("300", "500"), f"{third} {half}")
        for kind, name in (("pod", "third"), ("pod", "half"), ("resourceclaim", "third"), ("resourceclaim", "half"),
                           ("resourceslice", "cards-of-test"), ("deviceclass", "test")):
            self.kubectl("delete", kind, name, "--force", "--grace-period=0")

    def case_nobody_may_more_than_his_part(self):
        self.up()
        pki = self.state / "pki"

        def as_(who, *words):
            done = subprocess.run([self.status()["kubectl"], f"--kubeconfig={pki / who}.kubeconfig", "auth", "can-i", *words],
                                  capture_output=True, text=True, check=False)
            return done.stdout.strip() == "yes"
        expect(as_("card", "get", "nodes/card"), "a node may not read itself")
        expect(not as_("card", "list", "secrets", "-A"), "a node reads all secrets")
        expect(not as_("card", "delete", "nodes/plain"), "a node may delete another")
        expect(not as_("kube-proxy-card", "create", "pods"), "kube-proxy may create pods")
        card = [self.status()["kubectl"], f"--kubeconfig={pki / 'card'}.kubeconfig"]
        label = subprocess.run([*card, "label", "node", "card", "node-restriction.kubernetes.io/trusted=yes"], capture_output=True, text=True,
                               check=False)
        expect(label.returncode != 0 and "is not allowed to modify labels" in label.stderr, f"a node trusts itself: {label.stderr}")
        foreign = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "foreign"}, "spec": {
            "driver": "test.flexai.io", "nodeName": "plain", "devices": [], "pool": {"name": "plain", "generation": 1, "resourceSliceCount": 1}}}
        made = subprocess.run([*card, "create", "-f", "-"], capture_output=True, text=True, check=False, input=json.dumps(foreign))
        expect(made.returncode != 0 and "forbidden" in made.stderr, f"a node offers the cards of another: {made.stdout}{made.stderr}")
        server = self.status()["server"]
        for path, wanted in (("/api/v1/nodes", 403), ("/healthz", 200)):
            code = code_without_a_name(server + path, pki / "ca.crt")
            expect(code == wanted, f"without a name {path} answers {code}")
        outside = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=False).stdout
        expect(":2379 " not in outside and ":6443 " not in outside, f"the host listens for the cluster: {outside}")

    def case_every_process_is_killed_and_up_mends_it(self):
        self.up()
        self.pod("stays", "plain", ["sleep", "100000"])
        self.address("stays")
        for name in FULL:
            self.door("kill", name)
            expect(self.door("status", code=1).count("does not run") == 1, f"{name} was killed and status does not say so")
            self.up()
            expect(self.status()["state"] == "up", f"after {name} was killed: {self.status()}")
        expect(self.phase("stays")["containerStatuses"][0]["restartCount"] == 0, "a pod did not outlive its node's servers")
        self.pods_come_up()

    def case_machines_are_killed_and_up_mends_them(self):
        self.up()
        for name in ("machine-plain", "machine-control", "machine-card"):
            self.door("kill", name)
            self.up()
            expect(self.status()["state"] == "up", f"after {name} was killed: {self.status()}")
        self.pods_come_up()

    def pods_come_up(self):
        for node in ("card", "plain"):
            self.pod(f"after-{node}", node, ["sh", "-c", ANSWER])
        addresses = {node: self.address(f"after-{node}") for node in ("card", "plain")}
        got = self.kubectl("exec", "after-plain", "--", "timeout", "10", "wget", "-qO-", f"http://{addresses['card']}:8080/")
        expect(got.strip() == "after-card", got)

    def case_a_cut_up_goes_on_and_leaves_nothing(self):
        random.seed(7)
        for again in range(10):
            self.door("down")
            process = subprocess.Popen([*DOOR, "--state", str(self.state), "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0.2, 9))
            process.kill()
            process.wait()
            if again % 2:
                self.up()
                expect(self.status()["state"] == "up", f"{self.status()}")
            found = self.left()
            expect(not found, f"a cut up, {'mended, ' if again % 2 else ''}then down: {found}")

    def case_down_leaves_nothing(self):
        self.up()
        for node in ("card", "plain"):
            self.pod(f"left-{node}", node, ["sleep", "100000"])
            self.address(f"left-{node}")
        os.kill(self.status()["processes"]["kubelet-card"], signal.SIGKILL)
        os.kill(self.status()["processes"]["containerd-plain"], signal.SIGKILL)
        began = time.monotonic()
        found = self.left()
        print(f"      down in {time.monotonic() - began:.1f} s")
        expect(not found, "; ".join(found))
        expect(not self.state.exists(), f"{self.state} is there")
        self.door("down")

    def case_what_kubelets_set_is_put_back(self):
        self.door("down")
        panic = pathlib.Path("/proc/sys/kernel/panic")
        was = panic.read_text(encoding="ascii")
        try:
            panic.write_text("17", encoding="ascii")  # no value of a kubelet's
            self.up()
            expect(panic.read_text(encoding="ascii").strip() == "10", "kubelets no longer set kernel/panic; look what they set instead")
            self.door("down")
            expect(panic.read_text(encoding="ascii").strip() == "17", f"down left {panic.read_text(encoding='ascii')}")
        finally:
            panic.write_text(was, encoding="ascii")

    def case_the_control_plane_alone(self):
        state = ["--state", str(self.state.parent / "alone")]
        self.door(*state, "up", "--profile", "control-plane")
        try:
            self.door(*state, "kubectl", "create", "configmap", "kept", "--from-literal=a=b")
            for name in ("etcd", "kube-apiserver"):
                self.door(*state, "kill", name)
                self.door(*state, "up", "--profile", "control-plane")
                expect("b" in self.door(*state, "kubectl", "get", "configmap", "kept", "-o", "jsonpath={.data.a}"), "it forgot")
        finally:
            self.door(*state, "down")
        expect(not pathlib.Path(state[1]).exists(), "down left its folder")


def code_without_a_name(address, authority):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(
        context=ssl.create_default_context(cafile=authority)))
    try:
        return opener.open(address, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def dra_objects():
    group = "resource.k8s.io/v1"
    policy = {"default": "100", "validRange": {"min": "1", "step": "1", "max": "1000"}}
    device = {"name": "card-0", "allowMultipleAllocations": True, "capacity": {"compute": {"value": "1000", "requestPolicy": policy}}}
    found = [{"apiVersion": group, "kind": "DeviceClass", "metadata": {"name": "test"}, "spec": {
                  "selectors": [{"cel": {"expression": "device.driver == 'test.flexai.io'"}}]}},
             {"apiVersion": group, "kind": "ResourceSlice", "metadata": {"name": "cards-of-test"}, "spec": {
                 "driver": "test.flexai.io", "allNodes": True, "devices": [device],
                 "pool": {"name": "card", "generation": 1, "resourceSliceCount": 1}}}]
    for name, compute in (("third", "300"), ("half", "500")):
        found += [{"apiVersion": group, "kind": "ResourceClaim", "metadata": {"name": name}, "spec": {"devices": {"requests": [
                       {"name": "xpu", "exactly": {"deviceClassName": "test", "capacity": {"requests": {"compute": compute}}}}]}}},
                  {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
                      "resourceClaims": [{"name": "xpu", "resourceClaimName": name}], "terminationGracePeriodSeconds": 0,
                      "containers": [{"name": "main", "image": "docker.io/local/pause:1", "imagePullPolicy": "Never",
                                      "resources": {"claims": [{"name": "xpu"}]}}]}}]
    return found


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("cluster_test.py: a cluster with nodes needs root")
    run_cases(ClusterTest)
