#!/usr/bin/env python3
"""slice delete --force: stops what runs in the slice and nothing else, says so, and leaves nothing behind.

delete_test.py BIN
"""
import os
import pathlib
import signal
import sys
import time
import unittest

import agent_test
from agent_test import CLIENT, wait_until


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Delete(agent_test.AgentCase):
    def setUp(self):
        super().setUp()
        self.start_agent()
        for name in ("a", "other"):
            self.flexai("slice", "create", name, "--card", "fake-0", "--compute", "10%", "--memory", "1GiB")

    def test_stops_its_programs_and_says_so(self):
        first, one = self.start_client(["a"], "--hold", "60")
        second, two = self.start_client(["a"], "--hold", "60")
        neighbour, _ = self.start_client(["other"], "--hold", "60")
        out = self.flexai("slice", "delete", "a", "--force")
        for attached in (one, two):
            self.assertIn(f"(pid {attached['slices'][0]['pid']})", out)
        self.assertIn("returned", out)
        self.assertEqual(self.names(), ["other"])
        for child in (first, second):
            self.assertEqual(child.wait(10), 137)
            error = child.stderr.read()
            self.assertRegex(error, r"^flexai: .* was stopped: slice a was deleted with --force\n$")
        self.assertIsNone(neighbour.poll(), "a program of another slice was stopped")
        self.assertIn("deleted with --force", self.flexai("events"))
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")

    def test_stops_children_that_never_attached(self):
        child = self.start("run", "--slice", "a", "--", "sh", "-c", "sleep 60 & echo $!; wait")
        pid = int(child.stdout.readline())
        wait_until("they are known", lambda: "sleep" in self.flexai("slice", "delete", "a", code=8))
        self.flexai("slice", "delete", "a", "--force")
        wait_until("it has ended", lambda: not lives(pid))

    def test_a_caller_that_runs_in_it_is_refused(self):
        program = str(agent_test.BIN / "flexai")
        neighbour, _ = self.start_client(["a"], "--hold", "60")
        told = self.flexai("run", "--slice", "a", "--", program, "slice", "delete", "a", "--force", code=8)
        self.assertRegex(told, r"^flexai: slice a is used by the caller itself, flexai \(pid \d+\): .* from outside of it\n$")
        self.assertIsNone(neighbour.poll(), "a program of the slice was stopped all the same")
        self.assertEqual(self.names(), ["a", "other"])
        again, _ = self.start_client(["a"])  # and what is new may still start in it
        self.assertEqual(again.wait(10), 0)
        other = self.flexai("run", "--slice", "other", "--", program, "slice", "delete", "a", "--force")
        self.assertIn("slice a deleted; stopped ", other)
        self.assertEqual(neighbour.wait(10), 137)

    def test_a_flexai_run_that_is_stopped_does_not_keep_it(self):
        child, _ = self.start_client(["a"], "--hold", "60")
        os.kill(child.pid, signal.SIGSTOP)
        begin = time.monotonic()
        self.flexai("slice", "delete", "a", "--force")
        self.assertLess(time.monotonic() - begin, 4)
        os.kill(child.pid, signal.SIGCONT)
        self.assertEqual(child.wait(10), 137)

    def test_of_nobody_it_is_a_plain_delete(self):
        self.assertIn("slice a deleted; 0B returned", self.flexai("slice", "delete", "a", "--force"))
        self.flexai("slice", "delete", "a", "--force", code=3)

    def test_a_throw_away_slice_goes_with_its_program(self):
        child = self.start("run", "--card", "fake-1", "--compute", "10%", "--", CLIENT, "--hold", "60")
        child.stdout.readline()
        name = next(n for n in self.names() if n.startswith("run-"))
        self.assertIn("stopped", self.flexai("slice", "delete", name, "--force"))
        self.assertEqual(self.names(), ["a", "other"])
        self.assertEqual(child.wait(10), 137)

    def test_the_query_is_0_or_1(self):
        self.assertEqual(self.request("DELETE", "/v1/slices/a?force=yes")[0], 400)
        self.assertEqual(self.names(), ["a", "other"])


if __name__ == "__main__":
    agent_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(argv=[sys.argv[0], "Delete", *sys.argv[1:]])
