#!/usr/bin/env python3
"""End to end: the real agent, keeper and command line with fake cards (fake_probe.py) and a fake
program (attach_client.py). Each test has its own folder, so that tests run side by side.

agent_test.py BIN [unittest arguments]     BIN: folder of flexai, flexaid and flexai-keeper
"""
import http.client
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path()
CLIENT = str(HERE / "attach_client.py")
GIB = 1 << 30


def card(key, memory=8 * GIB, **more):
    return {"id": "fake", "key": key, "api": "fake", "vendor": "Acme", "model": "A1", "kind": "gpu",
            "memory_bytes": memory, **more}


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited in vain until {what}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("flexai", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class AgentCase(unittest.TestCase):
    cards = None  # drivers of the fake probe

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fxt-", dir="/tmp"))
        self.driver = self.folder / "libfakedriver.so"
        self.driver.write_bytes(b"x" * 4096)
        (self.folder / "inject").mkdir()
        (self.folder / "inject" / "fake.json").write_text(json.dumps(
            {"api": "fake", "set": {"FAKE_SET": "yes", "FAKE_LAYER": str(self.folder / "liblayer.so")},
             "prepend": {"FAKE_PATH": "layer"}}))
        (self.folder / "liblayer.so").write_bytes(b"y" * 4096)
        self.write_cards(self.cards or {"good": {"devices": [
            card("fake:A", driver_files=[str(self.driver)]), card("fake:B", 4 * GIB)]}})
        probe = self.folder / "flexai-probe-fake"
        probe.write_text(f"#!/bin/sh\nexec {sys.executable} {HERE}/fake_probe.py \"$@\"\n")
        probe.chmod(0o755)
        self.env = {**os.environ, "FAKE_CARDS": str(self.folder / "cards.json"),
                    "FLEXAI_SOCKET": str(self.folder / "run" / "flexai.sock")}
        self.agent = None
        self.children = []

    def tearDown(self):
        for child in self.children:
            try:
                os.killpg(child.pid, signal.SIGKILL)  # its program too
            except ProcessLookupError:
                pass
            child.communicate()
        self.stop_agent()
        if sys.exc_info()[0] or os.environ.get("FLEXAI_SHOW_LOG"):
            sys.stderr.write((self.folder / "log").read_text())
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_cards(self, drivers):
        (self.folder / "cards.json").write_text(json.dumps({"drivers": drivers}))

    def arguments(self, *more):
        return [str(BIN / "flexaid"), "--embedded", "--state", str(self.folder / "state"),
                "--runtime", str(self.folder / "run"), "--probe",
                str(self.folder / "flexai-probe-fake"), "--inject", str(self.folder / "inject"),
                "--lock-folder", str(self.folder / "locks"), "--idle-exit", "0",
                "--log", str(self.folder / "log"), *more]

    def start_agent(self, *more):
        reading, writing = os.pipe()
        self.agent = subprocess.Popen(
            self.arguments("--ready-fd", str(writing), *more), env=self.env, pass_fds=[writing],
            stderr=subprocess.PIPE, text=True)
        os.close(writing)
        with os.fdopen(reading) as ready:
            line = ready.readline().strip()
        self.assertEqual(line, "ready")

    def stop_agent(self, how=signal.SIGTERM):
        if self.agent is not None:
            self.agent.send_signal(how)
            self.agent.communicate()
            code, self.agent = self.agent.returncode, None
            return code

    def flexai(self, *arguments, code=0, **more):
        done = subprocess.run([str(BIN / "flexai"), *arguments], env=more.pop("env", self.env),
                              capture_output=True, text=True, timeout=more.pop("timeout", 60), **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        if code in (2, 3, 4, 5, 6, 7, 8):
            self.assertTrue(done.stderr.startswith("flexai: "), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, "an error is one line: " + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments):
        return json.loads(self.flexai(*arguments, "--json"))

    def start(self, *arguments, **more):
        child = subprocess.Popen([str(BIN / "flexai"), *arguments], env=self.env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 start_new_session=True, **more)
        self.children.append(child)
        return child

    def start_client(self, slices, *arguments):
        """A `flexai run` whose program has attached; returns it and what it said."""
        options = [o for s in slices for o in ("--slice", s)]
        child = self.start("run", *options, "--", CLIENT, *arguments)
        line = child.stdout.readline()
        self.assertTrue(line, "the program did not attach: " + (child.stderr.read() if not line else ""))
        return child, json.loads(line)

    def request(self, method, path, body=None, headers=None):
        connection = UnixConnection(self.env["FLEXAI_SOCKET"])
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()

    def names(self):
        return self.flexai("slice", "list", "--names").split()


class Slices(AgentCase):
    def test_create_list_set_show_delete(self):
        self.start_agent()
        devices = self.json("devices")["devices"]
        self.assertEqual([d["id"] for d in devices], ["fake-0", "fake-1"])
        self.flexai("slice", "create", "trainer", "--card", "fake-0", "--compute", "30%", "--memory",
                    "1GiB", "--qos", "elastic", "--ceiling", "80%", "--priority", "high")
        slice_ = self.json("slice", "show", "trainer")
        self.assertEqual((slice_["card"], slice_["compute_milli"], slice_["ceiling_milli"],
                          slice_["memory_bytes"], slice_["priority"]),
                         ("fake-0", 300, 800, GIB, "high"))
        self.flexai("slice", "set", "trainer", "--compute", "0.5", "--memory", "2GiB")
        slice_ = self.json("slice", "show", "trainer")
        self.assertEqual((slice_["compute_milli"], slice_["memory_bytes"]), (500, 2 * GIB))
        self.assertEqual(self.json("devices")["devices"][0]["granted_milli"], 500)
        self.assertIn("trainer", self.flexai("slice", "list"))
        self.assertIn("promised 50%", self.flexai("explain", "trainer"))
        self.flexai("slice", "delete", "trainer")
        self.assertEqual(self.names(), [])

    def test_errors_have_their_exit_codes_and_change_nothing(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "60%", "--memory", "1GiB")
        before = self.json("slice", "list")
        self.assertIn("40% compute left", self.flexai(
            "slice", "create", "b", "--card", "fake-0", "--compute", "41%", code=4))
        self.flexai("slice", "create", "b", "--card", "fake-0", "--compute", "1%", "--memory", "7.5GiB",
                    code=4)
        self.flexai("slice", "set", "a", "--compute", "50%", "--ceiling", "40%", code=2)
        self.flexai("slice", "create", "a", "--compute", "1%", code=8)
        self.flexai("slice", "create", "b", "--compute", "101%", code=2)
        self.flexai("slice", "create", "b", "--compute", "0.05%", code=2)
        self.flexai("slice", "create", "b", "--compute", "10%", "--memory", "9TiB", code=2)
        self.flexai("slice", "create", "b", "--compute", "10%", "--card", "nope", code=3)
        self.flexai("slice", "create", "B!", "--compute", "10%", code=2)
        self.flexai("slice", "create", "b", code=2)
        self.flexai("slice", "create", "b", "--qos", "fixed", "--compute", "10%", "--ceiling", "20%",
                    code=2)
        self.flexai("slice", "show", "nope", code=3)
        self.flexai("slice", "delete", "nope", code=3)
        self.flexai("explain", "nope", code=3)
        self.flexai("slice", "set", "a", code=2)
        self.flexai("nonsense", code=2)
        self.assertEqual(self.json("slice", "list"), before)
        self.stop_agent()
        self.flexai("devices", code=6)

    def test_besteffort_overbooks(self):
        self.start_agent()
        self.flexai("slice", "create", "all", "--card", "fake-0", "--compute", "100%", "--memory", "1GiB")
        self.flexai("slice", "create", "rest", "--card", "fake-0", "--qos", "besteffort", "--memory",
                    "1GiB")
        self.assertEqual(self.json("slice", "show", "rest")["compute_milli"], 0)
        self.assertIn("promised no compute", self.flexai(
            "slice", "create", "c", "--qos", "besteffort", "--compute", "10%", "--memory", "1MiB", code=2))
        self.assertIn("promised no compute", self.flexai("slice", "set", "rest", "--compute", "10%", code=2))
        self.flexai("slice", "set", "all", "--qos", "besteffort")  # what it was promised is free again
        self.assertEqual(self.json("slice", "show", "all")["compute_milli"], 0)
        self.flexai("slice", "create", "d", "--card", "fake-0", "--compute", "100%", "--memory", "1GiB")

    def test_survives_a_restart(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--compute", "30%", "--memory", "1GiB")
        before = self.json("slice", "list")
        self.assertEqual(self.stop_agent(), 0)
        self.start_agent()
        self.assertEqual(self.json("slice", "list"), before)
        self.stop_agent(signal.SIGKILL)
        self.start_agent()
        self.assertEqual(self.json("slice", "list"), before)

    def test_waits_in_line_for_room(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "80%", "--memory", "1GiB")
        waiting = self.start("slice", "create", "b", "--card", "fake-0", "--compute", "50%", "--memory",
                             "1GiB", "--wait")
        wait_until("it waits", lambda: b"waiting_requests 1" in self.request("GET", "/metrics")[1])
        self.flexai("slice", "create", "c", "--card", "fake-0", "--compute", "10%", code=4)
        self.flexai("slice", "create", "d", "--card", "fake-0", "--compute", "90%", "--wait",
                    "--wait-time", "1", code=7)
        self.flexai("slice", "delete", "a")
        self.assertEqual(waiting.wait(10), 0)
        self.assertEqual(self.names(), ["b"])

    def test_a_caller_that_hangs_up_leaves_the_line(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "80%", "--memory", "1GiB")
        waiting = self.start("slice", "create", "b", "--card", "fake-0", "--compute", "50%", "--wait")
        wait_until("it waits", lambda: b"waiting_requests 1" in self.request("GET", "/metrics")[1])
        waiting.kill()
        wait_until("it has left", lambda: b"waiting_requests 0" in self.request("GET", "/metrics")[1])
        self.flexai("slice", "delete", "a")
        self.assertEqual(self.names(), [])


class Runs(AgentCase):
    def test_passes_on_exit_code_signals_and_environment(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--compute", "10%")
        self.flexai("run", "--slice", "a", "--", "sh", "-c", "exit 77", code=77)
        self.flexai("run", "--slice", "a", "--", "sh", "-c", "kill -KILL $$", code=137)
        self.assertIn("not found", self.flexai("run", "--slice", "a", "--", "no-such-program", code=127))
        self.flexai("run", "--slice", "a", "--", str(self.driver), code=126)
        out = self.flexai("run", "--slice", "a", "--", "sh", "-c",
                          "echo $FAKE_SET $FAKE_PATH $FLEXAI_GRANT", env={**self.env, "FAKE_PATH": "old"})
        words = out.split()
        self.assertEqual(words[:2], ["yes", "layer:old"])
        self.assertRegex(words[2], "^[0-9a-f]{32}$")
        child = self.start("run", "--slice", "a", "--", "sh", "-c",
                           "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done")
        self.assertEqual(child.stdout.readline(), "up\n")
        child.terminate()
        self.assertEqual(child.wait(10), 9)

    def test_a_throw_away_slice_goes_with_its_program(self):
        self.start_agent()
        for _ in range(3):  # each needs the room of the last
            out = self.flexai("run", "--compute", "80%", "--memory", "2GiB", "--card", "fake-0", "--",
                              CLIENT)
            attached = json.loads(out)
            self.assertTrue(attached["sealed"], "the control page could be mapped writable")
            self.assertEqual(attached["slices"][0]["card_key"], "fake:A")
            self.assertEqual(self.names(), [])

    def test_a_throw_away_slice_goes_when_flexai_run_is_killed(self):
        self.start_agent()
        child = self.start("run", "--compute", "80%", "--", "sh", "-c", "echo up; sleep 1.5")
        self.assertEqual(child.stdout.readline(), "up\n")
        child.kill()
        time.sleep(0.6)
        self.assertEqual(len(self.names()), 1, "its program still runs")
        wait_until("the slice is gone", lambda: not self.names())

    def test_a_slice_can_be_deleted_right_after_its_program_ended(self):
        self.start_agent()
        for late in ("0", "0.02", "0.3"):
            self.flexai("slice", "create", "a", "--compute", "10%")
            self.flexai("run", "--slice", "a", "--", "sh", "-c", f"(sleep {late} &) ; exit 0")
            self.flexai("slice", "delete", "a")
        self.flexai("slice", "create", "a", "--compute", "10%")
        child = self.start("run", "--slice", "a", "--", "sh", "-c", "echo up; exec sleep 30")
        child.stdout.readline()
        begin = time.monotonic()
        self.assertIn("used by sleep (pid ", self.flexai("slice", "delete", "a", code=8))
        self.assertLess(time.monotonic() - begin, 0.9, "a run that goes on is not waited for")
        self.flexai("slice", "create", "b", "--compute", "10%")
        self.flexai("run", "--slice", "b", "--", "sh", "-c", "(sleep 5 >/dev/null 2>&1 &) ; exit 0")
        self.assertIn("used by sleep (pid ", self.flexai("slice", "delete", "b", code=8))

    def test_usage_errors(self):
        self.start_agent()
        self.flexai("run", "--", "true", code=2)
        self.flexai("run", "--compute", "10%", code=2)
        self.flexai("run", "--slice", "nope", "--", "true", code=3)
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "1%")
        self.flexai("slice", "create", "b", "--card", "fake-0", "--compute", "1%")
        self.flexai("run", "--slice", "a", "--compute", "1%", "--", "true", code=2)
        self.assertIn("one slice a card", self.flexai("run", "--slice", "a", "--slice", "b", "--", "true",
                                                      code=2))

    def test_nothing_runs_without_a_way_to_limit_it(self):
        (self.folder / "inject" / "fake.json").write_text(json.dumps(
            {"api": "fake", "prepend": {"LAYERS": "/nonexistent/layer.so"}}))
        self.start_agent()
        self.assertIn("/nonexistent/layer.so", self.flexai("run", "--compute", "10%", "--", "true", code=6))
        self.assertEqual(self.names(), [])

    def test_slices_of_two_cards_and_several_processes(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")
        self.flexai("slice", "create", "b", "--card", "fake-1", "--compute", "10%")
        first, one = self.start_client(["a", "b"], "--hold", "30")
        self.assertEqual([s["name"] for s in one["slices"]], ["a", "b"])
        second, two = self.start_client(["a"], "--hold", "30")
        self.assertNotEqual(one["slices"][0]["slot"], two["slices"][0]["slot"])
        self.assertEqual(len(self.json("slice", "show", "a")["processes"]), 2)
        self.assertEqual(self.flexai("slice", "delete", "a", code=8).count("(pid "), 2)
        os.kill(one["slices"][0]["pid"], signal.SIGKILL)
        self.assertEqual(first.wait(10), 137)
        wait_until("its slot is free", lambda: len(self.json("slice", "show", "a")["processes"]) == 1)
        third, three = self.start_client(["a"], "--hold", "30")
        self.assertEqual(three["slices"][0]["slot"], one["slices"][0]["slot"])

    def test_a_wrong_grant_or_api_gets_nothing(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--compute", "10%")
        out = self.flexai("run", "--slice", "a", "--", "env", "FLEXAI_GRANT=" + "0" * 32, CLIENT, code=1)
        child, line = self.start_client(["a"], "--api", "other")
        self.assertEqual(line["slices"], [])
        del out

    def test_a_program_that_becomes_another_starts_afresh(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--compute", "10%")
        child, first = self.start_client(["a"], "--exec", sys.executable, CLIENT, "--hold", "30")
        second = json.loads(child.stdout.readline())
        self.assertEqual(first["slices"][0]["pid"], second["slices"][0]["pid"])
        self.assertEqual(first["slices"][0]["slot"], second["slices"][0]["slot"], "the old slot was not reaped")

    def test_attach_socket_survives_rubbish(self):
        self.start_agent()
        for rubbish in (b"", b"x", b"x" * 320, b"\x31\x41\x58\x46" + b"\1\0\0\0" + b"\xff" * 312,
                        b"y" * 100000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(str(self.folder / "run" / "attach.sock"))
                if rubbish:
                    s.send(rubbish)
                    s.settimeout(5)
                    s.recv(1000)
        self.flexai("devices")


class Restart(AgentCase):
    def test_killed_agent_comes_back_and_programs_keep_their_slots(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")
        child, first = self.start_client(["a"], "--map", str(self.driver), "--hold", "60")
        dead, _ = self.start_client(["a"], "--hold", "60")
        self.stop_agent(signal.SIGKILL)
        dead_pid = _["slices"][0]["pid"]
        os.kill(dead_pid, signal.SIGKILL)  # while nobody watches
        dead.wait(10)
        self.start_agent()
        again = json.loads(child.stdout.readline())
        self.assertEqual(again["slices"], first["slices"], "another slot after the restart")
        self.assertEqual(self.json("slice", "show", "a")["processes"], [first["slices"][0]["pid"]])
        self.assertEqual(self.json("top", "--once")["slices"][0]["processes"], 1)
        third, other = self.start_client(["a"], "--hold", "60")
        self.assertNotEqual(other["slices"][0]["slot"], first["slices"][0]["slot"])
        time.sleep(1.5)
        self.assertIsNone(child.poll(), "the watchdog stopped a program that had attached again")

    def test_programs_that_end_while_no_agent_runs_are_forgotten(self):
        self.start_agent()
        child = self.start("run", "--compute", "30%", "--", CLIENT, "--hold", "60")
        child.stdout.readline()
        self.stop_agent(signal.SIGKILL)
        child.terminate()
        child.wait(10)
        self.start_agent()
        wait_until("the throw-away slice is gone", lambda: not self.names())


    def test_a_killed_keeper_is_replaced_and_holds_everything_again(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")
        child, first = self.start_client(["a"], "--hold", "60")
        state = str(self.folder / "state")
        keepers = [int(p) for p in os.listdir("/proc") if p.isdigit() and self.is_keeper(p, state)]
        self.assertEqual(len(keepers), 1)
        os.kill(keepers[0], signal.SIGKILL)
        wait_until("it is replaced", lambda: "keeper-lost" in self.flexai("events"))
        self.stop_agent(signal.SIGKILL)
        self.start_agent()
        again = json.loads(child.stdout.readline())
        self.assertEqual(again["slices"], first["slices"])

    @unittest.skipUnless(os.environ.get("FLEXAI_FULL"), "waits for a minute; FLEXAI_FULL=1")
    def test_an_agent_that_never_comes_back_leaves_nothing(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "10%")
        child, _ = self.start_client(["a"], "--hold", "100")
        state = str(self.folder / "state")
        self.stop_agent(signal.SIGKILL)
        keepers = lambda: [p for p in os.listdir("/proc") if p.isdigit() and self.is_keeper(p, state)]
        time.sleep(70)
        self.assertEqual(len(keepers()), 1, "a program of the slice still runs")
        os.killpg(child.pid, signal.SIGKILL)  # its program too
        wait_until("the keeper has ended", lambda: not keepers(), 80)

    @staticmethod
    def is_keeper(pid, state):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            return False
        return "flexai-keeper" in words[0] and state in words


class Ownership(AgentCase):
    def test_two_agents_on_one_state_folder_or_card(self):
        self.start_agent()
        second = subprocess.run(self.arguments(), env=self.env, capture_output=True, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"pid {self.agent.pid}", second.stderr)
        other = self.folder / "other"
        third = subprocess.Popen(self.arguments("--state", str(other / "state"), "--runtime",
                                                str(other / "run")), env=self.env)
        try:
            sock = str(other / "run" / "flexai.sock")
            wait_until("it serves", lambda: os.path.exists(sock))
            env = {**self.env, "FLEXAI_SOCKET": sock}
            devices = json.loads(self.flexai("devices", "--json", env=env))["devices"]
            self.assertFalse(devices[0]["healthy"])
            self.assertIn(f"pid {self.agent.pid}", devices[0]["health"])
            self.assertIn(self.env["FLEXAI_SOCKET"], devices[0]["health"])
            self.flexai("slice", "create", "x", "--compute", "10%", env=env, code=6)
            self.stop_agent()
            self.flexai("slice", "create", "x", "--compute", "10%", env=env)  # free now
        finally:
            third.terminate()
            third.wait()

    def test_a_killed_agents_cards_stay_locked_for_its_successor(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--compute", "10%")
        child, _ = self.start_client(["a"], "--hold", "60")
        self.stop_agent(signal.SIGKILL)
        other = self.folder / "other"
        thief = subprocess.Popen(self.arguments("--state", str(other / "state"), "--runtime",
                                                str(other / "run")), env=self.env)
        try:
            sock = str(other / "run" / "flexai.sock")
            wait_until("it serves", lambda: os.path.exists(sock))
            devices = json.loads(self.flexai("devices", "--json",
                                             env={**self.env, "FLEXAI_SOCKET": sock}))["devices"]
            self.assertFalse(devices[0]["healthy"])
        finally:
            thief.terminate()
            thief.wait()
        self.start_agent()
        self.assertTrue(self.json("devices")["devices"][0]["healthy"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_others_may_look_but_not_change(self):
        self.start_agent()
        os.chmod(self.folder, 0o755)
        os.chmod(self.folder / "run", 0o755)
        for name in ("flexai.sock", "attach.sock"):
            os.chmod(self.folder / "run" / name, 0o666)
        self.flexai("slice", "create", "roots", "--compute", "10%")
        body = 'import http.client,socket,sys,os\nos.setuid(12345)\n' \
               's=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n' \
               'c=http.client.HTTPConnection("x"); c.sock=s\n' \
               'c.request(sys.argv[2],sys.argv[3],sys.argv[4] if len(sys.argv)>4 else None)\n' \
               'r=c.getresponse(); print(r.status, r.read().decode())\n'

        def other(*words):
            return subprocess.run([sys.executable, "-c", body, self.env["FLEXAI_SOCKET"], *words],
                                  capture_output=True, text=True).stdout
        self.assertTrue(other("GET", "/v1/slices").startswith("200"))
        self.assertTrue(other("DELETE", "/v1/slices/roots").startswith("403"))
        self.assertTrue(other("PATCH", "/v1/slices/roots", '{"compute_milli":1}').startswith("403"))
        self.assertTrue(other("POST", "/v1/runs", '{"slices":["roots"]}').startswith("403"))
        self.assertTrue(other("POST", "/v1/slices", '{"name":"own","compute_milli":10}').startswith("201"))
        self.assertEqual(self.json("slice", "show", "own")["owner_uid"], 12345)
        self.assertTrue(other("DELETE", "/v1/slices/own").startswith("200"))


class State(AgentCase):
    def fails(self, *more):
        done = subprocess.run(self.arguments(*more), env=self.env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_a_damaged_checkpoint_is_refused_with_a_way_out(self):
        self.start_agent()
        self.flexai("slice", "create", "a", "--compute", "10%")
        self.stop_agent()
        path = self.folder / "state" / "state.db"
        path.write_bytes(b"rubbish" * 1000)
        self.assertIn("--reset-state", self.fails())
        self.assertEqual(path.read_bytes(), b"rubbish" * 1000, "refused means untouched")
        self.start_agent("--reset-state")
        self.assertEqual(self.names(), [])
        self.flexai("slice", "create", "a", "--compute", "10%")
        self.assertTrue((self.folder / "state" / "state.db.aside-1").exists())

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount")
    def test_a_full_disk_is_a_clear_error_and_changes_nothing(self):
        state = self.folder / "small"
        state.mkdir(mode=0o700)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "none", str(state)],
                          capture_output=True).returncode:
            self.skipTest("cannot mount a tmpfs here")
        try:
            self.start_agent("--state", str(state))
            self.flexai("slice", "create", "a", "--compute", "10%")
            with open(state / "ballast", "wb", buffering=0) as f:
                try:
                    while True:
                        f.write(b"x" * 4096)
                except OSError:
                    pass
            failed = None
            for i in range(200):
                done = subprocess.run([str(BIN / "flexai"), "slice", "create", f"s{i}", "--compute", "0.1%"],
                                      env=self.env, capture_output=True, text=True)
                if done.returncode:
                    failed = done
                    break
            self.assertIsNotNone(failed)
            self.assertEqual(failed.returncode, 4)
            self.assertIn("space", failed.stderr)
            before = self.names()
            self.assertEqual(len(before), i + 1)
            self.flexai("slice", "set", "a", "--compute", "20%", code=4)
            self.assertEqual(self.json("slice", "show", "a")["compute_milli"], 100)
            self.stop_agent(signal.SIGKILL)
            (state / "ballast").unlink()
            self.start_agent("--state", str(state))
            self.assertEqual(self.names(), before)
        finally:
            self.stop_agent()
            time.sleep(0.1)
            subprocess.run(["umount", "-l", str(state)])


class Embedded(AgentCase):
    def setUp(self):
        super().setUp()
        # An installation of its own: the agent the command line starts has our probe beside it.
        self.prefix = self.folder / "prefix"
        (self.prefix / "bin").mkdir(parents=True)
        (self.prefix / "share" / "flexai").mkdir(parents=True)
        for name in ("flexai", "flexaid", "flexai-keeper"):
            shutil.copy(BIN / name, self.prefix / "bin" / name)
        shutil.copy(self.folder / "flexai-probe-fake", self.prefix / "bin")
        shutil.copytree(self.folder / "inject", self.prefix / "share" / "flexai" / "inject")
        for name in ("run", "xdg"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        del self.env["FLEXAI_SOCKET"]
        self.env.update(XDG_RUNTIME_DIR=str(self.folder / "xdg"), XDG_STATE_HOME=str(self.folder / "st"))
        # Keys of this test only: the host-wide locks are real ones here.
        key = f"test:{self.folder}"
        self.write_cards({"good": {"devices": [card(key)]}})

    def command(self, *arguments):
        return subprocess.run([str(self.prefix / "bin" / "flexai"), *arguments], env=self.env,
                              capture_output=True, text=True, timeout=60)

    def agent_pid(self):
        return json.loads(self.command("version", "--json").stdout)["agent"]["pid"]

    def tearDown(self):
        try:
            os.kill(self.agent_pid(), signal.SIGTERM)
        except (KeyError, ProcessLookupError):
            pass
        super().tearDown()

    def test_the_first_command_starts_an_agent_and_the_next_finds_it(self):
        self.assertNotIn("agent", json.loads(self.command("version", "--json").stdout))
        first = self.command("run", "--compute", "50%", "--", CLIENT)
        self.assertEqual(first.returncode, 0, first.stderr)
        pid = self.agent_pid()
        self.assertEqual(self.command("devices").returncode, 0)
        self.assertEqual(self.agent_pid(), pid)
        self.assertEqual(os.stat(self.folder / "xdg" / "flexai").st_mode & 0o777, 0o700)

    def test_several_commands_at_once_start_one_agent(self):
        commands = [subprocess.Popen([str(self.prefix / "bin" / "flexai"), "devices", "--json"], env=self.env,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                    for _ in range(4)]
        for one in commands:
            out, err = one.communicate(timeout=60)
            self.assertEqual(one.returncode, 0, err)
            self.assertTrue(json.loads(out)["devices"][0]["healthy"], out)

    def test_a_foreign_runtime_folder_is_refused(self):
        (self.folder / "xdg" / "flexai").symlink_to("/tmp")
        refused = self.command("devices")
        self.assertEqual(refused.returncode, 6)
        self.assertIn("is not a folder", refused.stderr)


class IdleExit(AgentCase):
    def test_leaves_when_nobody_needs_it_but_not_before(self):
        self.start_agent("--idle-exit", "1")
        self.flexai("slice", "create", "a", "--compute", "10%")
        time.sleep(2.5)
        self.assertIsNone(self.agent.poll(), "it left although there is a slice")
        self.flexai("slice", "delete", "a")
        self.agent.wait(15)
        self.assertEqual(self.agent.returncode, 0)
        self.agent.communicate()
        self.agent = None
        self.assertFalse((self.folder / "run" / "flexai.sock").exists())


class Interface(AgentCase):
    cards = {"good": {"devices": [card("fake:A", vendor="Ac\u00fcme \"x\"")]}, "bad": {"crash": True},
             "odd": {"text": "not json"}}

    def setUp(self):
        super().setUp()
        self.start_agent()

    def test_hostile_requests_get_an_error_and_do_no_harm(self):
        deep = b"[" * 100000
        for method, path, body, headers in [
                ("POST", "/v1/slices", b"not json", {}),
                ("POST", "/v1/slices", deep, {}),
                ("POST", "/v1/slices", b"[]", {}),
                ("POST", "/v1/slices", b'{"name":"x","compute_milli":10,"surprise":1}', {}),
                ("POST", "/v1/slices", b'{"name":"x","compute_milli":-1}', {}),
                ("POST", "/v1/slices", b'{"name":"x","compute_milli":1e300}', {}),
                ("POST", "/v1/slices", b'{"name":"x","compute_milli":10,"owner_uid":0}', {}),
                ("POST", "/v1/slices", b'{"name":"x","compute_milli":10,"memory_bytes":18446744073709551615}', {}),
                ("POST", "/v1/slices?wait=banana", b'{"name":"x","compute_milli":10}', {}),
                ("POST", "/v1/slices", b"x" * (2 << 20), {}),
                ("POST", "/v1/slices", b"--b\r\n", {"Content-Type": "multipart/form-data; boundary=b"}),
                ("POST", "/v1/runs", b"{}", {}),
                ("POST", "/v1/runs", b'{"slices":[],"slice":{}}', {}),
                ("POST", "/v1/runs", b'{"slices":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q"]}', {}),
                ("GET", "/v1/slices/" + "x" * 7000, None, {}),
                ("GET", "/v1/slices/%00%ff", None, {}),
                ("GET", "/v1/runs/99999999999999999999", None, {}),
                ("GET", "/v1/events?since=-1", None, {}),
                ("GET", "/v1/nothing", None, {}),
                ("DELETE", "/v1/devices", None, {}),
                ("PUT", "/v1/slices", b"{}", {})]:
            try:
                status, text = self.request(method, path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                continue  # hung up on a body that was too large
            self.assertIn(status, (400, 404, 405, 413, 414, 415), (method, path[:60], status, text[:200]))
            error = json.loads(text)["error"]
            self.assertTrue(error["code"] and error["message"])
        status, _ = self.request("GET", "/v1/devices", headers={"Range": "bytes=" + "0-1," * 2000})
        self.assertIn(status, (200, 206, 400, 416))
        self.assertEqual(self.names(), [])

    def test_raw_rubbish_does_no_harm(self):
        for rubbish in (b"\0" * 5000, b"GET", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000,
                        b"POST /v1/slices HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nx",
                        b"POST /v1/slices HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nx"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.env["FLEXAI_SOCKET"])
                try:
                    s.sendall(rubbish)
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(15)
                    s.recv(1000)
                except OSError:
                    pass
        self.flexai("devices")

    def test_broken_drivers_are_listed_with_their_reason(self):
        devices = {d["id"]: d for d in self.json("devices")["devices"]}
        self.assertTrue(devices["fake-0"]["healthy"])
        self.assertIn("signal 11", devices["bad-0"]["health"])
        self.assertIn("JSON", devices["odd-0"]["health"])
        self.flexai("slice", "create", "x", "--card", "bad-0", "--compute", "1%", code=6)

    def test_routes_are_those_of_the_description(self):
        with open(HERE.parents[2] / "docs" / "api" / "openapi.json") as f:
            described = {(m.upper(), p) for p, methods in json.load(f)["paths"].items()
                         for m in methods if m != "parameters"}
        for method, path in described:
            concrete = path.replace("{name}", "nobody").replace("{id}", "999")
            status, text = self.request(method, concrete, b"{" if method in ("POST", "PATCH") else None)
            self.assertNotEqual(status, 405, (method, path))
            self.assertNotIn(b"no such path", text, (method, path))
        source = (HERE.parents[2] / "agent" / "api.cc").read_text()
        import re
        served = set(re.findall(r'\{"([A-Z]+)", "([^"]+)"', source))
        self.assertEqual(served, described)

    def test_metrics_and_agent_facts(self):
        self.flexai("slice", "create", "a", "--card", "fake-0", "--compute", "25%", "--memory", "1GiB")
        text = self.request("GET", "/metrics")[1].decode()
        self.assertRegex(text, r'flexai_slice_memory_limit_bytes\{slice="a"[^}]*\} 1073741824')
        self.assertRegex(text, r'flexai_card_core_allocated_ratio\{card="fake-0"[^}]*\} 0.25')
        agent = json.loads(self.request("GET", "/v1/agent")[1])
        self.assertEqual((agent["pid"], agent["form"], agent["slices"]), (self.agent.pid, "embedded", 1))
        self.assertEqual(self.request("GET", "/healthz"), (200, b"ok\n"))

    def test_events_can_be_waited_for(self):
        follow = self.start("events", "--follow", "--json")
        self.assertEqual(json.loads(follow.stdout.readline())["kind"], "agent-started")
        self.flexai("slice", "create", "a", "--compute", "1%")
        self.assertEqual(json.loads(follow.stdout.readline())["kind"], "slice-created")
        begin = time.monotonic()
        self.assertEqual(self.stop_agent(), 0)
        self.assertLess(time.monotonic() - begin, 8, "a caller that waits held up the stop")

    def test_top_fits_the_terminal(self):
        import fcntl
        import struct
        import termios
        for i in range(30):
            self.flexai("slice", "create", f"slice-with-a-long-name-{i}", "--compute", "1%", "--memory", "1MiB")
        for columns, rows in ((20, 5), (80, 24), (300, 60)):
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            top = subprocess.Popen([str(BIN / "flexai"), "top"], env=self.env, stdout=slave)
            time.sleep(0.5)
            top.terminate()
            top.wait()
            os.close(slave)
            text = b""
            try:
                while chunk := os.read(master, 65536):
                    text += chunk
            except OSError:
                pass
            os.close(master)
            frame = text.decode().split("\x1b[H")[1].split("\x1b[J")[0]
            lines = [l.replace("\x1b[K", "") for l in frame.split("\r\n")]
            self.assertLessEqual(len(lines), rows)
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertTrue(any("fake-0" in l for l in lines), lines)

    def test_generated_texts_know_every_command(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.flexai("completion", shell)
            for word in ("devices", "run", "slice", "create", "explain", "ceiling", "priority"):
                self.assertIn(word, script)
        bash = self.flexai("completion", "bash")
        checked = subprocess.run(
            ["bash", "-c", bash + "\nCOMP_WORDS=(flexai slice cr); COMP_CWORD=2; _flexai; echo ${COMPREPLY[*]}\n"
             "COMP_WORDS=(flexai slice create x --qo); COMP_CWORD=4; _flexai; echo ${COMPREPLY[*]}\n"
             "COMP_WORDS=(flexai run --qos f); COMP_CWORD=3; _flexai; echo ${COMPREPLY[*]}"],
            capture_output=True, text=True)
        self.assertEqual(checked.stdout.split("\n")[:3], ["create", "--qos", "fixed"], checked.stderr)
        page = self.flexai("man")
        self.assertIn(".SS flexai slice create", page)
        self.assertIn("ceiling", page)
        for command in (["--help"], ["run", "--help"], ["slice", "create", "--help"]):
            self.assertIn("Ex" if len(command) > 1 else "Exit codes", self.flexai(*command))


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
