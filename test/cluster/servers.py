"""The servers of a real cluster, built from their Go modules: once a machine, each kept in the cache under the hash of what it is built from."""
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import toolchain
from say import Failed, say

MODULES = pathlib.Path(__file__).resolve().parent / "modules"
KUBERNETES = "v1.36.3"
ROOM = 8 << 30  # bytes that modules and compiler want, the results included
STRIPPED = "-s -w"
KUBERNETES_LINK = (f"{STRIPPED} -X k8s.io/component-base/version.gitVersion={KUBERNETES} -X k8s.io/component-base/version.gitMajor=1 "
                   f"-X k8s.io/component-base/version.gitMinor={KUBERNETES.split('.')[1]}")


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    module: str  # a folder of modules/
    package: str
    seconds: int  # that it took on two cores, after those before it
    link: str = STRIPPED
    tags: str = ""


def kubernetes(name, seconds):
    return Server(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", seconds, KUBERNETES_LINK)


def containerd(name, seconds):
    return Server(name, "containerd", f"github.com/containerd/containerd/v2/cmd/{name}", seconds, tags="no_btrfs,no_zfs,no_devmapper")


def plugin(folder, name):
    return Server(name, "cni", f"github.com/containernetworking/plugins/plugins/{folder}/{name}", 3)


CONTROL_PLANE = [Server("etcd", "etcd", ".", 62), kubernetes("kube-apiserver", 424), kubernetes("kubectl", 56)]
SERVERS = [*CONTROL_PLANE, kubernetes("kube-controller-manager", 67), kubernetes("kube-scheduler", 32), kubernetes("kubelet", 37),
           kubernetes("kube-proxy", 30), containerd("containerd", 102), containerd("containerd-shim-runc-v2", 2), containerd("ctr", 5),
           plugin("main", "ptp"), plugin("main", "loopback"), plugin("ipam", "host-local")]

# For those who install by the chart; no part of a cluster.
HELM = Server("helm", "helm", "helm.sh/helm/v3/cmd/helm", 115, f"{STRIPPED} -X helm.sh/helm/v3/internal/version.version=v3.22.0")
BUILT = [*SERVERS, HELM]

# Without nodes, with what places pods.
SCHEDULING = [server for server in SERVERS if server.module in ("etcd", "kubernetes") and server.name not in ("kubelet", "kube-proxy")]


def key_of(server: Server):
    """Changes with everything the program depends on, and with nothing else."""
    content = hashlib.sha256(repr((toolchain.VERSION[:2], os.uname().machine, server)).encode())
    for file in sorted((MODULES / server.module).iterdir()):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:12]


class Servers:
    """Of one cache folder."""

    def __init__(self, cache: pathlib.Path):
        self.cache = cache

    def place(self, server: Server):
        # A folder each: containerd looks for its shim, and the plugins for each other, by their plain names.
        return self.cache / "servers" / f"{server.name}-{key_of(server)}" / server.name

    def program(self, name: str):
        server = next(one for one in BUILT if one.name == name)
        if not self.place(server).exists():
            raise Failed(f"{name} is not built: ./dev cluster build")
        return str(self.place(server))

    def folders(self, module: str):
        """Of all programs of that module, for a PATH."""
        return [str(self.place(server).parent) for server in SERVERS if server.module == module]

    def missing(self, wanted):
        return [server for server in wanted if not self.place(server).exists()]

    def build(self, wanted):
        """Another build waits for this one and finds its work done; one that was cut goes on with the server it was at."""
        if not self.missing(wanted):
            return
        make_folder(self.cache / "servers")
        with open(self.cache / "servers.lock", "w", encoding="ascii") as lock:
            if not locked(lock, wait=False):
                say("another build is under way; waiting for it")
                locked(lock, wait=True)
            todo = self.missing(wanted)
            if todo:
                self._build_all(todo)

    def _build_all(self, todo):
        if shutil.disk_usage(self.cache).free < ROOM:
            raise Failed(f"{self.cache} has less than {ROOM >> 30} GB free, which building the servers wants; free some, or name another "
                         "place by FLEXAI_CACHE")
        go = toolchain.command(self.cache)
        whole = sum(server.seconds for server in todo)
        say(f"building the test cluster, {len(todo)} programs, {spoken(whole)} on two idle cores, once")
        began = time.monotonic()
        for number, server in enumerate(todo, 1):
            self._build_one(go, server, f"{number} of {len(todo)}: {server.name}")
        say(f"built in {spoken(time.monotonic() - began)}; kept in {self.cache / 'servers'}")

    def _build_one(self, go: pathlib.Path, server: Server, title: str):
        target = self.place(server)
        # Beside its place, so that it can be put there in one step when it is whole.
        building = target.parent.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        make_folder(building)
        say(f"{title}, {spoken(server.seconds)}")
        words = ["nice", "-n", "10", str(go), "build", "-ldflags", server.link, *(["-tags", server.tags] if server.tags else []),
                 "-o", str(building / server.name), server.package]
        run_with_progress(words, title, cwd=MODULES / server.module, env=toolchain.environment(self.cache, go))
        with open(building / server.name, "rb") as program:
            os.fsync(program.fileno())
        shutil.rmtree(target.parent, ignore_errors=True)
        building.rename(target.parent)


def run_with_progress(words, title, every=60, **where):
    """A line each minute; what it says is kept for the failure."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **where)
        began = time.monotonic()
        try:
            while True:
                try:
                    code = process.wait(every)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{title}: {spoken(time.monotonic() - began)} so far")
        except BaseException:
            process.terminate()
            raise
        if code != 0:
            output.seek(0)
            raise Failed(toolchain.explained(f"{title} could not be built", output.read()))


def spoken(seconds: float):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def make_folder(folder: pathlib.Path):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(f"{folder} cannot be made ({error.strerror}); name another place by FLEXAI_CACHE") from error


def locked(file, wait: bool):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
