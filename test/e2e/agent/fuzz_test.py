#!/usr/bin/env python3
"""Schemathesis against the agent's interface as docs/api/openapi.json describes it: whatever it sends, no
answer is a 5xx, every answer is one that the description allows, and the agent is there afterwards.

fuzz_test.py BIN     for 15 s, or FLEXAI_FUZZ_SECONDS
"""
import multiprocessing
import os
import pathlib
import socket
import socketserver
import subprocess
import sys
import threading
import unittest

import agent_test

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TOOL = ROOT / ".venv" / "bin" / "schemathesis"
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
          "response_headers_conformance,allow_header_conformance,use_after_free,"
          "ensure_resource_availability,negative_data_rejection")


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Relay(socketserver.BaseRequestHandler):
    """From a TCP port of this host, which is all that schemathesis knows, to the agent's socket."""

    def handle(self):
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(self.server.agent)
            thread = threading.Thread(target=copy, args=(self.request, agent), daemon=True)
            thread.start()
            copy(agent, self.request)


class Fuzz(agent_test.AgentCase):
    @unittest.skipUnless(TOOL.exists(), f"{TOOL} is missing; ./dev test installs it")
    def test_no_request_breaks_the_agent_or_its_description(self):
        self.start_agent()
        self.flexai("slice", "create", "present", "--compute", "10%", "--memory", "1GiB")
        socketserver.ThreadingTCPServer.daemon_threads = True
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
            relay.agent = self.env["FLEXAI_SOCKET"]
            # A process of its own: the agent takes it for the program of every run that is made here, and a forced
            # delete ends what is below that.
            server = multiprocessing.get_context("fork").Process(target=relay.serve_forever, daemon=True)
            server.start()
            done = subprocess.run(
                [str(TOOL), "run", str(ROOT / "docs" / "api" / "openapi.json"), "--url",
                 f"http://127.0.0.1:{relay.server_address[1]}", "--max-time",
                 os.environ.get("FLEXAI_FUZZ_SECONDS", "15"), "--checks", CHECKS, "--request-timeout", "10",
                 "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off"],
                env={**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(HERE),
                     "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=self.folder, capture_output=True, text=True, timeout=240)
            server.kill()
            server.join()
        print(done.stdout[-6000:])
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertIsNone(self.agent.poll(), "the agent has ended")
        self.assertEqual(self.request("GET", "/healthz"), (200, b"ok\n"))
        self.flexai("devices")


if __name__ == "__main__":
    agent_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(argv=[sys.argv[0], "Fuzz", *sys.argv[1:]], verbosity=2)
