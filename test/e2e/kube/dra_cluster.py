"""Two nodes with an agent each, and a stand-in for whoever allocates claims: what tests of the agent as DRA driver have in common."""
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import time
import uuid

from cases import expect

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))
import image  # noqa: E402

DOOR = [sys.executable, "-B", str(ROOT / "test" / "cluster" / "main.py")]
DRIVER = "xpu.flexai.io"
GATE = "xpu.flexai.io/placement"
SYSTEM = "flexai-system"
NODES = ("card", "plain")
USR = {"/usr": "/usr", "/etc/ld.so.cache": "/etc/ld.so.cache", "/etc/alternatives": "/etc/alternatives"}


class DraCluster:
    """Agents run on their nodes as processes, with the token that a pod of theirs would have."""

    def __init__(self, build, name, nodes=NODES):
        self.build = pathlib.Path(build).resolve()
        self.state = self.build / name
        self.agents = {}
        self.nodes = nodes
        self.options = {node: [] for node in nodes}

    def door(self, *words, code=0, seconds=300, given=None):
        done = subprocess.run([*DOOR, "--state", str(self.state), *words], capture_output=True, text=True, check=False, timeout=seconds, input=given)
        expect(code is None or done.returncode == code, f"{words}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def on(self, node, *words, code=0, seconds=60):
        return self.door("on", node, *words, code=code, seconds=seconds)

    def up(self):
        self.door("down")  # what a run that was killed has left
        self.door("up", *(["--second-card"] if "second" in self.nodes else []))
        facts = json.loads(self.door("status", "--json"))
        self.kubectl_program, self.kubeconfig, self.server = facts["kubectl"], facts["kubeconfig"], facts["server"]
        self.addresses = {node: facts["nodes"][node]["address"] for node in self.nodes}

    def kubectl(self, *words, code=0, given=None, config=None):
        done = subprocess.run([self.kubectl_program, f"--kubeconfig={config or self.kubeconfig}", *words], capture_output=True, text=True,
                              check=False, timeout=120, input=given)
        expect(code is None or done.returncode == code, f"kubectl {words}: exit {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout if code == 0 else done.stdout + done.stderr

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def create(self, *objects):
        for one in objects:
            self.kubectl("create", "-f", "-", given=json.dumps(one))

    def until(self, what, condition, seconds=60):
        end = time.monotonic() + seconds
        while not (found := condition()):
            expect(time.monotonic() < end, f"waited {seconds} s in vain until {what}: {self.kubectl('get', 'pods', '-A', '-o', 'wide', code=None)}"
                   f"{self.kubectl('get', 'events', '--sort-by=.lastTimestamp', code=None)[-2500:]}")
            time.sleep(0.1)
        return found

    # What an installation does.

    def install(self):
        for file in ("crds/xpulease.yaml", "kustomize/deviceclass.yaml"):
            self.kubectl("apply", "-f", str(ROOT / "deploy" / file))
        self.kubectl("create", "namespace", SYSTEM)
        for file in ("agent-rbac.yaml", "agent-policy.yaml"):
            self.kubectl("apply", "-f", str(ROOT / "deploy" / "kustomize" / file))
        authority = self.state / "authority"
        flexai = str(self.build / "bin" / "flexai")
        subprocess.run([flexai, "pki", "init", "--authority", authority], check=True, capture_output=True)
        for node in self.nodes:
            subprocess.run([flexai, "host", "enroll", node, "--authority", authority, "--address", self.addresses[node], "--out",
                            self.state / f"pki-{node}"], check=True, capture_output=True)
            self.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"agent-{node}", "namespace": SYSTEM}, "spec": {
                "nodeName": node, "serviceAccountName": "flexai-agent", "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": "docker.io/local/pause:1", "imagePullPolicy": "Never"}]}})
            self.identity(node)

    def identity(self, node):
        """The kubeconfig of the agent of `node`: its account, by a token that is bound to its pod."""
        def token():
            text = self.kubectl("create", "token", "flexai-agent", "-n", SYSTEM, "--bound-object-kind", "Pod", "--bound-object-name",
                                f"agent-{node}", "--duration=4h", code=None).strip()
            claims = text.split(".")[1] if text.count(".") == 2 else ""
            told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))) if claims else {}
            return text if told.get("kubernetes.io", {}).get("node", {}).get("name") == node else None
        path = self.config_of(node)
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.server, "certificate-authority": str(self.state / "pki" / "ca.crt")}}],
            "users": [{"name": "agent", "user": {"token": self.until(f"the token of {node}'s agent", token)}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "agent"}}]}), encoding="utf-8")

    def config_of(self, node):
        return self.state / f"agent-{node}.kubeconfig"

    def load_image(self, name):
        """The image of this build under another name, with programs that are the same in all but their last bytes."""
        rootfs, archive = self.state / "rootfs", self.state / "next.tar"
        image.fill(self.build, rootfs)
        for folder in ("bin", "libexec"):
            for program in image.programs_in(rootfs / image.PREFIX / folder):
                program.write_bytes(program.read_bytes() + name.encode())
        archive.write_bytes(image.image_of(rootfs, name))
        shutil.rmtree(rootfs)
        self.door("load", str(archive))

    # Agents.

    def start_agent(self, node):
        log = open(self.state / f"flexaid-{node}.log", "ab")
        program = self.build / "bin" / "flexaid"
        words = [*DOOR, "--state", str(self.state), "on", node, "env", "POCL_CACHE_DIR=/tmp/pocl-dra", str(program), "--kubernetes", "--node", node,
                 "--kubeconfig", str(self.config_of(node)), "--listen", "0.0.0.0", "--pki", str(self.state / f"pki-{node}"), "--state",
                 "/var/lib/flexai", "--runtime", "/run/flexai", "--lock-folder", "/run/flexai-locks", *self.options[node]]
        self.agents[node] = subprocess.Popen(words, stdout=log, stderr=log)
        self.until(f"the agent of {node} serves", lambda: self.flexai(node, "version", code=None) and self.agent_pid(node))

    def agent_pid(self, node):
        found = self.on(node, "pidof", "flexaid", code=None).split()
        return int(found[0]) if found else None

    def kill_agent(self, node, how="-9"):
        self.on(node, "kill", how, str(self.agent_pid(node)))
        self.agents.pop(node).wait(60)

    def flexai(self, node, *words, code=0):
        return self.on(node, "env", "FLEXAI_SOCKET=/run/flexai/flexai.sock", str(self.build / "bin" / "flexai"), *words, code=code)

    def slices(self, node):
        return {one["name"]: one for one in json.loads(self.flexai(node, "slice", "list", "--json"))["slices"]}

    def log(self, node):
        return (self.state / f"flexaid-{node}.log").read_text(errors="replace")

    # Claims and pods, and whoever places them.

    def device(self):
        def published():
            items = [one["spec"] for one in self.get("resourceslices")["items"] if one["spec"]["driver"] == DRIVER]
            return items and items[0].get("devices")
        return self.until("the card is published", published)[0]

    def claim(self, name, config=None, **asked):
        exactly = {"deviceClassName": DRIVER, **({"capacity": {"requests": {key: str(value) for key, value in asked.items()}}} if asked else {})}
        devices = {"requests": [{"name": "xpu", "exactly": exactly}]}
        if config is not None:
            devices["config"] = [{"opaque": {"driver": DRIVER, "parameters": {"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "SliceConfig", **config}}}]
        self.create({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": name}, "spec": {"devices": devices}})

    def pod(self, name, command, claims=None, gated=True, env=None, image="host", folders=(), meta=None, cpu=None, **more):
        """`folders` of the host are at the same place inside."""
        claims = claims or [name]
        volumes = {**USR, str(self.build / "bin"): "/flexai", **{str(one): str(one) for one in folders}} if image == "host" else {}
        self.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **(meta or {})}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "dnsPolicy": "Default", **more,
            **({"schedulingGates": [{"name": GATE}]} if gated else {}),
            "resourceClaims": [{"name": one, "resourceClaimName": one} for one in claims],
            "volumes": [{"name": f"v{n}", "hostPath": {"path": source}} for n, source in enumerate(volumes)],
            "containers": [{"name": "main", "image": f"docker.io/local/{image}:1", "imagePullPolicy": "Never", "command": command,
                            "securityContext": {"runAsUser": 12345},
                            "env": [{"name": key, "value": value} for key, value in ({"HOME": "/tmp"} | (env or {})).items()],
                            "resources": {"claims": [{"name": one} for one in claims], **({"requests": {"cpu": cpu}} if cpu else {})},
                            "volumeMounts": [{"name": f"v{n}", "mountPath": target, "readOnly": True}
                                             for n, target in enumerate(volumes.values())]}]}})

    def allocate(self, claim, pod, node, compute=300, memory="512Mi", pool="card", device=None, share=None, config=None):
        """What the hi-scheduler does: the allocation, for whom it is, and the gate away."""
        found = self.get("pod", pod)
        self.kubectl("patch", "resourceclaim", claim, "--type=merge", "-p",
                     json.dumps({"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}}))
        result = {"request": "xpu", "driver": DRIVER, "pool": pool, "device": device or self.device()["name"],
                  "shareID": share or str(uuid.uuid4()), "consumedCapacity": {"compute": str(compute), "memory": memory}}
        spec = self.get("resourceclaim", claim)["spec"]["devices"].get("config", [])
        allocation = {"devices": {"results": [result], "config": [{"source": "FromClaim", **one} for one in spec]},
                      "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}
        self.kubectl("patch", "resourceclaim", claim, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {
            "allocation": allocation, "reservedFor": [{"resource": "pods", "name": pod, "uid": found["metadata"]["uid"]}]}}))
        return result

    def ungate(self, pod):
        self.kubectl("patch", "pod", pod, "--type=json", "-p", '[{"op": "remove", "path": "/spec/schedulingGates"}]')

    def run(self, name, node, command, config=None, **given):
        """A pod `name` with a claim of the same name, placed; its allocation's result."""
        self.claim(name, config)
        self.pod(name, command)
        result = self.allocate(name, name, node, **given)
        self.ungate(name)
        return result

    def phase(self, name):
        return self.get("pod", name)["status"]["phase"]

    def running(self, name):
        self.until(f"pod {name} runs", lambda: self.phase(name) == "Running", 90)

    def output(self, name, seconds=120):
        """Of a pod that ends well."""
        self.until(f"pod {name} ends", lambda: self.phase(name) in ("Succeeded", "Failed"), seconds)
        text = self.kubectl("logs", name)
        expect(self.phase(name) == "Succeeded", f"{name}: {text}")
        return text

    def events(self, name):
        return " ".join(one["message"] for one in self.get("events")["items"] if one["involvedObject"]["name"] == name)

    def slice_of(self, claim, index=0):
        return f"k-{self.get('resourceclaim', claim)['metadata']['uid'][:8]}-{index}"

    def remove(self, *names):
        for name in names:
            self.kubectl("delete", "pod", name, "--ignore-not-found", "--force", "--grace-period=0")
        for name in names:
            self.kubectl("delete", "resourceclaim", name, "--ignore-not-found", "--timeout=60s")

    def left(self, node):
        """What of claims is there on a node: slices, doors, files, records, workers, mounts."""
        found = list(self.slices(node))
        for folder in ("/run/flexai/doors", "/run/cdi", "/var/lib/flexai/grants", "/var/lib/flexai/claims"):
            found += [f"{folder}/{one}" for one in self.on(node, "ls", "-A", folder, code=None).split()]
        found += [f"worker {one}" for one in self.on(node, "pidof", "flexai-worker", code=None).split()]
        found += [line for line in self.on(node, "cat", "/proc/mounts").splitlines() if "/flexai/doors" in line]
        return found

    def nothing_left(self):
        for node in self.nodes:
            self.until(f"nothing of claims is left on {node}: {self.left(node)}", lambda node=node: not self.left(node), 60)
