"""Agents and the hi-scheduler on the real test cluster, with classes of priority: what tests of pods that give way have in common."""
import atexit
import json
import subprocess

from dra_cluster import NODES, ROOT, SYSTEM, DraCluster

LAUNCHES = 20000
COUNTER = ["/flexai/opencl-counter", "--launches", str(LAUNCHES), "--pause-us", "2000"]  # every command counts, so none is lost or done twice
GEMM = ["/flexai/gemm-clblast", "--n", "128", "--repeat", "3"]
LONG = ["/flexai/gemm-clblast", "--n", "128", "--seconds", "600"]


class LadderCluster(DraCluster):
    def __init__(self, build, name, nodes=NODES):
        super().__init__(build, name, nodes)
        self.door("build", seconds=3600)
        self.door("down")
        atexit.register(self.door, "down")
        self.up()
        self.install()
        for file in ("crds/xpuqueue.yaml", "kustomize/hi-scheduler-rbac.yaml"):
            self.kubectl("apply", "-f", str(ROOT / "deploy" / file))
        for name, value in (("low", 10), ("middle", 100), ("high", 1000)):
            self.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value,
                         "preemptionPolicy": "Never"})
        for node in self.nodes:
            self.start_agent(node)
        self.device()
        self.start_scheduler()

    def start_scheduler(self):
        config = json.loads(self.config_of("card").read_text())
        token = self.kubectl("create", "token", "hi-scheduler", "-n", SYSTEM, "--duration=4h").strip()
        config["users"][0]["user"] = {"token": token}
        path = self.state / "hi-scheduler.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        log = open(self.state / "hi-scheduler.log", "ab")
        self.scheduler = subprocess.Popen([self.build / "bin" / "hi-scheduler", "--kubeconfig", path, "--listen", "127.0.0.1:0", "--verbose"],
                                          stdout=log, stderr=log)
        atexit.register(self.scheduler.kill)

    # Looking.

    def lease_of(self, pod):
        return next((one for one in self.get("xpuleases")["items"] if one["spec"].get("pod", {}).get("name") == pod), {})

    def status_of(self, pod):
        return self.lease_of(pod).get("status", {})

    def used(self, name):
        """Bytes of the card that the slice has."""
        told = json.loads(self.flexai("card", "top", "--once", "--json"))
        return next((one["memory_used_bytes"] for one in told["slices"] if one["name"] == name), 0)

    def reasons(self, pod):
        return {one["reason"] for one in self.get("events")["items"] if one["involvedObject"]["name"] == pod}

    def start(self, name, command, compute, priority=None, config=None, memory="256Mi", node=None, **more):
        self.claim(name, config, compute=compute, memory=memory)
        self.pod(name, command, **({"priorityClassName": priority} if priority else {}),
                 **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}), **more)
