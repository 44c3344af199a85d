"""What queues have used is counted on over a leader that is killed. Real control plane; nodes and cards are objects. Part of the full form.

usage: hours_test.py BUILD
"""
import datetime
import os
import sys
import time
import unittest

import hi_test
from hi_test import Case
from scheduling import DRIVER, GI, XPU, slice_of, wait


def setUpModule():  # noqa: unittest's name
    hi_test.setUpModule()


def tearDownModule():  # noqa: unittest's name
    hi_test.tearDownModule()


class Hours(Case):
    """Whoever leads next goes on counting where the one before had said it last."""

    def cluster(self):
        self.node("card", {"ncu": 1000000})

    def rate(self, milli):
        """Thousandths of NCU-hours a second."""
        return milli / 1000 * 1000000 / 3600

    def said(self, running):
        """When it was written last, by the server's clock, and what."""
        def written():
            status = self.api.get(f"{XPU}/xpuqueues/q").get("status", {})
            return status if status.get("running") == running else None
        status = wait(written, 30)
        return datetime.datetime.fromisoformat(status["ncuCounted"]).timestamp(), status["ncuHours"]

    def pod(self, name, milli):
        self.run_pod(name, slice_of(milli, GI), labels={f"{DRIVER}/queue": "q"})
        self.bound(name)
        wait(lambda: sum(lease.get("status", {}).get("phase") == "Running" for lease in self.leases()) == len(self.leases()))

    def test_a_killed_leader_takes_none_with_it(self):
        self.api.create(f"{XPU}/xpuqueues", {"apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuQueue", "metadata": {"name": "q"},
                                             "spec": {"deserved": 1000000}})
        first = self.hi
        wait(lambda: first.metrics()["flexai_leads"])
        standby = self.start()
        self.pod("a", 500)
        began = time.time()
        self.said(1)
        time.sleep(8)
        first.end("kill")
        wait(lambda: standby.metrics()["flexai_leads"], 60)
        self.pod("b", 100)
        when, hours = self.said(2)
        self.assertAlmostEqual(hours / self.rate(500), when - began, delta=1.5, msg="seconds, by a standby that watched")
        more = time.time()
        time.sleep(4)
        standby.end("kill")
        time.sleep(2)
        self.start()  # knows nothing but what is there
        self.pod("c", 1)
        later, now = self.said(3)
        expected = (later - when) * self.rate(500) + (later - more) * self.rate(100)
        self.assertAlmostEqual((now - hours) / self.rate(600), expected / self.rate(600), delta=1.5, msg="seconds, by one that was not there")


if __name__ == "__main__":
    hi_test.BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
