"""The parts of the test cluster that need no built server: certificates, processes, images, what is read and shown."""
import gzip
import hashlib
import io
import ipaddress
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cluster"))

import api_server
import cluster
import drivers
import images
import kernel
import main
import network
import node
import report
import servers
import toolchain
from authority import Authority
from processes import Processes, child_of, clusters_here
from say import Failed
from state import MARKER, State


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fxc-")
        self.addCleanup(folder.cleanup)
        self.place = pathlib.Path(folder.name)


class Certificates(InFolder):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.place / "pki")
        self.authority.create()

    def text(self, name):
        return subprocess.run(["openssl", "x509", "-noout", "-text", "-in", self.authority.certificate(name)], capture_output=True,
                              text=True, check=True).stdout

    def verifies(self, name, purpose):
        return subprocess.run(["openssl", "verify", "-CAfile", self.authority.certificate("ca"), "-purpose", purpose,
                               self.authority.certificate(name)], capture_output=True, check=False).returncode == 0

    def test_a_client_is_no_server(self):
        self.authority.issue("node", "system:node:card", group="system:nodes")
        self.assertTrue(self.verifies("node", "sslclient"))
        self.assertFalse(self.verifies("node", "sslserver"))
        self.assertIn("O = system:nodes, CN = system:node:card", self.text("node"))

    def test_a_server_has_its_addresses(self):
        self.authority.issue("api", "kube-apiserver", addresses=["DNS:kubernetes", "IP:10.78.0.1"])
        self.assertTrue(self.verifies("api", "sslserver"))
        self.assertIn("DNS:kubernetes, IP Address:10.78.0.1", self.text("api"))

    def test_an_issued_one_may_issue_none(self):
        self.authority.issue("client", "client")
        self.assertIn("CA:FALSE", self.text("client"))

    def test_one_that_is_there_stays_and_half_a_pair_is_made_anew(self):
        self.authority.issue("client", "client")
        first = self.authority.certificate("client").read_bytes()
        self.authority.issue("client", "client")
        self.assertEqual(first, self.authority.certificate("client").read_bytes())
        self.authority.certificate("client").unlink()  # as after a kill between key and certificate
        self.authority.issue("client", "client")
        self.assertTrue(self.verifies("client", "sslclient"))

    def test_nobody_else_reads_keys(self):
        self.authority.issue("client", "client")
        self.authority.kubeconfig("client", "https://127.0.0.1:1")
        for path in (self.authority.key("ca"), self.authority.key("client"), self.authority.folder / "client.kubeconfig"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_nobody_answers(self):
        self.authority.issue("admin", "admin")
        api = api_server.ApiServer(f"https://127.0.0.1:{cluster.free_port()}", self.authority)
        self.assertFalse(api.ready())
        self.assertEqual(api.ready_nodes(), set())


class Background(InFolder):
    def setUp(self):
        super().setUp()
        self.processes = Processes(self.place)
        self.addCleanup(self.processes.sweep)

    def test_starts_once_and_is_known_to_the_next(self):
        self.processes.start("one", ["sleep", "100"])
        pid = self.processes.pid("one")
        Processes(self.place).start("one", ["sleep", "100"])
        self.assertEqual(Processes(self.place).pid("one"), pid)

    def test_is_gone_when_killed_though_nobody_reaped_it(self):
        self.processes.start("one", ["sleep", "100"])
        os.kill(self.processes.pid("one"), signal.SIGKILL)
        self.wait(lambda: self.processes.pid("one") is None)

    def test_a_number_taken_again_is_not_it(self):
        self.processes.file.write_text(json.dumps({"one": {"pid": os.getpid(), "start": "1"}}))
        self.assertIsNone(self.processes.pid("one"))

    def test_what_was_cut_as_it_was_written_counts_as_nothing(self):
        self.processes.file.write_text('{"one": {"pi')
        self.assertEqual(self.processes.known(), {})

    def test_one_that_was_started_and_not_written_down_is_found_again(self):
        words = ["sh", "-c", "sleep 100 & exec sleep 200"]
        for name in ("one", "other"):
            self.processes.start(name, words)
        pids = {name: self.processes.pid(name) for name in ("one", "other")}
        self.wait(lambda: len(self.processes.marked()) == 4)
        self.processes.file.unlink()
        for name in ("one", "other"):
            self.processes.start(name, ["sleep", "200"])
        self.assertEqual({name: self.processes.pid(name) for name in ("one", "other")}, pids)
        self.assertEqual(len(self.processes.marked()), 4)

    def test_inside_of_another_the_child_is_the_one(self):
        self.processes.start("one", ["sleep", "100"], inside=["setsid", "--fork", "--wait"])
        words = pathlib.Path(f"/proc/{self.processes.pid('one')}/cmdline")
        self.wait(lambda: words.read_bytes().split(b"\0")[0] == b"sleep")  # a moment before it is still setsid

    def test_one_that_cannot_start_says_why(self):
        with self.assertRaisesRegex(Failed, "no-such-program"):
            self.processes.start("one", ["sleep"], inside=["nsenter", "--net=/no-such-program"])

    def test_stop_takes_those_that_do_not_listen_too(self):
        self.processes.start("deaf", ["env", "--ignore-signal=TERM", "sleep", "100"])
        self.wait(lambda: b"sleep" == pathlib.Path(f"/proc/{self.processes.pid('deaf')}/cmdline").read_bytes().split(b"\0")[0])
        self.processes.stop("deaf", seconds=0.3)
        self.assertIsNone(self.processes.pid("deaf"))

    def test_sweep_finds_children_that_nobody_remembers(self):
        self.processes.start("one", ["sh", "-c", "setsid sleep 100 & sleep 100"])
        self.wait(lambda: len(self.processes.marked()) == 3)
        self.processes.file.unlink()
        other = subprocess.Popen(["sleep", "100"])
        self.processes.sweep()
        self.assertEqual(self.processes.marked(), [])
        self.assertIsNone(other.poll())
        other.kill()
        other.wait()

    def test_waiting_for_one_that_died_tells_its_last_words(self):
        self.processes.start("one", ["sh", "-c", "echo no such device; exit 1"])
        with self.assertRaisesRegex(Failed, "one ended before.*\n.*no such device"):
            self.processes.wait("one", "it worked", lambda: False, 20)

    def test_clusters_are_found_by_their_processes(self):
        self.assertNotIn(str(self.place), clusters_here())
        self.processes.start("one", ["sleep", "100"])
        self.wait(lambda: str(self.place) in clusters_here())

    def test_child_of_a_process_without_children(self):
        self.processes.start("one", ["sleep", "100"])
        self.assertIsNone(child_of(self.processes.pid("one")))

    def wait(self, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)


class Folder(InFolder):
    CHOSEN = {"profile": "full", "network": "10.78", "ports": [1, 2, 3]}

    def test_is_remembered_and_removed_to_nothing(self):
        state = State(self.place / "deep" / "one")
        state.create(self.CHOSEN)
        self.assertEqual(State(self.place / "deep" / "one").read(), self.CHOSEN)
        (state.folder / "pki").mkdir()
        (state.folder / "pki" / "ca.key").touch()
        state.remove()
        self.assertFalse(state.folder.exists())

    def test_files_of_others_are_never_taken_over(self):
        (self.place / "thesis.txt").touch()
        with self.assertRaisesRegex(Failed, "holds other files"):
            State(self.place).create(self.CHOSEN)

    def test_what_a_cut_up_left_is_taken_over(self):
        (self.place / "cluster.new").touch()
        State(self.place).create(self.CHOSEN)
        self.assertTrue((self.place / MARKER).exists())

    def test_a_folder_that_nodes_cannot_see_is_refused(self):
        with self.assertRaisesRegex(Failed, "choose a folder elsewhere"):
            State(pathlib.Path("/run/flexai-no-such-folder")).create(self.CHOSEN)

    def test_down_without_a_cluster_is_no_failure(self):
        self.assertEqual(main.go_down(State(self.place / "none")), 0)


class Ports(unittest.TestCase):
    def test_a_listener_is_seen_and_gone_when_it_is(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            self.assertFalse(cluster.port_is_free(port))
        self.assertTrue(cluster.port_is_free(port))


class Building(InFolder):
    def builder(self, script):
        """With a compiler that does as `script` says; $target is what it is to make."""
        go = self.place / "go"
        go.write_text(f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\ntarget="$2"\n{script}\n')
        go.chmod(0o755)
        return servers.Servers(self.place / "cache"), go

    def test_what_is_built_is_found_and_wanted_no_more(self):
        builder, go = self.builder('echo whole >"$target"')
        server = servers.SERVERS[0]
        builder._build_one(go, server, "1 of 1")
        self.assertEqual(builder.missing([server]), [])
        self.assertEqual(pathlib.Path(builder.program(server.name)).read_text(), "whole\n")

    def test_half_a_program_is_never_taken(self):
        builder, go = self.builder('echo half >"$target"; echo "write: no space left on device" >&2; exit 1')
        server = servers.SERVERS[0]
        with self.assertRaisesRegex(Failed, "the disk is full"):
            builder._build_one(go, server, "1 of 1")
        self.assertEqual(builder.missing([server]), [server])
        with self.assertRaisesRegex(Failed, "cluster build"):
            builder.program(server.name)

    def test_a_compiler_that_was_killed_leaves_nothing_to_take(self):
        builder, go = self.builder('echo half >"$target"; kill -9 $$')
        with self.assertRaises(Failed):
            builder._build_one(go, servers.SERVERS[0], "1 of 1")
        self.assertEqual(builder.missing(servers.SERVERS[:1]), servers.SERVERS[:1])

    def test_the_key_is_of_all_that_matters(self):
        one = servers.SERVERS[0]
        self.assertEqual(servers.key_of(one), servers.key_of(servers.Server(**vars(one))))
        self.assertNotEqual(servers.key_of(one), servers.key_of(servers.Server(**{**vars(one), "tags": "other"})))

    def test_every_server_has_its_module_and_version(self):
        for server in servers.SERVERS:
            text = (servers.MODULES / server.module / "go.mod").read_text()
            required = re.search(r"^require (\S+) v", text, re.M).group(1)
            self.assertTrue(server.package == "." or server.package.startswith(required + "/"), server)
        self.assertIn(f"require k8s.io/kubernetes {servers.KUBERNETES}", (servers.MODULES / "kubernetes" / "go.mod").read_text())

    def test_versions_of_go(self):
        self.assertEqual(toolchain.version_in("go version go1.26.8 linux/amd64"), (1, 26, 8))
        self.assertEqual(toolchain.version_in("go version go1.19 linux/arm64"), (1, 19, 0))
        self.assertEqual(toolchain.version_in("command not found"), (0, 0, 0))
        self.assertLess(toolchain.version_in("go version go1.9.1 linux/amd64"), toolchain.LEAST)

    def test_the_way_out_of_a_failed_build(self):
        self.assertIn("GOPROXY", toolchain.explained("etcd", "go: dial tcp: lookup proxy: no such host"))
        self.assertIn("undefined: x", toolchain.explained("etcd", "main.go:1: undefined: x"))


class Images(unittest.TestCase):
    def opened(self, content):
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar.getmembers() if member.isfile()}

    def test_every_digest_is_that_of_its_content(self):
        files = self.opened(images.layout("docker.io/local/x:7", {"bin": None, "bin/x": b"program", "bin/y": "x"}, ["/bin/x"]))
        for name, content in files.items():
            if name.startswith("blobs/"):
                self.assertEqual(name.rsplit("/", 1)[1], hashlib.sha256(content).hexdigest())
        index = json.loads(files["index.json"])
        self.assertEqual(index["manifests"][0]["annotations"]["io.containerd.image.name"], "docker.io/local/x:7")

    def test_layers_hold_what_was_asked_for(self):
        files = self.opened(images.layout("docker.io/local/x:7", {"bin": None, "bin/x": b"program", "bin/y": "x"}, ["/bin/x"]))

        def blob(described):
            return files["blobs/sha256/" + described["digest"].split(":")[1]]
        manifest = json.loads(blob(json.loads(files["index.json"])["manifests"][0]))
        plain = gzip.decompress(blob(manifest["layers"][0]))
        config = json.loads(blob(manifest["config"]))
        self.assertEqual(config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(plain).hexdigest()])
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            self.assertEqual(tar.getmember("bin/x").mode, 0o755)
            self.assertEqual(tar.getmember("bin/y").linkname, "x")
            self.assertTrue(tar.getmember("bin").isdir())


class Reading(unittest.TestCase):
    def test_control_groups_of_both_versions(self):
        first = "33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        second = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
        other = "31 23 0:27 / /proc rw - proc proc rw\n"
        self.assertEqual(kernel.hierarchies(other + first), [("/sys/fs/cgroup/cpu,cpuacct", {"rw", "cpu", "cpuacct"})])
        self.assertEqual(kernel.hierarchies(second), [("/sys/fs/cgroup", None)])

    def test_addresses_in_use(self):
        self.assertIsNone(network.taken([{"dst": "default", "dev": "eth0"}, {"dst": "10.79.0.0/16", "dev": "eth0"}], "10.78.0.0/16"))
        self.assertIsNone(network.taken([{"dst": "10.78.0.0/16", "dev": network.LINK}], "10.78.0.0/16"))
        self.assertEqual(network.taken([{"dst": "10.78.3.4", "dev": "tun0"}], "10.78.0.0/16"), "10.78.3.4 on tun0")
        self.assertEqual(network.taken([{"dst": "10.0.0.0/8", "dev": "vpn"}], "10.78.0.0/16"), "10.0.0.0/8 on vpn")

    def test_no_range_of_addresses_meets_another(self):
        net = network.Network("10.78")
        pods = [ipaddress.ip_network(net.pods_of(n)) for n in (1, 2)]
        self.assertTrue(all(one.subnet_of(ipaddress.ip_network(net.pods)) for one in pods))
        self.assertFalse(ipaddress.ip_network(net.services).overlaps(ipaddress.ip_network(net.pods)))
        self.assertIn(ipaddress.ip_address(net.kubernetes), ipaddress.ip_network(net.services))
        for text in ("10", "10.78.1", "300.1", "x.y"):
            with self.assertRaises(Failed):
                network.Network(text)

    def test_ready_is_what_the_condition_says(self):
        def one(name, status):
            return {"metadata": {"name": name}, "status": {"conditions": [{"type": "MemoryPressure", "status": "True"},
                                                                          {"type": "Ready", "status": status}]}}
        nodes = {"items": [one("a", "True"), one("b", "False"), one("c", "Unknown"), {"metadata": {"name": "d"}, "status": {}}]}
        self.assertEqual(api_server.ready_in(nodes), {"a"})

    def test_the_libraries_that_an_icd_file_names(self):
        libc = next(pathlib.Path("/usr/lib").glob("*/libc.so.6"))
        self.assertEqual(drivers.libraries_of("libc.so.6\n"), [str(libc.resolve())])
        self.assertEqual(drivers.libraries_of(f"{libc}\n\n"), [str(libc.resolve())])
        self.assertEqual(drivers.libraries_of("libnothing-of-this-name.so\n"), [])

    def test_nodes_of_one_machine_keep_to_their_own(self):
        authority = Authority(pathlib.Path("/pki"))
        one, other = (node.kubelet_config(name, "10.78.0.11", authority) for name in ("card", "plain"))
        self.assertNotEqual(one["cgroupRoot"], other["cgroupRoot"])
        self.assertFalse(one["authentication"]["anonymous"]["enabled"])
        self.assertIs(one["featureGates"]["DRAConsumableCapacity"], True)


class Showing(unittest.TestCase):
    FACTS = {"state": "partly", "profile": "full", "server": "https://10.78.0.1:6443", "ready": True, "kubeconfig": "/x/admin.kubeconfig",
             "kubectl": "/k/kubectl", "folder": "/x", "processes": {"etcd": 12, "kubelet-card": None},
             "nodes": {"card": {"ready": True, "address": "10.78.0.11", "card": True},
                       "plain": {"ready": False, "address": "10.78.0.12", "card": False}}}

    def test_columns_line_up(self):
        self.assertEqual(report.table([("A", "LONG"), ("wider", 1)]), ["A      LONG", "wider  1"])

    def test_what_is_down_is_said_with_the_way_out(self):
        text = "\n".join(report.lines_of(self.FACTS))
        self.assertRegex(text, r"kubelet-card\s+does not run")
        self.assertRegex(text, r"plain\s+no\s+10.78.0.12\s+no card, no driver")
        self.assertIn("./dev cluster up starts what is down", text)
        self.assertIn("./dev cluster --state /x kubectl get nodes", text)

    def test_options_stand_before_and_behind_the_verb(self):
        for words in (["--state", "/x", "up"], ["up", "--state", "/x"]):
            self.assertEqual(main.parse(words).state, pathlib.Path("/x"))
        args = main.parse(["on", "card", "ls", "--state"])
        self.assertEqual((args.machine, args.words), ("card", ["ls", "--state"]))
        args = main.parse(["--state", "/x", "kubectl", "get", "nodes", "--state", "y"])
        self.assertEqual((args.state, args.words), (pathlib.Path("/x"), ["get", "nodes", "--state", "y"]))


if __name__ == "__main__":
    unittest.main()
