"""What goes wrong around pods with slices, on the real test cluster: a full disk, a certificate that ran out, nodes that do not reach each
other. Running pods are not harmed, the reason is in the pod's events, and nothing is left. PROGRAM BUILD [NAME ...]. Needs root.
"""
import atexit
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))

from cases import expect, run_cases
from dra_cluster import NODES, DraCluster
from network_test import counted

CDI = "/run/cdi"
LONG = ["/flexai/gemm-clblast", "--n", "128", "--seconds", "600"]
EXPIRED = """[ca]
default_ca = c
[c]
database = {0}/index
serial = {0}/serial
new_certs_dir = {0}
default_md = default
policy = p
[p]
commonName = supplied
"""


def counter(launches):
    """A program that shows whether each of its kernels ran exactly once."""
    return ["/flexai/opencl-counter", "--launches", str(launches), "--pause-us", "10000", "--mib", "4"]


class FaultsTest(DraCluster):
    def __init__(self, build):
        super().__init__(build, "faults-test")
        self.door("build", seconds=3600)
        self.door("down")
        atexit.register(self.door, "down")
        self.up()
        self.install()
        for node in NODES:
            self.start_agent(node)
        self.device()

    def counted(self, name, launches, seconds=120):
        text = self.output(name, seconds)
        expect(counted(launches) in text and "carried 4 MiB" in text, text)

    def case_a_full_disk_for_the_runtime_s_files(self):
        """The pod waits with the reason, and starts when there is room."""
        self.run("runs", "card", LONG)
        self.running("runs")
        self.on("card", "mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "tmpfs", CDI)
        with contextlib.ExitStack() as always:
            always.callback(lambda: self.on("card", "umount", CDI, code=None))
            self.on("card", "sh", "-c", f"head -c 4096 /dev/zero > {CDI}/full")
            self.run("waits", "card", counter(100))
            self.until("it is said that the disk is full", lambda: "No space left" in self.events("waits") and CDI in self.events("waits"), 60)
            expect(self.phase("waits") == "Pending" and self.phase("runs") == "Running", "the phases")
        self.counted("waits", 100, 180)
        expect(self.phase("runs") == "Running", "the other pod was disturbed")
        self.remove("runs", "waits")
        self.nothing_left()

    def out_of_date(self, node):
        """The certificate of a node, as it is when its time is over."""
        pki, place = self.state / f"pki-{node}", self.state / "expired"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "index").touch()
        (place / "serial").write_text("7001\n", encoding="ascii")
        (place / "config").write_text(EXPIRED.format(place), encoding="ascii")
        for words in (["x509", "-x509toreq", "-in", pki / "host.crt", "-signkey", pki / "host.key", "-out", place / "request"],
                      ["ca", "-batch", "-notext", "-config", place / "config", "-cert", self.state / "authority" / "ca.crt", "-keyfile",
                       self.state / "authority" / "ca.key", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-in",
                       place / "request", "-out", place / "host.crt"]):
            done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
            expect(done.returncode == 0, f"{words}: {done.stderr}")
        return place / "host.crt"

    def case_a_certificate_that_ran_out(self):
        """Nothing new starts over it, what runs goes on, and a new one is taken without a restart."""
        self.run("runs", "plain", LONG)
        self.running("runs")
        pki = self.state / "pki-plain"
        expired = self.out_of_date("plain")
        shutil.copy(pki / "host.crt", pki / "kept.crt")
        with contextlib.ExitStack() as always:
            always.callback(lambda: os.replace(pki / "kept.crt", pki / "host.crt"))
            os.replace(expired, pki / "host.crt")
            self.run("waits", "plain", counter(100))
            self.until("the certificate is named", lambda: "expired" in self.events("waits"), 60)
            expect(self.phase("waits") == "Pending" and self.phase("runs") == "Running", "the phases")
        self.counted("waits", 100, 180)
        expect(self.phase("runs") == "Running", "the other pod was disturbed")
        self.remove("runs", "waits")
        self.nothing_left()

    @contextlib.contextmanager
    def apart(self):
        """`plain` reaches nobody: not the card's node, not the API server."""
        self.on("control", "ip", "link", "set", "node-2", "down")
        try:
            yield
        finally:
            self.on("control", "ip", "link", "set", "node-2", "up")

    def case_nodes_apart_for_a_while(self):
        """Shorter than the grace: the program waits, and goes on with the right results."""
        self.run("far", "plain", counter(1500))
        self.running("far")
        self.until("it works", lambda: self.on("card", "pidof", "flexai-worker", code=None).split())
        time.sleep(3)
        with self.apart():
            time.sleep(10)
        self.counted("far", 1500)
        self.remove("far")
        self.nothing_left()

    def case_a_pod_is_deleted_by_force_behind_a_partition(self):
        """Its node cannot be told. The card's agent sees that the claim is gone, ends the session, and only then is the slice free; the node
        cleans up when it is back."""
        self.run("far", "plain", LONG)
        self.running("far")
        self.until("it works", lambda: self.on("card", "pidof", "flexai-worker", code=None).split())
        held = self.slice_of("far")
        with self.apart():
            self.kubectl("delete", "pod", "far", "--force", "--grace-period=0")
            self.kubectl("delete", "resourceclaim", "far", "--wait=false")
            self.until("its slice is taken back", lambda: held not in self.slices("card"), 60)
            self.until("its worker is gone", lambda: not self.on("card", "pidof", "flexai-worker", code=None).split(), 30)
            # The whole card is free, for a pod of its own node.
            self.run("near", "card", counter(200), compute=1000)
            self.counted("near", 200)
        self.remove("near")
        self.until("the node is back", lambda: "far" not in self.kubectl("get", "pods", "-A"), 60)
        self.nothing_left()

    def case_apart_for_longer_than_the_grace(self):
        """The program is told that its card is gone, in its own terms; both sides are clean afterwards."""
        self.run("far", "plain", counter(100000))
        self.running("far")
        self.until("it works", lambda: self.on("card", "pidof", "flexai-worker", code=None).split())
        time.sleep(2)
        with self.apart():
            self.until("the card is free of it", lambda: not self.on("card", "pidof", "flexai-worker", code=None).split(), 90)
            time.sleep(5)
        self.until("the pod has ended", lambda: self.phase("far") in ("Succeeded", "Failed"), 120)
        text = self.kubectl("logs", "far", code=None)
        expect(self.phase("far") == "Failed" and "the card is gone" in text, f"{self.phase('far')}: {text}")
        self.remove("far")
        self.nothing_left()


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("faults_test.py: a cluster with nodes needs root")
    run_cases(FaultsTest)
