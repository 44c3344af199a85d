"""The hi-scheduler with another time than the API server's, on a real control plane. Needs libfaketime.

usage: clock_test.py BUILD [CASE...]
"""
import json
import pathlib
import subprocess
import time
import unittest

import hi_test
from hi_test import setUpModule, tearDownModule  # noqa: unittest looks for them
from scheduling import DRIVER, GI, XPU, slice_of, wait

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def later(seconds):
    """Words by which a program believes that it is so many seconds later."""
    return ("env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC=1")


class Ahead(hi_test.Case):
    before = later(7200)

    def queue(self, name, **spec):
        self.api.create(f"{XPU}/xpuqueues", {"apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuQueue", "metadata": {"name": name}, "spec": spec})

    def test_it_places_says_so_and_counts_by_the_server_s_clock(self):
        """A queue takes back what it *deserves*, and is not guaranteed, after ten minutes: not at once because the clock is two hours ahead."""
        self.queue("lender", deserved=1000)
        self.queue("borrower", deserved=1000)
        wait(lambda: "lender" in self.hi.page("/v1/queues"))
        for number in range(2):
            self.run_pod(f"b{number}", slice_of(1000), labels={f"{DRIVER}/queue": "borrower"})
        for number in range(2):
            self.bound(f"b{number}")
        self.run_pod("mine", slice_of(500, GI), labels={f"{DRIVER}/queue": "lender"})
        wait(lambda: "0/2 nodes" in self.why("mine"), 5)
        time.sleep(4)
        self.assertEqual([one["metadata"]["name"] for one in self.api.items(f"/api/v1/namespaces/{self.ns}/pods")], ["b0", "b1", "mine"],
                         "who waits for seconds was taken for one who waits for hours")
        self.assertIn("ahead of the API server's", self.hi.text())
        self.assertEqual(self.hi.text().count("ahead of the API server's"), 1)

    def test_who_follows_a_leader_from_the_future_waits_no_longer(self):
        first = self.hi
        wait(lambda: first.metrics()["flexai_leads"])
        self.before = ()
        other = self.start()
        self.run_pod("a", slice_of(100, GI))
        self.bound("a")
        first.end("kill")
        killed = time.monotonic()
        self.run_pod("b", slice_of(100, GI))
        self.bound("b", 60)
        self.assertLess(time.monotonic() - killed, 30)
        self.assertEqual(other.metrics()["flexai_leads"], 1)


class Behind(hi_test.Case):
    before = later(-7200)

    def setUp(self):
        # Its server's certificate is not valid yet for it, so it does not look; what then happens is what is tried here.
        made = hi_test.CLUSTER.identity
        def unsure(folder, *words):
            path = pathlib.Path(made(folder, *words))
            whole = json.loads(path.read_text(encoding="utf-8"))
            whole["clusters"][0]["cluster"].pop("certificate-authority")
            whole["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
            path.write_text(json.dumps(whole), encoding="utf-8")
            return str(path)
        hi_test.CLUSTER.identity = unsure
        self.addCleanup(setattr, hi_test.CLUSTER, "identity", made)
        super().setUp()

    def test_it_places_and_hands_over(self):
        self.run_pod("p", slice_of(300, GI))
        self.assertEqual(self.bound("p"), "card")
        self.run_pod("much", slice_of(300, GI, {"reach": "local"}), cpu="4")
        wait(lambda: "0/2 nodes" in self.why("much"), 5)
        self.assertIn("behind the API server's", self.hi.text())
        self.before = ()
        other = self.start()
        self.hi = other
        self.running[0].end()
        self.run_pod("q", slice_of(300, GI))
        self.bound("q")
        self.assertEqual(other.metrics()["flexai_leads"], 1)


class Wrong(unittest.TestCase):
    def test_a_certificate_that_is_not_valid_at_our_time_names_the_clock(self):
        for shift, word in ((-2 * 86400, "not yet valid"), (800 * 86400, "expired")):
            done = subprocess.run([*later(shift), f"{hi_test.BUILD}/bin/kube-probe", "--kubeconfig", hi_test.CLUSTER.kubeconfig, "call", "GET", "/version"],
                                  capture_output=True, text=True, check=False, timeout=120)
            self.assertIn(word, done.stdout)
            self.assertIn("check this host's clock", done.stdout)


if __name__ == "__main__":
    hi_test.main()
