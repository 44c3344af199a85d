"""API servers that lack something: older, without resource.k8s.io/v1, without shared cards. Each is a real one, told to be so. What of
ours cannot work there says what is missing, and ends or goes on without it.

usage: server_test.py BUILD [CASE...]
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from servers import ROOT, ControlPlane

BUILD = ""
DRA = "/apis/resource.k8s.io/v1"


class Case(unittest.TestCase):
    options = ""

    @classmethod
    def setUpClass(cls):
        os.environ["FLEXAI_API_SERVER"] = cls.options
        try:
            cls.plane = ControlPlane()
        finally:
            os.environ.pop("FLEXAI_API_SERVER")
        cls.addClassCleanup(cls.plane.down)
        cls.plane.kubectl("create", "namespace", "flexai-system")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fxs-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.place = pathlib.Path(folder.name)

    def ends(self, *words, seconds=30):
        """It ends by itself; what it says."""
        done = subprocess.run([f"{BUILD}/bin/{words[0]}", "--kubeconfig", self.plane.kubeconfig, *words[1:]], capture_output=True, text=True,
                              timeout=seconds, check=False)
        self.assertEqual(done.returncode, 1, done.stderr[-2000:])
        return [line for line in done.stderr.splitlines() if line.startswith(words[0] + ":")][-1]

    def agent(self):
        """The agent of a node that is an object, with this machine's cards."""
        self.plane.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "card"}}))
        log = open(self.place / "log", "w+", encoding="utf-8")  # noqa: closed below
        self.addCleanup(log.close)
        words = [f"{BUILD}/bin/flexaid", "--kubernetes", "--node", "card", "--kubeconfig", self.plane.kubeconfig, "--state", self.place / "state",
                 "--runtime", self.place / "run", "--lock-folder", self.place / "locks", "--plugin-registry", self.place / "registry",
                 "--plugin-folder", self.place / "plugins", "--cdi", self.place / "cdi"]
        for part in ("registry", "plugins", "cdi"):
            (self.place / part).mkdir()
        process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        return process

    def events(self, kind):
        done = subprocess.run([f"{BUILD}/bin/flexai", "events", "--json"], capture_output=True, text=True, check=False,
                              env={**os.environ, "FLEXAI_SOCKET": str(self.place / "run" / "flexai.sock")})
        return [one for one in map(json.loads, done.stdout.splitlines()) if one["kind"] == kind]

    def wait(self, what, seconds=60):
        end = time.monotonic() + seconds
        while not (found := what()):
            self.assertLess(time.monotonic(), end, (self.place / "log").read_text(encoding="utf-8", errors="replace")[-3000:])
            time.sleep(0.3)
        return found


class Older(Case):
    """1.35 is the last without shared cards by default; this one acts as it."""
    options = "--emulated-version=1.35"

    def test_hi_scheduler_and_webhook_end_and_say_why(self):
        said = self.ends("hi-scheduler", "--listen", "127.0.0.1:0")
        self.assertIn("which acts as 1.35, is too old: slices of cards need 1.36 or later; upgrade the cluster", said)
        self.plane.kubectl("apply", "-f", str(ROOT / "deploy/kustomize/webhook.yaml"))
        said = self.ends("flexai-webhook", "--port", "0")
        self.assertIn("which acts as 1.35, is too old: slices of cards need 1.36 or later; upgrade the cluster", said)


class Oldest(Case):
    """Without resource.k8s.io/v1 at all."""
    options = "--emulated-version=1.33 --feature-gates=DynamicResourceAllocation=false"

    def test_hi_scheduler_ends_and_says_why(self):
        self.assertIn("which acts as 1.33, is too old: slices of cards need 1.36 or later", self.ends("hi-scheduler", "--listen", "127.0.0.1:0"))

    def test_an_agent_goes_on_without_pods(self):
        process = self.agent()
        event = self.wait(lambda: self.events("server-too-old"))[0]
        self.assertIn("which acts as 1.33, is too old: cards need 1.34 or later; upgrade the cluster", event["message"])
        time.sleep(3)
        self.assertIsNone(process.poll(), "it has ended")
        self.assertEqual(len(self.events("server-too-old")), 1)


class WholeCards(Case):
    options = "--feature-gates=DRAConsumableCapacity=false"

    def test_an_agent_publishes_whole_cards_and_says_so(self):
        self.agent()
        slices = self.wait(lambda: json.loads(self.plane.kubectl("get", "resourceslices", "-o", "json"))["items"])
        event = self.wait(lambda: self.events("whole-cards-only"))[0]
        self.assertIn("slices need 1.36 or later with DRAConsumableCapacity", event["message"])
        devices = [device for one in json.loads(self.plane.kubectl("get", "resourceslices", "-o", "json"))["items"] for device in one["spec"]["devices"]]
        self.assertFalse([device for device in devices if "allowMultipleAllocations" in device])
        self.assertEqual(slices[0]["spec"]["driver"], "xpu.flexai.io")


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
