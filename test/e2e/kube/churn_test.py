"""Pods with slices come and go while everything that places them is killed: the hi-scheduler that leads and the one that stands by, the API
server, etcd, kube-scheduler, the controller manager. No card is ever lent twice, and at the end nothing is left. Real servers; nodes and
cards are objects, the cards' agents doubles. Part of the full form. FLEXAI_SEED: of the chance in it, else a new one, which is printed.

usage: churn_test.py BUILD
"""
import contextlib
import itertools
import os
import random
import subprocess
import sys
import threading
import time

import hi_test
from hi_test import Case, setUpModule, tearDownModule  # noqa: unittest looks for the two
from scheduling import DRA, GI, TOOL, XPU, insist, slice_of, wait

PODS = 200
ALIVE = 30  # at once
FAULTS = 14
SEED = int(os.environ.get("FLEXAI_SEED") or random.randrange(1 << 30))
SERVERS = ("kube-apiserver", "etcd", "kube-scheduler", "kube-controller-manager")


class Churn(Case):
    def cluster(self):
        for name in ("one", "two"):
            self.node(name, {}, {})
        self.node("plain")

    def setUp(self):
        super().setUp()
        self.chance = random.Random(SEED)
        self.over, self.faults_over = threading.Event(), threading.Event()
        self.most, self.placed, self.booked = 0, set(), []
        print(f"seed {SEED}", file=sys.stderr)

    # Those that come and go.

    def there(self, path):
        return self.api.call("GET", path, expect=False)[0] == 200

    def come(self, name, compute):
        claim, pod = f"{DRA}/namespaces/{self.ns}/resourceclaims", f"/api/v1/namespaces/{self.ns}/pods"
        # What was created by a call whose answer was lost is there.
        insist(lambda: self.there(f"{claim}/{name}") or hi_test.CLUSTER.claim(self.ns, name, slice_of(compute, GI)))
        insist(lambda: self.there(f"{pod}/{name}") or hi_test.CLUSTER.pod(self.ns, name, [name]))

    def go(self, name):
        def gone():
            self.remove(name)
            return not self.there(f"/api/v1/namespaces/{self.ns}/pods/{name}")
        wait(lambda: insist(gone), 90)

    def churn(self):
        """At least PODS, and as long as something is killed."""
        alive = []
        for number in itertools.count():
            if number >= PODS and self.faults_over.is_set():
                break
            name = f"p{number}"
            self.come(name, self.chance.choice([100, 200, 300, 500]))
            alive.append(name)
            while len(alive) > ALIVE or (alive and self.chance.random() < 0.3):
                self.go(alive.pop(self.chance.randrange(len(alive))))
            time.sleep(self.chance.uniform(0, 0.3))
        self.made = number
        for name in alive[::2]:
            self.go(name)
        self.left = alive[1::2]

    # What must hold at every moment: one list is one moment.

    def look(self):
        while not self.over.wait(0.1):
            with contextlib.suppress(Exception):
                sums = {}
                for lease in self.api.items(f"{XPU}/xpuleases"):
                    spec = lease["spec"]
                    self.placed.add(spec["pod"]["name"])
                    card = (spec["pool"], spec["device"])
                    sums[card] = sums.get(card, 0) + spec["compute"]
                self.most = max([self.most, *sums.values()])
                self.booked += [(card, value) for card, value in sums.items() if value > 1000]

    # Faults.

    def kill_a_server(self, chance):
        name = chance.choice(SERVERS)
        tool = [sys.executable, "-B", TOOL, "--state", hi_test.CLUSTER.state]
        subprocess.run([*tool, "kill", name], check=False, capture_output=True)
        time.sleep(chance.uniform(0, 2))
        done = subprocess.run([*tool, "up", "--profile", "scheduling"], check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return name

    def kill_a_scheduler(self, chance):
        alive = [hi for hi in self.running if hi.process.poll() is None]
        one = chance.choice(alive)
        one.end("kill")
        if len(alive) == 1 or chance.random() < 0.5:
            time.sleep(chance.uniform(0, 1))
        insist(self.start)
        wait(self.led, 60)  # the lead of one that was killed ends by time
        return "hi-scheduler"

    def led(self):
        with contextlib.suppress(OSError):
            return any(hi.metrics()["flexai_leads"] for hi in self.running if hi.process.poll() is None)

    def test_nothing_is_lent_twice_and_nothing_is_left(self):
        self.start()  # stands by
        watcher, maker = threading.Thread(target=self.look), threading.Thread(target=self.churn)
        watcher.start()
        maker.start()
        chance, killed = random.Random(SEED + 1), []
        for number in range(FAULTS):
            time.sleep(chance.uniform(0.5, 4))
            killed.append((self.kill_a_server if number % 2 else self.kill_a_scheduler)(chance))
        self.faults_over.set()
        maker.join(300)
        self.assertFalse(maker.is_alive(), "pods still come and go")
        # Those that stay are placed as if nothing had been.
        wait(lambda: insist(self.consistent), 60)
        for name in self.left:
            self.go(name)
        wait(lambda: not self.leases(), 60)
        wait(lambda: not self.api.items(f"{DRA}/namespaces/{self.ns}/resourceclaims"), 60)
        self.over.set()
        watcher.join()
        print(f"killed: {', '.join(killed)}; {len(self.placed)} of {self.made} pods had a lease; a card was lent to {self.most / 10:.1f} % at most",
              file=sys.stderr)
        self.assertEqual(self.booked, [])
        self.assertGreater(len(self.placed), PODS // 2)
        for number in range(4):  # every card is wholly free, and known to be
            self.run_pod(f"whole{number}", slice_of(1000))
        for number in range(4):
            self.bound(f"whole{number}", 30)

    def consistent(self):
        """Claims, leases and pods tell the same story."""
        given = {result["shareID"] for claim in self.api.items(f"{DRA}/namespaces/{self.ns}/resourceclaims")
                 for result in claim.get("status", {}).get("allocation", {}).get("devices", {}).get("results", [])}
        lent = {lease["spec"]["shareID"] for lease in self.leases()}
        placed = [name for name in self.left if self.node_of(name)]
        return given == lent and len(given) == len(placed) and all(value[0] <= 1000 for value in self.taken().values())


if __name__ == "__main__":
    hi_test.main()
