"""A whole cluster: its parts, brought up in order, taken down to nothing."""
import os
import pathlib
import shutil
import socket
import subprocess
import time

import images
import kernel
import servers
from control_plane import ControlPlane, Doors
from machine import Machine
from network import Network
from node import Node
from processes import Processes, clusters_here
from say import Failed, say
from state import State

CONTROL = "control"
NODES = [("card", True), ("plain", False)]
SECOND = ("second", True)  # of those who want it
NETWORK = "10.78"
FULL, SMALL, SCHEDULING = "full", "control-plane", "scheduling"
PROGRAMS = {"runc": "runc", "nsenter": "util-linux", "openssl": "openssl", "ip": "iproute2", "nft": "nftables", "busybox": "busybox-static"}
ROOM = 2 << 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port: int):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only lingers is no listener
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


NEEDED = {FULL: servers.SERVERS, SMALL: servers.CONTROL_PLANE, SCHEDULING: servers.SCHEDULING}


class Cluster:
    """Of a state folder that exists."""

    def __init__(self, state: State, cache: pathlib.Path):
        self.state, self.place, self.servers = state, state.folder, servers.Servers(cache)
        chosen = state.read()
        self.profile = chosen["profile"]
        self.full = self.profile == FULL
        self.processes = Processes(self.place)
        self.network = Network(chosen["network"])
        machine = Machine(CONTROL, self.processes) if self.full else None
        doors = Doors(self.network.server) if self.full else Doors("127.0.0.1", *chosen["ports"])
        self.control = ControlPlane(self.place, self.servers, self.processes, machine, doors,
                                    controllers=self.profile != SMALL)
        self.nodes = [Node(number, name, has_card, self.place, self.control, self.network)
                      for number, (name, has_card) in enumerate([*NODES, *([SECOND] if chosen.get("second") else [])], 1)] if self.full else []

    def names(self):
        """Of all its processes."""
        own = [self.control.machine.holder] if self.full else []
        return own + self.control.names() + [name for node in self.nodes for name in node.names()]

    def needed(self):
        return NEEDED[self.profile]

    def up(self):
        began = time.monotonic()
        if self.full:
            self._lay()
        else:
            self._check_ports()
        self.control.identities(self.network.kubernetes)
        self.control.up(self.network.services)
        for node in self.nodes:
            node.identities()
            node.boot([one.number for one in self.nodes])
        if self.full:
            say("starting containerd on the nodes")
        self._start_runtimes()
        self.control.wait()
        if self.profile != SMALL:
            self.control.wait_controllers()
        self._start_kubelets()
        say(f"up after {time.monotonic() - began:.0f} s")

    def _check_ports(self):
        """Whoever took one while the cluster was down keeps it."""
        doors = self.control.doors
        for name, ports in (("etcd", (doors.etcd, doors.peer)), ("kube-apiserver", (doors.api,))):
            for port in ports:
                if self.processes.pid(name) is None and not port_is_free(port):
                    raise Failed(f"port {port} of 127.0.0.1, which {name} had, is taken by another program; end that, or `down` and `up`, which "
                                 "chooses other ports")

    def _lay(self):
        say("laying the network")
        kernel.save_settings(self.place / "kernel-settings.json")
        kernel.make_groups([node.name for node in self.nodes])
        machine = self.control.machine
        machine.up()
        self.network.lay(machine)
        machine.done()

    def _start_runtimes(self):
        snapshotter = "overlayfs" if self.full and images.overlay_works(self.place) else "native"
        made = images.made(self.place) if self.full else {}
        for node in self.nodes:
            node.configure(snapshotter)
            node.start_runtime()
        for node in self.nodes:
            node.load(made)

    def _start_kubelets(self):
        for node in self.nodes:
            node.start_kubelet()
        for node in self.nodes:
            node.wait()
            say(f"node {node.name} is Ready")

    def load(self, archive: pathlib.Path):
        """An image, as an OCI layout or a docker archive in a tar, for all nodes."""
        for node in self.nodes:
            node.load({str(archive): archive.read_bytes()})

    def facts(self):
        """What `status` tells."""
        processes = {name: self.processes.pid(name) for name in self.names()}
        ready = self.control.api.ready() if processes["kube-apiserver"] else False
        nodes = self.control.api.ready_nodes() if ready and self.full else set()
        return {"state": "up" if ready and all(processes.values()) and len(nodes) == len(self.nodes) else "partly",
                "profile": self.profile, "server": self.control.doors.server, "ready": ready,
                "kubeconfig": str(self.control.admin), "kubectl": str(self.servers.place(servers.CONTROL_PLANE[2])),
                "folder": str(self.place), "processes": processes,
                "nodes": {node.name: {"ready": node.name in nodes, "address": node.address, "card": node.has_card}
                          for node in self.nodes}}

    def call_kubectl(self, words):
        return subprocess.call([self.servers.program("kubectl"), f"--kubeconfig={self.control.admin}", *words])

    def call_helm(self, words):
        return subprocess.call([self.servers.program("helm"), f"--kubeconfig={self.control.admin}", *words])

    def call_on(self, name: str, words):
        machines = {machine.name: machine for machine in (self.control.machine, *(node.machine for node in self.nodes)) if machine}
        if name not in machines or not words:
            raise Failed(f"on MACHINE COMMAND: machines are {', '.join(machines) or 'none with this profile'}")
        if machines[name].pid is None:
            raise Failed(f"{name} is off: ./dev cluster up")
        return subprocess.call([*machines[name].inside, *words])

    def stop(self, name: str, how):
        if name not in self.names():
            raise Failed(f"there is no {name}; it has {', '.join(self.names())}")
        self.processes.stop(name, how=how)


def check_host(state: State, network: Network):
    """What a full cluster needs of this machine."""
    if os.geteuid() != 0:
        raise Failed("a cluster with nodes needs root: run it with sudo, or choose --profile control-plane, which needs none")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise Failed(f"{program} is not installed: apt-get install {package}")
    kernel.check_groups()
    for folder in clusters_here():
        if (pathlib.Path(folder) / "nodes").exists():
            raise Failed(f"another cluster with nodes is up; one a machine: ./dev cluster --state {folder} down")
    network.check()
    if shutil.disk_usage(state.folder.parent).free < ROOM:
        raise Failed(f"{state.folder.parent} has less than {ROOM >> 30} GB free; free some, or choose another folder with --state")


def down(state: State):
    """Needs nothing to be whole: what is ours is found by its mark, not by what was written down."""
    processes = Processes(state.folder)
    processes.sweep()
    settings = state.folder / "kernel-settings.json"
    if settings.exists():
        kernel.drop_groups()
        Network(NETWORK).cut()
        kernel.restore_settings(settings)
    state.remove()
