#!/usr/bin/env python3
"""End to end: the disk of the agent's state is full: deleting frees the card all the same, creating
is refused whole, and both are as ever once there is room. The state is a small tmpfs (needs root).

full_disk_test.py BIN [unittest arguments]"""
import os
import pathlib
import signal
import subprocess
import sys
import unittest

import agent_test
from agent_test import AgentCase, wait_until

SIZE = "400k"


class FullDisk(AgentCase):
    def setUp(self):
        super().setUp()
        (self.folder / "state").mkdir(mode=0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none", str(self.folder / "state")],
                                 capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
        if mounted is None or mounted.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here")

    def tearDown(self):
        self.stop_agent()
        subprocess.run(["umount", str(self.folder / "state")], capture_output=True, check=False)
        super().tearDown()

    def fill(self):
        with open(self.folder / "state" / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 512)
            except OSError:
                pass

    def make_room(self):
        (self.folder / "state" / "filler").unlink()

    def names(self):
        return sorted(s["name"] for s in self.json("slice", "list")["slices"])

    def create(self, name, share, code=0):
        return self.flexai("slice", "create", name, "--card", "fake-0", "--compute", share, "--memory", "1GiB", code=code)

    def refused(self, message):
        self.assertIn("disk", message)
        self.assertIn("free space", message)

    def test_deleting_frees_the_card_and_is_written_later(self):
        self.start_agent()
        self.create("a", "60%")
        self.create("b", "40%")
        self.fill()
        self.flexai("slice", "delete", "a")
        self.assertEqual(self.names(), ["b"])
        for _ in range(3):
            self.refused(self.create("c", "60%", code=4))
            self.assertEqual(self.names(), ["b"])
        self.flexai("slice", "delete", "b")
        self.assertEqual(self.names(), [])
        self.make_room()
        # The whole card is there: nothing of what was refused or deleted holds any of it.
        self.create("a", "100%")
        self.flexai("slice", "delete", "a")
        self.stop_agent(signal.SIGKILL)
        self.start_agent()
        self.assertEqual(self.names(), [])

    def test_a_program_is_stopped_and_its_slice_deleted(self):
        self.start_agent()
        self.create("a", "60%")
        child, _ = self.start_client(["a"])
        self.fill()
        self.flexai("slice", "delete", "a", "--force")
        child.communicate(timeout=20)
        self.assertEqual(self.names(), [])
        self.refused(self.flexai("run", "--compute", "100%", "--memory", "1GiB", "--", "true", code=4))
        self.assertEqual(self.names(), [])
        self.make_room()
        self.flexai("run", "--compute", "100%", "--memory", "1GiB", "--", "true")
        wait_until("the throw-away slice is gone", lambda: not self.names())

    def test_a_throw_away_slice_goes_with_its_program(self):
        self.start_agent()
        child = self.start("run", "--compute", "60%", "--memory", "1GiB", "--", "sleep", "60")
        wait_until("it runs", lambda: len(self.names()) == 1)
        self.fill()
        os.killpg(child.pid, signal.SIGTERM)
        wait_until("the slice is gone", lambda: not self.names())
        self.make_room()
        wait_until("it is written", lambda: "is written now" in (self.folder / "log").read_text())
        self.stop_agent(signal.SIGKILL)
        self.start_agent()
        self.assertEqual(self.names(), [])

    def test_an_agent_that_is_killed_before_there_is_room_finds_it_again(self):
        self.start_agent()
        self.create("a", "60%")
        self.fill()
        self.flexai("slice", "delete", "a")
        self.stop_agent(signal.SIGKILL)
        self.make_room()
        self.start_agent()
        self.assertEqual(self.names(), ["a"])
        self.flexai("slice", "delete", "a")
        self.stop_agent(signal.SIGKILL)
        self.start_agent()
        self.assertEqual(self.names(), [])

    def test_changing_is_refused_and_nothing_has_changed(self):
        self.start_agent()
        self.create("a", "60%")
        self.fill()
        self.refused(self.flexai("slice", "set", "a", "--compute", "30%", code=4))
        self.assertEqual([s["compute_milli"] for s in self.json("slice", "list")["slices"]], [600])
        self.make_room()
        self.flexai("slice", "set", "a", "--compute", "30%")
        self.assertEqual([s["compute_milli"] for s in self.json("slice", "list")["slices"]], [300])


if __name__ == "__main__":
    agent_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(argv=[sys.argv[0], "FullDisk", *sys.argv[1:]])
