"""The wires of a cluster. A bridge in the control machine joins all machines; one link, flexai0, leads from the host to it. Each node has a
range of addresses for its pods, and everybody a route to every range: no address is translated on the way.

Of PREFIX.0.0/16: PREFIX.0.0/24 machines, PREFIX.64.0/20 services, PREFIX.128.0/17 pods."""
import ipaddress
import json
import subprocess

from machine import Machine
from say import Failed

LINK = "flexai0"
BRIDGE = "fabric"


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def taken(routes, whole: str):
    """The first of `routes` (as `ip -json route` gives them) that shares addresses with `whole`, else None. Our own do not count."""
    ours = ipaddress.ip_network(whole)
    for route in routes:
        if route["dst"] != "default" and route.get("dev") != LINK and ipaddress.ip_network(route["dst"], strict=False).overlaps(ours):
            return f"{route['dst']} on {route.get('dev', 'this host')}"
    return None


class Network:
    def __init__(self, prefix: str):
        self.prefix = prefix
        try:
            self.whole = str(ipaddress.IPv4Network(f"{prefix}.0.0/16"))
        except ValueError as error:
            raise Failed(f"--network {prefix}: two numbers are wanted, as in 10.78") from error
        self.server, self.host = f"{prefix}.0.1", f"{prefix}.0.254"
        self.services, self.kubernetes = f"{prefix}.64.0/20", f"{prefix}.64.1"
        self.pods = f"{prefix}.128.0/17"

    def node(self, number: int):
        return f"{self.prefix}.0.{10 + number}"

    def pods_of(self, number: int):
        return f"{self.prefix}.{128 + number}.0/24"

    def check(self):
        other = taken(json.loads(ip("-json", "-4", "route", "show", "table", "all", "type", "unicast") or "[]"), self.whole)
        if other:
            raise Failed(f"the cluster's addresses {self.whole} are in use here ({other}); choose others: --network 10.90")

    def lay(self, control: Machine):
        """The bridge, and the host's link to it."""
        if not control.try_run("ip", "link", "show", BRIDGE):
            control.run("ip", "link", "add", BRIDGE, "type", "bridge")
            control.run("ip", "addr", "add", f"{self.server}/24", "dev", BRIDGE)
            control.run("ip", "link", "set", BRIDGE, "up")
        if not control.try_run("ip", "link", "show", "host"):
            self.cut()
            ip("link", "add", LINK, "type", "veth", "peer", "name", "host", "netns", control.pid)
        control.run("ip", "link", "set", "host", "master", BRIDGE, "up")
        ip("addr", "replace", f"{self.host}/24", "dev", LINK)
        ip("link", "set", LINK, "up")
        ip("route", "replace", self.whole, "via", self.server, "dev", LINK)

    def join(self, control: Machine, node: Machine, number: int, others):
        """The node's wire and its routes; `others`: the numbers of the other nodes."""
        wire = f"node-{number}"
        if not node.try_run("ip", "link", "show", "eth0") or not control.try_run("ip", "link", "show", wire):
            node.try_run("ip", "link", "del", "eth0")
            control.try_run("ip", "link", "del", wire)
            ip("link", "add", wire, "netns", control.pid, "type", "veth", "peer", "name", "eth0", "netns", node.pid)
        control.run("ip", "link", "set", wire, "master", BRIDGE, "up")
        control.run("ip", "route", "replace", self.pods_of(number), "via", self.node(number))
        node.run("ip", "addr", "replace", f"{self.node(number)}/24", "dev", "eth0")
        node.run("ip", "link", "set", "eth0", "up")
        node.run("ip", "route", "replace", "default", "via", self.server)
        for other in others:
            node.run("ip", "route", "replace", self.pods_of(other), "via", self.node(other))

    def cut(self):
        """The host's link; the rest goes with the machines."""
        subprocess.run(["ip", "link", "del", LINK], capture_output=True, check=False)
