#!/usr/bin/env python3
"""The chart by helm itself: what it renders and refuses, and an installation, upgrade and removal in a real cluster that leave nothing behind.

usage: helm_test.py BUILD [CASE...]      `removed` needs root; helm and the cluster's servers are built once a machine"""
import atexit
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "remote"), str(HERE.parents[2] / "deploy"), str(HERE.parents[2] / "cluster")]
import chart_test  # noqa: E402
import main as door  # noqa: E402
import render  # noqa: E402
import servers  # noqa: E402
from cases import expect, run_cases  # noqa: E402
from dra_cluster import DOOR, NODES, ROOT, SYSTEM, DraCluster  # noqa: E402

CHART = str(render.CHART)
EXAMPLES = str(ROOT / "examples")
NEXT = "docker.io/flexai/flexai:next"
WRONG = {"agent.pkki=/etc/x": "pkki", "scheduler.replicas=0": "replicas", "image.pullPolicy=Sometimes": "pullPolicy", "agent.pki=/srv/pki": "pki",
         "networkPolicy.serverPorts[0].port=70000": "port", "unknown=1": "unknown", "webhook.enabled=perhaps": "enabled"}
# Written by the cluster about all that happens, and forgotten by itself.
TOLD = {"events", "events.events.k8s.io"}


class HelmTest:
    def __init__(self, build):
        self.build, self.cluster = build, None
        tools = servers.Servers(door.default_cache() / "cluster")
        tools.build([servers.HELM, *servers.CONTROL_PLANE[2:]])
        self.helm_program, self.kubectl_program = tools.program("helm"), tools.program("kubectl")

    def helm(self, *words, code=0, seconds=300):
        known = [f"--kubeconfig={self.cluster.kubeconfig}"] if self.cluster else []
        done = subprocess.run([self.helm_program, *words, *known], capture_output=True, text=True, check=False, timeout=seconds)
        expect(done.returncode == code, f"helm {words}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-2000:]}")
        return done.stdout if code == 0 else done.stderr

    def template(self, values=None, namespace=SYSTEM, code=0, words=()):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(values or {}, file)
            file.flush()
            return self.helm("template", "flexai", CHART, "-n", namespace, "--kube-version", servers.KUBERNETES, "-f", file.name, *words, code=code)

    def case_rendered(self):
        """helm and kubectl give what the tests' own renderer gives, and so the chart gives what the base does."""
        for values in ({}, *chart_test.SWITCHES):
            own = render.chart(values, "other")
            found = render.differences(own, render.by_key(render.yaml.safe_load_all(self.template(values, "other"))))
            expect(not found, f"{values}: {found}")
        told = subprocess.run([self.kubectl_program, "kustomize", str(ROOT / "deploy" / "kustomize")], capture_output=True, text=True, check=True)
        found = render.differences(render.base(), render.by_key(render.yaml.safe_load_all(told.stdout)))
        expect(not found, f"kustomize: {found}")
        self.helm("lint", CHART, "--strict")

    def case_refused(self):
        """Values that are none are refused by name; so is a server that is too old."""
        for wrong, name in WRONG.items():
            told = self.template(code=1, words=["--set", wrong])
            expect("values.schema.json" in told or "don't meet the specifications" in told, told)
            expect(name in told, f"{wrong}: {told}")
        told = self.helm("template", "flexai", CHART, "--kube-version", "1.35.4", code=1)
        expect("1.36" in told, told)

    # In a cluster.

    def up(self):
        cluster = DraCluster(self.build, "helm-test")
        atexit.register(lambda: subprocess.run([*DOOR, "--state", str(cluster.state), "down"], check=False, capture_output=True))
        cluster.up()
        self.cluster = cluster
        archive = cluster.state / "flexai.tar"
        subprocess.run([sys.executable, "-B", str(ROOT / "tools" / "image.py"), "--build", str(cluster.build), "--out", str(archive)], check=True,
                       capture_output=True)
        cluster.door("load", str(archive))
        cluster.load_image(NEXT)
        authority, flexai = cluster.state / "authority", str(cluster.build / "bin" / "flexai")
        subprocess.run([flexai, "pki", "init", "--authority", authority], check=True, capture_output=True)
        for node in NODES:
            pki = cluster.state / f"pki-{node}"
            subprocess.run([flexai, "host", "enroll", node, "--authority", authority, "--address", cluster.addresses[node], "--out", pki],
                           check=True, capture_output=True)
            cluster.on(node, "sh", "-c", f"mkdir -p /var/lib/flexai && cp -r {pki} /var/lib/flexai/pki")

    def objects(self):
        """Kind, namespace and name of all that the server has."""
        kinds = [kind for kind in self.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split() if kind not in TOLD]
        items = self.cluster.get(",".join(kinds), "-A")["items"]
        return {(kind, "", "") for kind in kinds} | {render.key_of(one) for one in items}

    def differences(self, before):
        now = self.objects()
        return [f"new: {one}" for one in sorted(now - before)] + [f"gone: {one}" for one in sorted(before - now)]

    def computes(self, pod):
        self.cluster.until(f"{pod} computes", lambda: "pi is 3.1415" in self.cluster.kubectl("logs", pod, code=None), 180)

    def processes(self):
        return [f"{node}: {name}" for node in NODES for name in ("flexaid", "flexai-keeper", "flexai-worker", "hi-scheduler", "flexai-webhook")
                if self.cluster.on(node, "pidof", name, code=None).split()]

    def case_removed(self):
        """Installed, used, upgraded to another image under a running pod, and removed: the server has what it had before, the nodes no process."""
        self.up()
        before = self.objects()
        begun = time.monotonic()
        self.helm("install", "flexai", CHART, "-n", SYSTEM, "--create-namespace", "--wait", "--timeout=150s")
        installed = time.monotonic() - begun
        expect({"xpuleases.xpu.flexai.io", "xpuqueues.xpu.flexai.io", "xpupools.xpu.flexai.io"} <= {one[0] for one in self.objects()}, "the kinds are not there")
        self.cluster.kubectl("apply", "-f", EXAMPLES)
        for pod in ("slice-30", "remote"):
            self.computes(pod)
        workers = self.cluster.on("card", "pidof", "flexai-worker").split()
        begun = time.monotonic()
        self.helm("upgrade", "flexai", CHART, "-n", SYSTEM, "--set", "image.tag=next,scheduler.replicas=1", "--wait", "--timeout=150s")
        upgraded = time.monotonic() - begun
        images = {one["spec"]["containers"][0]["image"] for one in self.cluster.get("pods", "-n", SYSTEM)["items"]
                  if "deletionTimestamp" not in one["metadata"]}
        expect(images == {NEXT}, f"{images}")
        expect(sorted(self.cluster.on("card", "pidof", "flexai-worker").split()) == sorted(workers), "a worker did not outlive the upgrade")
        lines = len(self.cluster.kubectl("logs", "remote").splitlines())
        self.cluster.until("it computes on", lambda: len(self.cluster.kubectl("logs", "remote").splitlines()) > lines + 1, 30)
        self.helm("rollback", "flexai", "1", "-n", SYSTEM, "--wait", "--timeout=150s")
        self.computes("slice-30")
        self.cluster.kubectl("delete", "-f", EXAMPLES, "--wait=true")
        self.cluster.until("claims and leases are gone", lambda: not self.cluster.get("resourceclaims,xpuleases", "-A")["items"])
        begun = time.monotonic()
        self.helm("uninstall", "flexai", "-n", SYSTEM, "--wait", "--timeout=150s")
        self.cluster.kubectl("delete", "namespace", SYSTEM, "--wait=true")
        self.cluster.until(f"nothing is left: {self.differences(before)}", lambda: not self.differences(before), 90)
        self.cluster.until(f"no process is left: {self.processes()}", lambda: not self.processes(), 30)
        print(f"      installed in {installed:.0f} s, upgraded in {upgraded:.0f} s, removed in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    run_cases(HelmTest)
