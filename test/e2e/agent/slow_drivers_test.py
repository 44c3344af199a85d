#!/usr/bin/env python3
"""An agent that comes back while its drivers take seconds to answer.

slow_drivers_test.py BIN
"""
import json
import pathlib
import signal
import sys
import time
import unittest

import agent_test
from agent_test import GIB, card, wait_until


class SlowDrivers(agent_test.AgentCase):
    def test_programs_are_served_again_before_slow_drivers_have_answered(self):
        old = [card("fake:A", driver_files=[str(self.driver)]), card("fake:B", 4 * GIB)]
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")
        child, first = self.start_client(["a"], "--map", str(self.driver), "--hold", "60")
        self.stop_agent(signal.SIGKILL)
        self.write_cards({"good": {"devices": [old[1], old[0], card("fake:C")], "slow": 4}})
        begin = time.monotonic()
        self.start_agent()
        again = json.loads(child.stdout.readline())
        took = time.monotonic() - begin
        print(f"attached again {took * 1000:.0f} ms after the start of the agent")
        self.assertEqual(again["slices"], first["slices"])
        self.assertLess(took, 1)
        self.assertEqual(len(self.json("devices")["devices"]), 2)
        wait_until("the cards are up to date", lambda: len(self.json("devices")["devices"]) == 3)
        self.assertEqual(self.json("slice", "show", "a")["card"], "fake-1", "cards are known by their keys")
        self.flexai("slice", "create", "c", "--card", "fake-2", "--compute", "10%")
        self.start_client(["a"], "--hold", "60")
        self.assertIsNone(child.poll())
        # A card in use that is not listed any more stays for its programs only; a stop waits for no probe.
        self.stop_agent(signal.SIGKILL)
        self.write_cards({"good": {"devices": [old[1]], "slow": 0.2}})
        self.start_agent()
        json.loads(child.stdout.readline())
        wait_until("it is found missing", lambda: not self.json("devices")["devices"][1]["healthy"])
        self.assertEqual(self.json("slice", "show", "a")["processes"][:1], [first["slices"][0]["pid"]])
        self.write_cards({"good": {"devices": old, "slow": 60}})
        self.stop_agent(signal.SIGKILL)
        self.start_agent()
        begin = time.monotonic()
        self.assertEqual(self.stop_agent(), 0)
        self.assertLess(time.monotonic() - begin, 5)


if __name__ == "__main__":
    agent_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
