"""kube/ against a real API server and etcd, with faults in between. Needs the built servers of `./dev cluster`: part of the full form.

usage: kube_test.py BUILD [CASE...]
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from servers import TOOL, ControlPlane, Probe, Relay, call

BUILD = ""
PLANE = None


def setUpModule():  # noqa: unittest's name
    global PLANE
    PLANE = ControlPlane()


def tearDownModule():  # noqa: unittest's name
    PLANE.down()


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        self.addCleanup(self.folder.cleanup)
        self.ns = self.id().rsplit(".", 1)[1].replace("_", "-").lower()[:50]
        PLANE.kubectl("create", "namespace", self.ns)

    def relay(self):
        relay = Relay(BUILD, PLANE.port)
        self.addCleanup(relay.close)
        return relay, PLANE.config(f"{self.folder.name}/relay-{relay.port}", relay.port)

    def probe(self, config, *words):
        probe = Probe(BUILD, config, *words)
        self.addCleanup(probe.end)
        return probe

    def storm(self, count, config=None):
        return subprocess.Popen([f"{BUILD}/bin/kube-probe", "--kubeconfig", config or PLANE.kubeconfig, "storm", self.ns, "1", str(count), "1"],
                                stdout=subprocess.DEVNULL)

    def values(self, probe):
        """What the watch was told of the one config map, in order."""
        words = [line.split() for line in probe.lines]
        return [int(w[3]) for w in words if len(w) == 4 and w[1] in ("added", "updated")]

    def resource(self, text):
        return call(BUILD, PLANE.kubeconfig, "GET", text)


class Watches(Case):
    def test_each_of_1000_changes_in_order_across_cuts(self):
        relay, config = self.relay()
        watch = self.probe(config, "watch", "configmaps", self.ns, "n")
        watch.wait(" synced")
        storm = self.storm(1000)
        for turn in range(1000):
            if storm.poll() is not None:
                break
            time.sleep(0.15)
            # Nobody is told of a silence: finding it out takes the connection's patience, so one of them.
            relay.tell("cut silence" if turn == 12 else ("cut rst", "cut fin")[turn % 2])
        self.assertEqual(storm.wait(), 0)
        relay.tell("cut half")
        watch.wait(" 1000$", 120)
        self.assertEqual(self.values(watch), list(range(0, 1001)))
        counts = watch.counts()
        self.assertEqual((counts["lists"], counts["expired"], counts["corrupt"]), (1, 0, 0))
        self.assertGreater(counts["watches"], 10)

    def outlive(self, fault):
        watch = self.probe(PLANE.kubeconfig, "watch", "configmaps", self.ns, "n")
        watch.wait(" synced")
        storm = self.storm(600)
        time.sleep(1.5)
        fault()
        self.assertEqual(storm.wait(), 0)
        watch.wait(" 600$", 120)
        values = self.values(watch)
        self.assertEqual(values, sorted(set(values)))
        counts = watch.counts()
        if counts["lists"] == 1:  # else what was between two lists is not told, and need not be
            self.assertEqual(values, list(range(0, 601)))
        return counts

    def test_api_server_killed(self):
        def fault():
            PLANE.kill("kube-apiserver")
            time.sleep(1)
            PLANE.up()
        self.outlive(fault)

    def test_etcd_killed(self):
        def fault():
            PLANE.kill("etcd")
            time.sleep(3)
            PLANE.up()
        self.outlive(fault)

    def test_api_server_stopped_for_a_while(self):
        def fault():
            pid = PLANE.processes["kube-apiserver"]
            os.kill(pid, signal.SIGSTOP)
            time.sleep(28)  # longer than it takes to give the connection up
            os.kill(pid, signal.SIGCONT)
        self.outlive(fault)

    def compact(self):
        """Of etcd, up to now: what is older is gone."""
        port = next(word.rsplit(":", 1)[1] for word in pathlib.Path(f"/proc/{PLANE.processes['kube-apiserver']}/cmdline").read_text().split("\0")
                    if word.startswith("--etcd-servers="))
        version = self.resource(f"/api/v1/namespaces/{self.ns}/configmaps")["body"]["metadata"]["resourceVersion"]
        done = subprocess.run(["curl", "-sS", "--cacert", PLANE.pki("ca.crt"), "--cert", PLANE.pki("etcd-client.crt"), "--key", PLANE.pki("etcd-client.key"),
                               f"https://127.0.0.1:{port}/v3/kv/compaction", "-d", json.dumps({"revision": version})], capture_output=True, text=True)
        self.assertIn("header", done.stdout, done.stderr)

    def test_expired_version_is_listed_again(self):
        PLANE.kubectl("create", "configmap", "gone", "-n", self.ns, "--from-literal=n=7")
        PLANE.kubectl("create", "configmap", "remade", "-n", self.ns, "--from-literal=n=8")
        relay, config = self.relay()
        watch = self.probe(config, "watch", "configmaps", self.ns, "n")
        watch.wait(" synced")
        relay.tell("refuse on")
        relay.tell("cut rst")
        PLANE.kubectl("delete", "configmap", "gone", "remade", "-n", self.ns)
        PLANE.kubectl("create", "configmap", "remade", "-n", self.ns, "--from-literal=n=9")
        self.assertEqual(self.storm(200).wait(), 0)
        self.compact()
        PLANE.kill("kube-apiserver")
        PLANE.up()
        relay.tell("refuse off")
        watch.wait(" synced", 90)
        told = [" ".join(line.split()[1:]) for line in watch.lines if not line.endswith("synced") and " trouble " not in line]
        key = self.ns + "/"
        self.assertCountEqual(told, [f"added {key}gone 7", f"added {key}remade 8", f"deleted {key}remade 8", f"added {key}remade 9",
                                     f"added {key}storm-0 200", f"deleted {key}gone 7"])
        self.assertEqual(watch.counts()["expired"], 1)


class Tokens(Case):
    def token(self):
        return PLANE.kubectl("create", "token", "reader", "-n", self.ns, "--duration", "10m").strip()

    def write(self, text):
        pathlib.Path(f"{self.folder.name}/new").write_text(text, encoding="utf-8")
        os.rename(f"{self.folder.name}/new", f"{self.folder.name}/token")

    def test_rotated_token_is_taken(self):
        PLANE.kubectl("create", "serviceaccount", "reader", "-n", self.ns)
        PLANE.kubectl("create", "role", "reader", "-n", self.ns, "--verb=get,list,watch", "--resource=configmaps")
        PLANE.kubectl("create", "rolebinding", "reader", "-n", self.ns, "--role=reader", f"--serviceaccount={self.ns}:reader")
        self.write(self.token())
        relay, _ = self.relay()
        config = PLANE.config(f"{self.folder.name}/config", relay.port, f"{self.folder.name}/token")
        watch = self.probe(config, "watch", "configmaps", self.ns, "n")
        watch.wait(" synced")
        # The account is made anew: the old token is nobody's.
        PLANE.kubectl("delete", "serviceaccount", "reader", "-n", self.ns)
        PLANE.kubectl("create", "serviceaccount", "reader", "-n", self.ns)
        time.sleep(11)  # the API server believes a token for so long that it has seen
        relay.tell("cut rst")
        watch.wait(" trouble 401 ")
        self.write(self.token())
        PLANE.kubectl("create", "configmap", "late", "-n", self.ns, "--from-literal=n=1")
        watch.wait(" added .*/late 1")

    def test_what_is_not_allowed_is_said_with_the_reason(self):
        PLANE.kubectl("create", "serviceaccount", "reader", "-n", self.ns)
        self.write(self.token())
        config = PLANE.config(f"{self.folder.name}/config", None, f"{self.folder.name}/token")
        out = call(BUILD, config, "GET", f"/api/v1/namespaces/{self.ns}/configmaps")
        self.assertEqual(out["http"], 403)
        self.assertEqual(out["failure"]["code"], "denied")
        self.assertIn(f"system:serviceaccount:{self.ns}:reader", out["failure"]["message"])


class Elections(Case):
    def spans(self, probe):
        """[from, to] of each time it said all along that it leads; it looks at the clock every 10 ms."""
        spans = []
        for line in probe.lines:
            word, _, stamp = line.partition(" ")
            if word != "leads":
                continue
            now = int(stamp)
            if spans and now - spans[-1][1] < 100e6:
                spans[-1][1] = now
            else:
                spans.append([now, now])
        return spans

    def check(self, *probes):
        spans = sorted((a, b, i) for i, p in enumerate(probes) for a, b in self.spans(p))
        for (_, end, who), (begin, _, other) in zip(spans, spans[1:]):
            self.assertTrue(who == other or end < begin, f"two leaders: {who} until {end}, {other} from {begin}")
        return spans

    def elect(self, config, identity):
        return self.probe(config, "elect", self.ns, "lease", identity, "4")

    def test_leader_killed_stopped_and_cut_off(self):
        relay, through = self.relay()
        first = self.elect(through, "first")
        first.wait("^started")
        second = self.elect(PLANE.kubeconfig, "second")
        second.wait("^leader first")
        time.sleep(1)  # so that each is seen to lead
        # Cut off: it stops by itself before the other one begins.
        relay.tell("cut silence")
        relay.tell("refuse on")
        first.wait("^stopped", 20)
        second.wait("^started", 20)
        time.sleep(1)
        relay.tell("refuse off")
        # Stopped, and going on in the belief that nothing has happened.
        os.kill(second.process.pid, signal.SIGSTOP)
        first.wait("^started", 40)
        os.kill(second.process.pid, signal.SIGCONT)
        second.wait("^stopped", 20)
        time.sleep(1)
        # Killed.
        os.kill(first.process.pid, signal.SIGKILL)
        second.wait("^started", 20)
        third = self.elect(PLANE.kubeconfig, "third")
        third.wait("^leader second")
        # Given up: the next one need not wait for the end.
        second.process.stdin.close()
        second.wait("^released", 10)
        begun = time.monotonic()
        third.wait("^started", 10)
        self.assertLess(time.monotonic() - begun, 3)
        time.sleep(1)
        self.assertGreaterEqual(len(self.check(first, second, third)), 5)

    def test_api_server_away_ends_leadership_in_time(self):
        only = self.elect(PLANE.kubeconfig, "only")
        only.wait("^started")
        PLANE.kill("kube-apiserver")
        killed = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        stopped = int(only.wait("^stopped", 20).split()[1])
        self.assertLess(stopped - killed, 4e9)
        PLANE.up()
        only.wait("^started", 40)


class Writes(Case):
    APPLY = "application/apply-patch+yaml"

    def path(self, name=""):
        return f"/api/v1/namespaces/{self.ns}/configmaps" + (f"/{name}" if name else "")

    def config_map(self, data, version=None):
        metadata = {"name": "one", **({"resourceVersion": version} if version else {})}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    def call(self, verb, path, body=None, kind=None):
        return call(BUILD, PLANE.kubeconfig, verb, path, body, kind)

    def test_conflicts(self):
        made = self.call("POST", self.path(), self.config_map({"a": "1"}))
        self.assertEqual(made["http"], 201)
        again = self.call("POST", self.path(), self.config_map({"a": "1"}))
        self.assertEqual((again["http"], again["failure"]["reason"], again["failure"]["code"]), (409, "AlreadyExists", "conflict"))
        version = made["body"]["metadata"]["resourceVersion"]
        self.assertEqual(self.call("PUT", self.path("one"), self.config_map({"a": "2"}, version))["http"], 200)
        stale = self.call("PUT", self.path("one"), self.config_map({"a": "3"}, version))
        self.assertEqual((stale["http"], stale["failure"]["reason"]), (409, "Conflict"))
        wrong = self.call("DELETE", self.path("one"), {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}})
        self.assertEqual(wrong["http"], 409)

    def test_patches(self):
        self.call("POST", self.path(), self.config_map({"a": "1", "b": "2"}))
        merged = self.call("PATCH", self.path("one"), {"data": {"a": None, "c": "3"}}, "application/merge-patch+json")
        self.assertEqual(merged["body"]["data"], {"b": "2", "c": "3"})
        guarded = self.call("PATCH", self.path("one"), [{"op": "test", "path": "/data/b", "value": "9"}, {"op": "remove", "path": "/data/b"}],
                            "application/json-patch+json")
        self.assertEqual(guarded["http"], 422)
        strategic = self.call("PATCH", self.path("one"), {"data": {"d": "4"}}, "application/strategic-merge-patch+json")
        self.assertEqual(strategic["body"]["data"], {"b": "2", "c": "3", "d": "4"})

    def test_apply_conflicts_between_owners(self):
        path = self.path("one") + "?fieldManager="
        self.assertEqual(self.call("PATCH", path + "first", self.config_map({"a": "1"}), self.APPLY)["http"], 201)
        self.assertEqual(self.call("PATCH", path + "second", self.config_map({"b": "1"}), self.APPLY)["http"], 200)
        clash = self.call("PATCH", path + "second", self.config_map({"a": "2"}), self.APPLY)
        self.assertEqual((clash["http"], clash["failure"]["cause"]), (409, "FieldManagerConflict"))
        self.assertIn("first", clash["failure"]["message"])
        taken = self.call("PATCH", path + "second&force=true", self.config_map({"a": "2"}), self.APPLY)
        self.assertEqual(taken["body"]["data"], {"a": "2"})  # b was second's, and is not wanted any more

    def test_eviction_honours_the_budget(self):
        PLANE.kubectl("create", "serviceaccount", "default", "-n", self.ns)
        pods = f"/api/v1/namespaces/{self.ns}/pods"
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "x"}},
               "spec": {"containers": [{"name": "c", "image": "none"}], "terminationGracePeriodSeconds": 0}}
        self.assertEqual(self.call("POST", pods, pod)["http"], 201)
        ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        self.assertEqual(self.call("PATCH", f"{pods}/p/status", ready, "application/merge-patch+json")["http"], 200)
        budgets = f"/apis/policy/v1/namespaces/{self.ns}/poddisruptionbudgets"
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
                  "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
        self.assertEqual(self.call("POST", budgets, budget)["http"], 201)

        def allow(count):  # what the controller manager would compute
            status = {"status": {"disruptionsAllowed": count, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "observedGeneration": 1}}
            self.assertEqual(self.call("PATCH", f"{budgets}/b/status", status, "application/merge-patch+json")["http"], 200)

        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": self.ns}}
        allow(0)
        refused = self.call("POST", f"{pods}/p/eviction", eviction)
        self.assertEqual((refused["http"], refused["failure"]["cause"]), (429, "DisruptionBudget"))
        allow(1)
        self.assertEqual(self.call("POST", f"{pods}/p/eviction", eviction)["http"], 201)


class Speed(Case):
    """Not judged: what the machine does is printed."""

    def test_many_writers_and_a_watch_see_all(self):
        watch = self.probe(PLANE.kubeconfig, "watch", "configmaps", self.ns, "n")
        watch.wait(" synced")
        done = subprocess.run([f"{BUILD}/bin/kube-probe", "--kubeconfig", PLANE.kubeconfig, "storm", self.ns, "1000", "2000", "64"],
                              capture_output=True, text=True, check=True)
        print(done.stdout.strip())
        self.assertEqual(json.loads(done.stdout)["failed"], 0)
        end = time.monotonic() + 30
        while watch.counts()["events"] < 3000 and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(watch.counts()["events"], 3000)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    if not os.environ.get("FLEXAI_FULL"):
        print("part of the full form: ./dev test --full")
        sys.exit(77)
    if not pathlib.Path(TOOL).exists():
        sys.exit(f"{TOOL} is not there; FLEXAI_CLUSTER_TOOL may name it")
    threading.excepthook = lambda *_: os._exit(3)
    unittest.main(verbosity=2)
