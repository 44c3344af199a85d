#!/usr/bin/env python3
"""Flexai in a real cluster as operators install it: the image, the objects of deploy/kustomize, the examples.

usage: installed_test.py BUILD [CASE...]      needs root; the cluster's servers are built once a machine"""
import atexit
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))
import old_images  # noqa: E402
from cases import expect, run_cases  # noqa: E402
from dra_cluster import DOOR, ROOT, DraCluster  # noqa: E402

EXAMPLES = str(ROOT / "examples")
PODS = ("slice-30", "remote")
NEXT = "docker.io/flexai/flexai:next"
OLD_NAMES = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "old", "namespace": "old"}, "spec": {
    "restartPolicy": "Never", "containers": [{"name": "main", "image": "docker.io/flexai/flexai:latest", "imagePullPolicy": "IfNotPresent",
                                              "command": ["/opt/flexai/bin/flexai-example-pi", "3"],
                                              "resources": {"limits": {"nvidia.com/gpu": "1", "nvidia.com/gpucores": "20", "nvidia.com/gpumem": "512"}}}]}}


class InstalledTest:
    def __init__(self, build):
        self.cluster = DraCluster(build, "installed-test")
        atexit.register(self.down)
        self.cluster.up()
        self.cluster.door("install", "--build", str(self.cluster.build), seconds=600)

    def down(self):
        subprocess.run([*DOOR, "--state", str(self.cluster.state), "down"], check=False, capture_output=True)

    def logs_of(self, pod, namespace="default"):
        return self.cluster.kubectl("logs", pod, "-n", namespace, code=None)

    def computes(self, pod):
        self.cluster.until(f"{pod} computes", lambda: "pi is 3.1415" in self.logs_of(pod), 180)

    def case_examples(self):
        """Both pods compute, the one on the node without cards on the other's; leases say so; nothing is left when they are gone."""
        self.cluster.kubectl("apply", "-f", EXAMPLES)
        for pod in ("slice-30", "remote"):
            self.computes(pod)
        expect(self.cluster.get("pod", "remote")["spec"]["nodeName"] == "plain", "the pod of examples/remote.yaml is not on the node without cards")
        leases = {one["spec"]["pod"]["name"]: one for one in self.cluster.get("xpuleases")["items"]}
        expect(leases["remote"]["spec"]["node"] == "plain" and leases["remote"]["spec"]["pool"] == "card", f"{leases['remote']}")
        expect(leases["slice-30"]["status"]["phase"] == "Running" and leases["slice-30"]["status"]["compute"] == 300, f"{leases['slice-30']}")
        for name, memory in (("slice-30", 1024), ("remote", 512)):
            expect(f", {memory} MiB" in self.logs_of(name).splitlines()[0], f"{name} does not see its slice's memory: {self.logs_of(name)[:200]}")
        self.cluster.kubectl("delete", "-f", EXAMPLES, "--wait=true")
        self.cluster.until("claims and leases are gone", lambda: not self.cluster.get("resourceclaims")["items"] and not self.cluster.get("xpuleases")["items"])
        for node in ("card", "plain"):
            for folder in ("/run/flexai/doors", "/var/run/cdi", "/var/lib/flexai/state/grants"):
                self.cluster.until(f"{folder} of {node} is empty", lambda: not self.cluster.on(node, "ls", "-A", folder, code=None).split())

    def case_page(self):
        """The API server takes each object that docs/kubernetes.md shows."""
        blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8"), re.M | re.S)
        expect(len(blocks) >= 2, f"{blocks}")
        for block in blocks:
            self.cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=block)

    # Those of examples/more, each by itself.

    def more(self, name):
        file = ROOT / "examples" / "more" / f"{name}.yaml"
        self.cluster.kubectl("apply", "-f", str(file))
        return file

    def leases(self, namespace="default"):
        return [one for one in self.cluster.get("xpuleases", "-n", namespace)["items"] if "deletionTimestamp" not in one["metadata"]]

    def job_done(self, name, namespace="default"):
        self.cluster.until(f"the job {name} is done", lambda: any(
            one["type"] == "Complete" and one["status"] == "True" for one in self.cluster.get("job", name, "-n", namespace)["status"].get("conditions", [])), 180)

    def taken_away(self, file):
        self.cluster.kubectl("delete", "-f", str(file), "--wait=true")
        self.cluster.until("claims and leases are gone", lambda: not self.cluster.get("resourceclaims,xpuleases", "-A")["items"], 90)

    def case_more_whole_card(self):
        """The whole card's time and all of its memory."""
        file = self.more("whole-card")
        self.computes("whole-card")
        lease, card = self.leases()[0], self.cluster.device()
        expect(lease["spec"]["compute"] == 1000 and f"{lease['spec']['memory'] >> 20}Mi" == card["capacity"]["memory"]["value"], f"{lease['spec']} of {card}")
        self.taken_away(file)

    def case_more_gang(self):
        """Both, at the same time."""
        file = self.more("gang")
        self.cluster.until("both run", lambda: sum(one["status"]["phase"] == "Running" for one in self.cluster.get("pods")["items"]) == 2, 120)
        expect(len(self.leases()) == 2, f"{self.leases()}")
        self.job_done("gang")
        self.taken_away(file)

    def case_more_queue(self):
        """One computes, the other waits with the reason, and has its turn."""
        file = self.more("queue")

        def waits():
            said = [condition.get("message", "") for one in self.cluster.get("pods")["items"] for condition in one["status"].get("conditions", [])]
            return any(one.startswith("QueueLimit: ") and "queue small is at its limit" in one for one in said)
        self.cluster.until("one waits", waits, 60)
        self.cluster.until("the other computes", lambda: len(self.leases()) == 1, 60)
        self.job_done("queue")
        self.taken_away(file)

    def case_more_fraction(self):
        """A quarter of the card by the words of KAI."""
        file = self.more("fraction")
        self.cluster.until("it has a lease", lambda: self.leases("fraction"), 60)
        expect(self.leases("fraction")[0]["spec"]["compute"] == 250, f"{self.leases('fraction')}")
        self.job_done("fraction", "fraction")
        self.taken_away(file)

    def case_more_all_are_tried(self):
        """Each file of examples/more is the subject of a case here."""
        files = {path.stem.replace("-", "_") for path in (ROOT / "examples" / "more").glob("*.yaml")}
        expect(files == {name[10:] for name in dir(self) if name.startswith("case_more_")} - {"all_are_tried"}, f"{files}")

    # Images of other C libraries.

    def load(self, make, *words):
        with tempfile.TemporaryDirectory() as folder:
            made = make(pathlib.Path(folder), *words)
            archive = self.cluster.state / "other.tar"
            archive.write_bytes(made[0] if isinstance(made, tuple) else made)
        self.cluster.door("load", str(archive))
        archive.unlink()
        return made

    def case_old_glibc(self):
        """A program in an image with an old C library computes, from the node without cards, by the library that it is given."""
        _, version = self.load(old_images.old, self.cluster.build / "bin" / "flexai-example-pi-old")
        expect(2.28 <= float(version) < 2.34, f"glibc {version} is not old")
        self.cluster.claim("old", compute=200, memory="256Mi")
        self.cluster.pod("old", ["/bin/flexai-example-pi-old", "3"], gated=False, image="old", nodeSelector={"kubernetes.io/hostname": "plain"})
        told = self.cluster.output("old", 180)
        expect(told.splitlines()[0] == f"glibc {version}" and ", 256 MiB" in told.splitlines()[1] and told.splitlines()[-1].startswith("done: 3.14"), told)
        print(f"      on glibc {version}")
        self.cluster.remove("old")

    def case_musl(self):
        """An image with musl is refused before its program starts; pod, events and plugin say why."""
        self.load(old_images.musl)
        self.cluster.claim("musl", compute=200, memory="256Mi")
        self.cluster.pod("musl", ["/bin/sleep", "600"], gated=False, image="musl")
        self.cluster.until("it is refused", lambda: self.cluster.phase("musl") in ("Failed", "Running"), 120)
        expect(self.cluster.phase("musl") == "Failed", "it runs, and would find no card")
        line = "ImageUnfit: the image's C library is musl (/lib/ld-musl-x86_64.so.1)"
        expect(line in json.dumps(self.cluster.get("pod", "musl")["status"]), f"{self.cluster.get('pod', 'musl')['status']}")
        self.cluster.until("an event says it", lambda: line in self.cluster.events("musl"), 20)
        told = self.explained("musl")
        expect(told["reason"] == "ImageUnfit" and "glibc 2.28 or later" in told["message"] and told["advice"], f"{told}")
        self.cluster.remove("musl")
        self.cluster.until("claims and leases are gone", lambda: not self.cluster.get("resourceclaims,xpuleases", "-A")["items"])

    def case_names_of_others(self):
        """HAMi's resources in a namespace that takes them; elsewhere, and what cannot be honoured, not."""
        self.cluster.kubectl("create", "namespace", "old")
        self.cluster.kubectl("label", "namespace", "old", "xpu.flexai.io/aliases=enabled")
        self.cluster.until("the webhook knows the namespace", lambda: self._made(OLD_NAMES), 30)
        self.cluster.until("the pod is done", lambda: self.cluster.get("pod", "old", "-n", "old")["status"]["phase"] == "Succeeded", 180)
        refused = json.loads(json.dumps(OLD_NAMES))
        refused["metadata"]["name"] = "refused"
        refused["spec"]["containers"][0]["resources"]["limits"] = {"cambricon.com/vmlu": "1"}
        told = self.cluster.kubectl("create", "-f", "-", given=json.dumps(refused), code=1)
        expect("cambricon.com/vmlu cannot be honoured" in told, told)

    def _made(self, pod):
        """Whether it was rewritten; one that came too early is taken back."""
        self.cluster.create(pod)
        if self.cluster.get("pod", "old", "-n", "old")["spec"].get("resourceClaims"):
            return True
        self.cluster.kubectl("delete", "pod", "old", "-n", "old", "--force", "--grace-period=0")
        return False

    def case_webhook_dead(self):
        """Pods are made as ever; one with a claim has no gate, and the hi-scheduler places it all the same, as nobody else can."""
        self.cluster.kubectl("scale", "deployment/flexai-webhook", "-n", "flexai-system", "--replicas=0")
        self.cluster.until("it is gone", lambda: not self.cluster.get("pods", "-n", "flexai-system", "-l", "app.kubernetes.io/name=flexai-webhook")["items"])
        begun = time.monotonic()
        self.cluster.kubectl("apply", "-f", EXAMPLES + "/slice-30.yaml")
        expect(time.monotonic() - begun < 20, "a dead webhook held a pod up")
        expect("schedulingGates" not in self.cluster.get("pod", "slice-30")["spec"], "there is a webhook")
        self.computes("slice-30")
        self.cluster.kubectl("delete", "-f", EXAMPLES + "/slice-30.yaml")
        self.cluster.kubectl("scale", "deployment/flexai-webhook", "-n", "flexai-system", "--replicas=2")
        self.cluster.kubectl("rollout", "status", "deployment/flexai-webhook", "-n", "flexai-system", "--timeout=90s")

    def workers(self):
        return sorted(self.cluster.on("card", "pidof", "flexai-worker", code=None).split())

    def agents_ready(self):
        status = self.cluster.get("daemonset", "flexai-agent", "-n", "flexai-system")["status"]
        return status.get("numberReady") == status["desiredNumberScheduled"] == 2

    def compute_on(self):
        """The pods of the examples, begun: their names, and the card's workers."""
        self.cluster.kubectl("apply", "-f", EXAMPLES)
        for pod in PODS:
            self.computes(pod)
        workers = self.workers()
        expect(len(workers) == len(PODS), f"workers {workers}")
        return workers

    def go_on(self, workers):
        """The pods compute on, with the same workers, and every result is the same as the first."""
        expect(self.workers() == workers, f"workers {workers} became {self.workers()}")
        for pod in PODS:
            lines = len(self.logs_of(pod).splitlines())
            self.cluster.until(f"{pod} goes on", lambda: len(self.logs_of(pod).splitlines()) > lines + 1, 30)
            told = self.logs_of(pod).splitlines()[1:]
            results = {line.split(",")[0] for line in told}
            expect(len(results) == 1 and results.pop().startswith("pi is 3.1415"), f"{pod}: {self.logs_of(pod)[-500:]}")
            restarts = self.cluster.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"]
            expect(restarts == 0, f"{pod} was begun again {restarts} times")

    def remove_examples(self):
        self.cluster.kubectl("delete", "-f", EXAMPLES, "--wait=true", "--ignore-not-found")
        self.cluster.until("no worker is left", lambda: not self.workers())

    def agents_rolled(self):
        self.cluster.kubectl("rollout", "status", "-n", "flexai-system", "daemonset/flexai-agent", "--timeout=90s")

    def programs_of(self, pids):
        return {self.cluster.on("card", "readlink", f"/proc/{pid}/exe").strip() for pid in pids}

    def case_agent_replaced(self):
        """The agents' containers end, by force and by a rollout: pods compute on, with the same workers."""
        before = self.compute_on()
        agents = {node: self.cluster.agent_pid(node) for node in ("card", "plain")}
        for node, pid in agents.items():
            self.cluster.on(node, "kill", "-9", str(pid))
        self.cluster.until("other agents run", lambda: all(self.cluster.agent_pid(node) not in (None, pid) for node, pid in agents.items()), 90)
        self.cluster.until("agents are back", self.agents_ready, 60)
        self.go_on(before)
        self.cluster.kubectl("rollout", "restart", "-n", "flexai-system", "daemonset/flexai-agent")
        self.agents_rolled()
        self.go_on(before)
        self.remove_examples()

    def case_agent_upgraded(self):
        """Another image, with other programs: pods compute on with the workers that they have, new pods get the new ones."""
        before = self.compute_on()
        old = self.programs_of(before)
        self.cluster.load_image(NEXT)
        self.cluster.kubectl("set", "image", "-n", "flexai-system", "daemonset/flexai-agent", f"agent={NEXT}")
        self.agents_rolled()
        self.go_on(before)
        self.cluster.kubectl("delete", "-f", EXAMPLES + "/slice-30.yaml", "--wait=true")
        self.cluster.until("its worker is gone", lambda: len(self.workers()) == 1)
        self.cluster.kubectl("apply", "-f", EXAMPLES + "/slice-30.yaml")
        self.computes("slice-30")
        new = self.programs_of(set(self.workers()) - set(before))
        expect(len(old) == len(new) == 1 and old != new, f"workers of {old} before, of {new} now")
        # And back, which is an upgrade as well.
        workers = self.workers()
        self.cluster.kubectl("apply", "-k", str(ROOT / "deploy" / "kustomize"))
        self.agents_rolled()
        self.go_on(workers)
        self.remove_examples()

    def plugin(self, *words, code=0):
        done = subprocess.run([str(self.cluster.build / "bin" / "kubectl-flexai"), *words, "--kubeconfig", str(self.cluster.kubeconfig)],
                              capture_output=True, text=True, check=False, timeout=120)
        expect(done.returncode == code, f"kubectl flexai {words}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def explained(self, pod):
        return json.loads(self.plugin("explain", f"pod/{pod}", "--json"))

    def case_drained(self):
        """A node's cards are emptied as far as budgets let it, also of pods of other nodes; what comes waits and is told why, until it is undone."""
        self.compute_on()
        self.cluster.kubectl("label", "pod", "slice-30", "keep=yes")
        self.cluster.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"},
                             "spec": {"minAvailable": 1, "selector": {"matchLabels": {"keep": "yes"}}}})
        self.cluster.until("the budget counts", lambda: self.cluster.get("pdb", "keep").get("status", {}).get("currentHealthy") == 1)
        told = self.plugin("drain", "card", "--timeout", "20", code=7)
        for line in ("cards of card take no new pods", "2 slices left", "default/remote is evicted", "default/slice-30 waits: its disruption budget",
                     "1 slices of card are left"):
            expect(line in told, f"{line} is not in: {told}")
        self.cluster.until("the pod of the other node is gone", lambda: "NotFound" in self.cluster.kubectl("get", "pod", "remote", code=None))
        expect("pi is 3.1415" in self.logs_of("slice-30").splitlines()[-1], "the pod that may not go does not compute")
        self.cluster.kubectl("delete", "pdb", "keep")
        told = self.plugin("drain", "card", "--timeout", "60")
        expect("default/slice-30 is evicted" in told and "nobody uses the cards of card" in told, told)
        self.cluster.kubectl("apply", "-f", EXAMPLES + "/slice-30.yaml")
        self.cluster.until("it is told why it waits", lambda: "whose cards are being drained" in self.explained("slice-30")["message"], 30)
        expect(self.explained("slice-30")["reason"] == "NotAllowed", f"{self.explained('slice-30')}")
        self.plugin("drain", "card", "--undo")
        self.computes("slice-30")
        expect(self.explained("slice-30")["reason"] == "Running", f"{self.explained('slice-30')}")
        self.remove_examples()
        told = self.plugin("drain", "nobody", code=3)
        expect("nobody" in told, told)

    def case_applied_again(self):
        """What is applied is what is there."""
        self.cluster.kubectl("diff", "-k", str(ROOT / "deploy" / "kustomize"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("installed_test.py: a cluster with nodes needs root")
    run_cases(InstalledTest)
