#!/usr/bin/env python3
"""Programs of a slice that use a driver behind our back are stopped, those that only look like it are not.

watchdog_test.py BIN
"""
import os
import pathlib
import subprocess
import sys
import unittest

import agent_test
from agent_test import CLIENT


class Watchdog(agent_test.AgentCase):
    def setUp(self):
        super().setUp()
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")

    def test_a_program_without_the_layer_is_stopped_and_told_why(self):
        error = self.flexai("run", "--slice", "a", "--", "sh", "-c",
                            f"{CLIENT} --map {self.driver} --no-attach --busy --hold 50", code=137)
        self.assertIn("libfakedriver.so", error)
        self.assertIn("unmetered", self.flexai("events"))

    def test_an_orphan_of_the_program_is_stopped_too(self):
        out = self.flexai("run", "--slice", "a", "--", "sh", "-c",
                          f"({CLIENT} --map {self.driver} --no-attach --busy --hold 50 &) ; sleep 2")
        self.assertNotIn("survived", out)

    def test_the_moment_between_driver_and_attach_is_granted(self):
        out = self.flexai("run", "--slice", "a", "--", CLIENT, "--map", str(self.driver), "--late", "0.25",
                          "--hold", "1.5")
        self.assertIn("slices", out)

    def test_with_the_layer_loaded_it_is_left_alone_before_it_attaches(self):
        # A forked child that never uses what it inherited, say.
        out = self.flexai("run", "--slice", "a", "--", CLIENT, "--map", str(self.driver), "--map-layer",
                          str(self.folder / "liblayer.so"), "--no-attach", "--busy", "--hold", "2")
        self.assertIn("survived", out)

    def test_who_gets_no_cpu_gets_time(self):
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
        try:
            out = self.flexai("run", "--slice", "a", "--", "nice", "-n", "10", CLIENT, "--map", str(self.driver),
                              "--late-cpu", "0.15", "--hold", "0.1", timeout=240)
            self.assertIn("slices", out)
            error = self.flexai("run", "--slice", "a", "--", CLIENT, "--map", str(self.driver), "--no-attach",
                                "--busy", "--hold", "100", code=137, timeout=240)
            self.assertIn("libfakedriver.so", error)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()

    def test_programs_that_touch_no_driver_are_left_alone(self):
        out = self.flexai("run", "--slice", "a", "--", CLIENT, "--no-attach", "--busy", "--hold", "1.5")
        self.assertIn("survived", out)


if __name__ == "__main__":
    agent_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(argv=[sys.argv[0], "Watchdog", *sys.argv[1:]])
