"""A cluster whose nodes are objects, the hi-scheduler on it as its own identity, and a step that plays the agents: leases are let go."""
import contextlib
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import http.client

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOL = ROOT / "test/cluster/main.py"
DRIVER = "xpu.flexai.io"
GI = 1 << 30


class Api:
    """The API server as the administrator, over one kept connection a thread."""

    def __init__(self, folder, server):
        self.host = server.removeprefix("https://")
        pki = pathlib.Path(folder) / "pki"
        self.context = ssl.create_default_context(cafile=pki / "ca.crt")
        self.nobody = ssl.create_default_context(cafile=pki / "ca.crt")
        self.context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.local = threading.local()

    def call(self, method, path, body=None, kind="application/json", expect=True, as_user=None, token=None):
        headers = {"Content-Type": kind, **({"Impersonate-User": as_user} if as_user else {})}
        if token:
            return self.once(method, path, body, {**headers, "Authorization": f"Bearer {token}"})
        data = None if body is None else json.dumps(body, sort_keys=True, separators=(",", ":"))
        for attempt in (0, 1):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = self.local.connection = http.client.HTTPSConnection(self.host, context=self.context, timeout=30)
            try:
                connection.request(method, path, data, headers)
                answer = connection.getresponse()
                text = answer.read()
                self.local.warnings = answer.headers.get_all("Warning") or []
                break
            except (OSError, http.client.HTTPException):
                self.local.connection = None
                if attempt:
                    raise
        parsed = json.loads(text) if text[:1] in (b"{", b"[") else text.decode()
        if expect:
            assert answer.status < 300, f"{method} {path}: {answer.status} {text.decode()[:600]}"
            return parsed
        return answer.status, parsed

    def once(self, method, path, body, headers):
        """Over a connection of its own, without the administrator's certificate: (status, answer)."""
        connection = http.client.HTTPSConnection(self.host, context=self.nobody, timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def warnings(self):
        """What came with the last answer."""
        return self.local.warnings

    def get(self, path):
        return self.call("GET", path)

    def create(self, path, body):
        return self.call("POST", path, body)

    def merge(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path):
        return self.call("DELETE", path, expect=False)

    def items(self, path):
        return self.get(path)["items"]


DRA = "/apis/resource.k8s.io/v1"
XPU = f"/apis/{DRIVER}/v1alpha1"


class Cluster:
    def __init__(self):
        self.folder = os.environ.get("FLEXAI_TEST_CLUSTER")
        self.kept = self.folder is not None
        if not self.kept:
            self.folder = tempfile.mkdtemp(prefix="flexai-hi-")
        state = self.folder if self.kept else f"{self.folder}/cluster"
        self.state = state
        done = subprocess.run([sys.executable, "-B", TOOL, "--state", state, "up", "--profile", "scheduling", "--json"], capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        facts = json.loads(subprocess.run([sys.executable, "-B", TOOL, "--state", state, "status", "--json"], capture_output=True,
                                          text=True).stdout)
        self.kubeconfig, self.kubectl_program, self.server = facts["kubeconfig"], facts["kubectl"], facts["server"]
        self.api = Api(state, self.server)
        self.install()

    def kubectl(self, *words, stdin=None):
        done = subprocess.run([self.kubectl_program, "--kubeconfig", self.kubeconfig, *words], capture_output=True, text=True, input=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def install(self):
        namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: flexai-system}\n"
        self.kubectl("apply", "-f", "-", stdin=namespace)
        for file in ("crds/xpulease.yaml", "crds/xpupool.yaml", "crds/xpuqueue.yaml", "kustomize/deviceclass.yaml", "kustomize/claim-policy.yaml", "kustomize/hi-scheduler-rbac.yaml"):
            self.kubectl("apply", "-f", str(ROOT / "deploy" / file))
        self.kubectl("wait", "--for=condition=Established", "crd/xpuleases.xpu.flexai.io", "crd/xpuqueues.xpu.flexai.io",
                     "crd/xpupools.xpu.flexai.io", "--timeout=20s")

    def identity(self, folder, account="hi-scheduler"):
        """A kubeconfig of its service account: a token, no more."""
        token = self.kubectl("-n", "flexai-system", "create", "token", account, "--duration", "2h").strip()
        path = f"{folder}/{account}.token"
        pathlib.Path(path).write_text(token, encoding="ascii")
        whole = {"current-context": "t", "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
                 "clusters": [{"name": "t", "cluster": {"server": self.server, "certificate-authority": f"{self.state}/pki/ca.crt"}}],
                 "users": [{"name": "t", "user": {"tokenFile": path}}]}
        config = f"{folder}/{account}.json"
        pathlib.Path(config).write_text(json.dumps(whole), encoding="utf-8")
        return config

    def down(self):
        if not self.kept:
            subprocess.run([sys.executable, "-B", TOOL, "--state", self.state, "down"], check=False, capture_output=True)
            subprocess.run(["rm", "-rf", self.folder], check=False)

    # Objects.
    def node(self, name, cpu="16", memory="64Gi", pods="110", labels=None, taints=None):
        self.api.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
                                          "spec": {"taints": taints or []}})
        room = {"cpu": cpu, "memory": memory, "pods": pods}
        self.api.merge(f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [
            {"type": "Ready", "status": "True", "reason": "Test", "message": "", "lastHeartbeatTime": None, "lastTransitionTime": None}]}})
        # It is tainted until it is Ready; nobody takes that away here.
        self.api.merge(f"/api/v1/nodes/{name}", {"spec": {"taints": taints or []}})

    def cards(self, node, *cards, generation=1):
        """One slice, with a card for each dict of what is special about it."""
        made = [card(number, **one) for number, one in enumerate(cards)]
        self.api.create(f"{DRA}/resourceslices", {
            "metadata": {"name": f"{node}-{DRIVER}"},
            "spec": {"driver": DRIVER, "nodeName": node, "pool": {"name": node, "generation": generation, "resourceSliceCount": 1},
                     "devices": made}})

    def claim(self, ns, name, spec):
        return self.api.create(f"{DRA}/namespaces/{ns}/resourceclaims", {"metadata": {"name": name}, "spec": {"devices": spec}})

    def pod(self, ns, name, claims, gated=True, **more):
        cpu, memory = more.pop("cpu", "100m"), more.pop("memory", "64Mi")
        labels, notes = more.pop("labels", {}), more.pop("annotations", {})
        spec = {"containers": [{"name": "c", "image": "none", "resources": {
                    "requests": {"cpu": cpu, "memory": memory}, "claims": [{"name": f"c{i}"} for i in range(len(claims))]},
                    **({"ports": more.pop("ports")} if "ports" in more else {})}],
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
                "resourceClaims": [{"name": f"c{i}", "resourceClaimName": claim} for i, claim in enumerate(claims)], **more}
        if gated:
            spec["schedulingGates"] = [{"name": f"{DRIVER}/placement"}]
        return self.api.create(f"/api/v1/namespaces/{ns}/pods", {"metadata": {"name": name, "labels": labels, "annotations": notes}, "spec": spec})


def card(number, compute=1000, memory=16 * GI, taints=None, **attributes):
    values = {"brand": "Acme", "model": "Titan", "kind": "gpu", "id": f"card-{number}", "ncu": 1000, **attributes}
    said = {name: {"int" if isinstance(value, int) and not isinstance(value, bool) else "bool" if isinstance(value, bool) else "string": value}
            for name, value in values.items()}
    return {"name": f"card-{number:08x}", "allowMultipleAllocations": True, "attributes": said,
            "capacity": {"compute": {"value": str(compute), "requestPolicy": {"default": str(compute), "validRange": {
                             "min": "1", "max": str(compute), "step": "1"}}},
                         "memory": {"value": str(memory), "requestPolicy": {"default": str(memory), "validRange": {
                             "min": "1Mi", "max": str(memory), "step": "1Mi"}}}},
            **({"taints": taints} if taints else {})}


def slice_of(compute=None, memory=None, config=None, name="xpu", **more):
    """The spec of a claim for a part of a card."""
    exactly = {"deviceClassName": DRIVER, **more}
    asked = {key: str(value) for key, value in (("compute", compute), ("memory", memory)) if value is not None}
    if asked:
        exactly["capacity"] = {"requests": asked}
    spec = {"requests": [{"name": name, "exactly": exactly}]}
    if config is not None:
        spec["config"] = [{"opaque": {"driver": DRIVER, "parameters": {"apiVersion": f"{DRIVER}/v1alpha1", "kind": "SliceConfig", **config}}}]
    return spec


class Agents:
    """What the cards' agents do with leases: they are granted, and let go when they are deleted."""

    def __init__(self, api, hold=()):
        self.api, self.hold, self.ended = api, set(hold), threading.Event()
        self.deaf, self.failing = set(), set()  # pools whose agent does not read specs; cannot do what they say
        self.used = {}  # by pod
        self.slow = set()  # pools whose slices are on their way for long
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.1):
            with contextlib.suppress(Exception):
                for lease in self.api.items(f"{XPU}/xpuleases"):
                    self.look_at(lease)

    def look_at(self, lease):
        meta, spec = lease["metadata"], lease["spec"]
        path = f"{XPU}/namespaces/{meta['namespace']}/xpuleases/{meta['name']}"
        if "deletionTimestamp" in meta:
            if spec["pool"] not in self.hold:
                self.api.call("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json", expect=False)
            return
        status = lease.get("status", {})
        if spec["pool"] in self.deaf:
            return
        away = spec["state"] == "Suspended"
        said = {"observedGeneration": meta["generation"], "phase": spec["state"], "compute": 0 if away or spec["state"] == "Shared" else spec["compute"],
                "memory": 0 if away else spec["memory"]}
        if spec["pool"] in self.failing and status and meta["generation"] != status["observedGeneration"] and (
                spec["compute"] != status["compute"] or spec["state"] != "Running"):
            said = {**status, "observedGeneration": meta["generation"], "phase": "Failed"}
        elif spec.get("pod", {}).get("name") in self.used:
            said["used"] = self.used[spec["pod"]["name"]]
        if "target" in spec:
            if spec["pool"] in self.failing:
                said = {**said, "phase": "Failed"}
            elif status.get("phase") not in ("Moving", "Moved") or spec["pool"] in self.slow:
                said = {**said, "phase": "Moving"}
            else:
                said = {**said, "phase": "Moved", "compute": 0, "memory": 0}
        if any(status.get(key) != value for key, value in said.items() if key not in ("phase", "compute") or status.get("phase") != "Failed" or
               status["observedGeneration"] != meta["generation"]):
            self.api.call("PATCH", f"{path}/status", {"status": said}, "application/merge-patch+json", expect=False)

    def end(self):
        self.ended.set()
        self.thread.join()


class HiScheduler:
    def __init__(self, build, kubeconfig, folder, *options, before=()):
        self.log = open(f"{folder}/hi-{time.monotonic_ns()}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([*before, f"{build}/bin/hi-scheduler", "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", *options],
                                        stderr=self.log)
        end = time.monotonic() + 20
        while "listen=" not in self.text():
            assert self.process.poll() is None and time.monotonic() < end, self.text()
            time.sleep(0.02)
        self.port = int(self.text().split("listen=")[1].split()[0].strip('"'))

    def text(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8")

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metrics(self):
        found = {}
        for line in self.page("/metrics").splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def end(self, how="terminate"):
        getattr(self.process, how)()
        self.process.wait(20)
        self.log.close()


def wait(what, seconds=15, every=0.05):
    """Until it gives something true."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"still {found!r} after {seconds} s"
        time.sleep(every)


def insist(what, seconds=60):
    """What the API server refuses while it is away is asked again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return what()
        except Exception:  # noqa: whatever a server does that is killed
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
