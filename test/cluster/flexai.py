"""Flexai in the test cluster, as an operator installs it: an image from a build, certificates for the nodes, the objects of deploy/kustomize."""
import hashlib
import json
import pathlib
import subprocess
import sys

from say import Failed, say

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYSTEM = "flexai-system"
# Who is to be ready before it counts as installed.
WORKLOADS = ("daemonset/flexai-agent", "deployment/hi-scheduler", "deployment/flexai-webhook")
READY_SECONDS = 120


def run(*words, given=None):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, input=given)
    if done.returncode != 0:
        raise Failed(f"{pathlib.Path(str(words[0])).name} {words[1]}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


class Flexai:
    def __init__(self, one, folder: pathlib.Path, build: pathlib.Path):
        self.one, self.folder, self.build = one, folder, build
        facts = one.facts()
        if facts["state"] != "up" or "nodes" not in facts:
            raise Failed("all of a full cluster is to be up first: ./dev cluster up")
        self.nodes = {name: node["address"] for name, node in facts["nodes"].items()}
        self.kubectl_words = [facts["kubectl"], f"--kubeconfig={facts['kubeconfig']}"]

    def kubectl(self, *words, given=None):
        return run(*self.kubectl_words, *words, given=given)

    def install(self):
        if not (self.build / "bin" / "flexaid").exists():
            raise Failed(f"{self.build} holds no build of Flexai: ./dev build")
        say("making the image of Flexai")
        archive = self.folder / "flexai.tar"
        run(sys.executable, "-B", ROOT / "tools" / "image.py", "--build", self.build, "--out", archive)
        digest, note = hashlib.sha256(archive.read_bytes()).hexdigest(), self.folder / "flexai.digest"
        another = not note.exists() or note.read_text(encoding="ascii") != digest
        if another:
            self.one.load(archive)
        self.certify()
        say("putting Flexai into the cluster")
        self.kubectl("apply", "-k", ROOT / "deploy" / "kustomize")
        # The image's name stays, so nobody else would take the new one.
        for workload in WORKLOADS if another else ():
            self.kubectl("rollout", "restart", "-n", SYSTEM, workload)
        self.wait()
        note.write_text(digest, encoding="ascii")

    def certify(self):
        """What agents show each other, at the place where deploy/kustomize/agent.yaml looks."""
        authority, flexai = self.folder / "authority", self.build / "bin" / "flexai"
        if not authority.exists():
            run(flexai, "pki", "init", "--authority", authority)
        for node in self.one.nodes:
            place = node.lib / "flexai" / "pki"
            if place.exists():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            run(flexai, "host", "enroll", node.name, "--authority", authority, "--address", self.nodes[node.name], "--out", place)

    def wait(self):
        for workload in WORKLOADS:
            try:
                self.kubectl("rollout", "status", "-n", SYSTEM, workload, f"--timeout={READY_SECONDS}s")
            except Failed as why:
                raise Failed(f"{workload} does not get ready: {why}; {self.reasons()}") from why
        say("Flexai is ready")

    def reasons(self):
        pods = json.loads(self.kubectl("get", "pods", "-n", SYSTEM, "-o", "json"))["items"]
        told = []
        for pod in pods:
            for status in pod["status"].get("containerStatuses", []):
                state = status["state"].get("waiting") or status["state"].get("terminated")
                if state:
                    log = subprocess.run([*self.kubectl_words, "logs", "-n", SYSTEM, pod["metadata"]["name"], "--tail=3"], capture_output=True,
                                         text=True, check=False).stdout.strip()
                    told.append(f"{pod['metadata']['name']}: {state.get('reason')} {state.get('message', '')} {log}")
        return "; ".join(told) or "its pods run and are not ready"
