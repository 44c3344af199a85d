"""A node of the cluster: a machine with a containerd, kubelet and kube-proxy of its own, each at the place where a node has it."""
import json
import pathlib

import drivers
import kernel
from control_plane import FEATURES, ControlPlane
from machine import Machine
from network import Network

SOCKET = "/run/containerd/containerd.sock"
# Without restrict_oom_score_adj sandboxes die where root may not lower that number, as in many containers.
CONTAINERD = """version = 3
[plugins.'io.containerd.internal.v1.opt']
  path = "/var/lib/containerd/opt"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "{snapshotter}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "docker.io/local/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  enable_cdi = true
  cdi_spec_dirs = ["/etc/cdi", "/run/cdi"]
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = [{plugins}]
  conf_dir = "/var/lib/cni/net.d"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def kubelet_config(name, address, authority):
    """Nothing is set aside or evicted: several nodes share one machine, and each sees all of it."""
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": address, "port": 10250, "readOnlyPort": 0, "healthzBindAddress": "127.0.0.1",
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority.certificate("ca"))},
                               "webhook": {"enabled": True}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(authority.certificate(name)), "tlsPrivateKeyFile": str(authority.key(name)),
            "containerRuntimeEndpoint": f"unix://{SOCKET}", "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{kernel.GROUP}/{name}",
            "failCgroupV1": False, "failSwapOn": False, "enforceNodeAllocatable": [], "makeIPTablesUtilChains": False,
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
            "imageGCHighThresholdPercent": 100, "volumePluginDir": "/var/lib/kubelet/volumeplugins", "maxPods": 250,
            "featureGates": {gate.split("=")[0]: gate.endswith("=true") for gate in FEATURES.split(",")}}


def proxy_config(name, kubeconfig, pods):
    """It leaves the settings of connection tracking alone: they are the host's."""
    return {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "hostnameOverride": name,
            "mode": "nftables", "clientConnection": {"kubeconfig": str(kubeconfig)}, "clusterCIDR": pods,
            "healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}


def pod_network(pods):
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": pods}]],
                                 "routes": [{"dst": "0.0.0.0/0"}]}}]}


class Node:
    """`number`: of its addresses. `has_card`: whether it sees PoCL or nothing at all."""

    def __init__(self, number: int, name: str, has_card: bool, place: pathlib.Path, control: ControlPlane, network: Network):
        self.number, self.name, self.has_card, self.control, self.network = number, name, has_card, control, network
        self.place = place / "nodes" / name
        self.machine = Machine(name, control.processes)

    @property
    def lib(self):
        """Its /var/lib."""
        return self.place / "lib"

    @property
    def address(self):
        return self.network.node(self.number)

    def names(self):
        return [self.machine.holder, *(f"{part}-{self.name}" for part in ("containerd", "kubelet", "kube-proxy"))]

    def identities(self):
        a = self.control.authority
        a.issue(self.name, f"system:node:{self.name}", group="system:nodes", addresses=[f"DNS:{self.name}", f"IP:{self.address}"])
        a.kubeconfig(self.name, self.control.doors.server)
        a.issue(f"kube-proxy-{self.name}", "system:kube-proxy")
        a.kubeconfig(f"kube-proxy-{self.name}", self.control.doors.server)

    def boot(self, numbers):
        """The machine and its wires; `numbers` of all nodes."""
        self.machine.up()
        if not self.machine.complete:
            self._mount()
        self.network.join(self.control.machine, self.machine, self.number, [n for n in numbers if n != self.number])
        self.machine.done()

    def _mount(self):
        if self.has_card:
            drivers.give_pocl(self.machine, self.place / "vendors")
        else:
            drivers.hide_all(self.machine, self.place / "nothing")
        for own, place in ((self.lib, "/var/lib"), (self.place / "log", "/var/log")):
            own.mkdir(parents=True, exist_ok=True)
            self.machine.run("mount", "--bind", own, place)

    def configure(self, snapshotter: str):
        a, servers = self.control.authority, self.control.servers
        for folder in ("kubelet", "cni/net.d", "containerd", "kube-proxy"):
            (self.lib / folder).mkdir(parents=True, exist_ok=True)
        plugins = ", ".join(f'"{folder}"' for folder in servers.folders("cni"))
        files = {"containerd/config.toml": CONTAINERD.format(snapshotter=snapshotter, plugins=plugins),
                 "kubelet/config.yaml": json.dumps(kubelet_config(self.name, self.address, a), indent=1),
                 "kube-proxy/config.yaml": json.dumps(proxy_config(self.name, a.folder / f"kube-proxy-{self.name}.kubeconfig",
                                                                   self.network.pods), indent=1),
                 "cni/net.d/10-pods.conflist": json.dumps(pod_network(self.network.pods_of(self.number)), indent=1)}
        for name, text in files.items():
            file = self.lib / name
            # kube-proxy ends when its file is written to.
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")

    def start_runtime(self):
        servers = self.control.servers
        path = ":".join([*servers.folders("containerd"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
        self.machine.start(f"containerd-{self.name}", [servers.program("containerd"), "--config", "/var/lib/containerd/config.toml"],
                           {"PATH": path})

    def load(self, images):
        """`images`: reference -> bytes; those that are there already are left alone."""
        self.control.processes.wait(f"containerd-{self.name}", "its socket answered", lambda: self.machine.try_run(*self._ctr("version")), 30)
        present = self.machine.run(*self._ctr("images", "ls", "-q")).split()
        for reference, content in images.items():
            if reference not in present:
                archive = self.lib / "image.tar"
                archive.write_bytes(content)
                self.machine.run(*self._ctr("images", "import", "/var/lib/image.tar"))
                archive.unlink()

    def _ctr(self, *words):
        return [self.control.servers.program("ctr"), "--address", SOCKET, "--namespace", "k8s.io", *words]

    def start_kubelet(self):
        a, servers = self.control.authority, self.control.servers
        self.machine.start(f"kubelet-{self.name}", [
            servers.program("kubelet"), "--config=/var/lib/kubelet/config.yaml", f"--kubeconfig={a.folder / (self.name + '.kubeconfig')}",
            f"--hostname-override={self.name}", f"--node-ip={self.address}"])
        self.machine.start(f"kube-proxy-{self.name}", [servers.program("kube-proxy"), "--config=/var/lib/kube-proxy/config.yaml"])

    def wait(self):
        """Ready as the API server says, which may still be by the word of a kubelet that is gone, and as the kubelet says itself."""
        self.control.processes.wait(f"kubelet-{self.name}", "the node was Ready", self._ready, 90)
        self.control.processes.wait(f"kube-proxy-{self.name}", "it set up services", self._services_work, 60)

    def _ready(self):
        return self.machine.try_run("timeout", "2", "busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:10248/healthz") and (
            self.name in self.control.api.ready_nodes())

    def _services_work(self):
        return self.machine.try_run("sh", "-c", "nft list table ip kube-proxy | grep -q " + self.network.kubernetes)
