#!/usr/bin/env python3
"""What the agent weighs.

size_test.py BIN
"""
import json
import pathlib
import signal
import sys
import unittest

import agent_test


class Size(agent_test.AgentCase):
    def memory(self):
        """VmRSS in bytes: shared pages count in full."""
        status = pathlib.Path(f"/proc/{self.agent.pid}/status").read_text()
        return next(int(l.split()[1]) for l in status.splitlines() if l.startswith("VmRSS")) * 1024

    def test_a_thousand_slices_fit_in_100_mb(self):
        self.start_agent()
        for i in range(1000):
            body = json.dumps({"name": f"s{i}", "card": "fake-0", "compute_milli": 1, "memory_bytes": 1 << 20})
            self.assertEqual(self.request("POST", "/v1/slices", body)[0], 201)
        self.start_client(["s1", ], "--hold", "60")
        for when in ("fresh", "restarted"):
            self.assertEqual(len(self.json("top", "--once")["slices"]), 1000)
            self.request("GET", "/metrics")
            print(f"agent with 1,000 slices, {when}: {self.memory() / 1e6:.1f} MB")
            self.assertLess(self.memory(), 100e6, when)
            self.stop_agent(signal.SIGKILL)
            self.start_agent()


if __name__ == "__main__":
    agent_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
