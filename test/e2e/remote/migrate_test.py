"""Slices whose programs go on at another host, while they run.

usage: migrate_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time

from cases import expect, run_cases
from group import TRAIN, Group, free_port, wait_until
from network_test import card_gone, counted, end, say

LAUNCHES = 12000


class Second(Group):
    """Another card's host of the same group."""

    def __init__(self, first, *options):
        self.build, self.home, self.env = first.build, first.home, first.env
        self.place = first.place / "second"
        self.place.mkdir()
        first.enroll("gpu2", "--address", "127.0.0.1")
        self.port = free_port()
        self.options = [*options, "--listen", f"127.0.0.1:{self.port}", "--pki", str(first.place / "gpu2")]
        self.card_env = {**first.card_env, "FLEXAI_SOCKET": str(self.place / "run" / "flexai.sock")}
        self.log = open(self.place / "log", "a+")  # noqa: closed with the group
        self.agent = None

    def __exit__(self, *_):
        for one in self.sessions() if self.agent else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["worker"], signal.SIGKILL)
        self.stop()
        self.log.close()


class Tests:
    def __init__(self, build):
        self.build = build

    @contextlib.contextmanager
    def two(self, *options):
        with Group(self.build) as first, Second(first, *options) as second:
            yield first, second

    @staticmethod
    def at_work(group):
        name = group.working()["slices"][0]
        wait_until("it has memory", lambda: next(s["memory_used_bytes"] for s in group.here("top", "--once")["slices"]
                                                 if s["name"] == name) > 0)
        return name

    def migrate(self, a, b, name=None):
        """Afterwards the session is listed there, and nothing of it is left here."""
        told = a.here("slice", "migrate", name or self.at_work(a), "--to", b.host())
        expect(told["moved_bytes"] > 0 and told["sessions"] == 1, str(told))
        a.nothing_left(5)
        there = b.sessions()
        expect(len(there) == 1 and there[0]["host"] == "desk" and there[0]["slices"] == [told["slice"]], str(there))
        return told

    def refused(self, a, b, words, *more):
        name = self.at_work(a)
        done = a.cli("slice", "migrate", name, "--to", b if isinstance(b, str) else b.host(), *more, env=a.card_env)
        expect(done.returncode != 0 and words in done.stderr, done.stdout + done.stderr)

    @staticmethod
    def finished(program, launches=LAUNCHES, seconds=100):
        out, errors = program.communicate(timeout=seconds)
        expect(program.returncode == 0 and counted(launches) in out, f"exit {program.returncode}: {out}{errors}")

    def case_counter(self):
        """Every command of a program runs exactly once, when it moves there and back."""
        with self.two() as (first, second):
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            told = self.migrate(first, second)
            time.sleep(0.3)
            self.migrate(second, first)
            time.sleep(0.3)
            self.migrate(first, second)
            self.finished(program)
            second.nothing_left(5)
            return f"{told['moved_bytes']} bytes, {told['took_ms']:.0f} ms"

    def there_and_back(self, *options):
        with self.two() as (first, second):
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300", *options)
            self.migrate(first, second)
            time.sleep(0.3)
            self.migrate(second, first)
            self.finished(program)
            first.nothing_left(5)

    def case_recorded(self):
        """Command buffers are recorded anew there, and do what they did."""
        self.there_and_back("--recorded", "1")

    def case_parted(self):
        """A card that the program has parted is parted there in the same way."""
        self.there_and_back("--part", "1")

    # Programs of the card's own host.

    @staticmethod
    def own(group, command, *more):
        words = [group.tool("flexai"), "run", "--isolation", "served", *(more or ("--compute", "50%", "--memory", "256MiB")), "--", *command]
        return subprocess.Popen(words, env=group.card_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def sent_away(self, a, b):
        told = a.here("slice", "migrate", self.at_work(a), "--to", b.host())
        wait_until("nothing of it is left here", lambda: not a.sessions() and not a.slices(), 5)
        there = b.sessions()
        expect(len(there) == told["sessions"] and all(one["host"] == "gpu1" for one in there), str(there))
        return told

    def counting(self, group, *more):
        return [group.tool("opencl-counter"), "--launches", str(LAUNCHES), "--pause-us", "300", *more]

    def case_own(self):
        """A program of the card's host goes on at another one, comes back, and goes there once more."""
        with self.two() as (first, second):
            program = self.own(first, self.counting(first))
            told = self.sent_away(first, second)
            time.sleep(0.3)
            second.here("slice", "migrate", second.sessions()[0]["slices"][0], "--to", first.host())
            second.nothing_left(5)
            time.sleep(0.3)
            first.here("slice", "migrate", first.sessions()[0]["slices"][0], "--to", second.host())
            self.finished(program)
            second.nothing_left(5)
            first.nothing_left(5)
            return f"{told['moved_bytes']} bytes, {told['took_ms']:.0f} ms"

    def case_own_slice(self):
        """A slice with a name stays, empty; more processes of the program find their card where it is now."""
        with self.two() as (first, second):
            first.here("slice", "create", "trainer", "--compute", "50%", "--memory", "256MiB")
            line = " ".join(self.counting(first))
            program = self.own(first, ["sh", "-c", f"{line}; {line.replace(str(LAUNCHES), '200')}"], "--slice", "trainer")
            self.at_work(first)
            first.here("slice", "migrate", "trainer", "--to", second.host())
            wait_until("its workers have ended", lambda: not first.sessions(), 5)
            wait_until("its memory is free", lambda: first.here("top", "--once")["slices"][0]["memory_used_bytes"] == 0, 5)
            other = self.own(first, [first.tool("opencl-counter"), "--launches", "100"], "--slice", "trainer")
            out, errors = other.communicate(timeout=60)
            expect(other.returncode == 0 and counted(100) in out, out + errors)
            out, errors = program.communicate(timeout=100)
            expect(program.returncode == 0 and counted(LAUNCHES) in out and counted(200) in out, out + errors)
            second.nothing_left(5)
            first.here("slice", "delete", "trainer")

    def case_own_agent(self):
        """The agent of the program's host is killed and comes back: the program, and what comes after it, do not notice."""
        with self.two() as (first, second):
            line = " ".join(self.counting(first))
            program = self.own(first, ["sh", "-c", f"{line}; {line.replace(str(LAUNCHES), '200')}"])
            self.sent_away(first, second)
            first.stop(signal.SIGKILL)
            time.sleep(1)
            first.start()
            out, errors = program.communicate(timeout=100)
            expect(program.returncode == 0 and counted(LAUNCHES) in out and counted(200) in out, out + errors)
            second.nothing_left(5)
            first.nothing_left(5)

    def case_own_killed(self):
        """A program that is killed leaves nothing at either host."""
        with self.two() as (first, second):
            program = self.own(first, self.counting(first))
            self.sent_away(first, second)
            subprocess.run(["pkill", "-KILL", "-P", str(program.pid)], check=False)
            program.communicate(timeout=30)
            second.nothing_left(5)

    def case_training(self):
        """The losses of a training that has moved are those of one that has not."""
        with self.two() as (first, second):
            native = subprocess.run([*TRAIN, "--steps", "300"], env=first.card_env, capture_output=True, text=True, timeout=200, check=False)
            program = first.popen([*TRAIN, "--steps", "300"])
            self.at_work(first)
            time.sleep(1)
            told = self.migrate(first, second)
            time.sleep(1)
            if program.poll() is None:
                self.migrate(second, first)
            out, errors = program.communicate(timeout=200)
            expect(program.returncode == 0, errors[-300:])
            expect(json.loads(out)["losses"] == json.loads(native.stdout)["losses"], "other losses")
            return f"{told['moved_bytes']} bytes, {told['took_ms']:.0f} ms"

    def case_cut(self):
        """Cuts while it moves, of the way to the old host and of the way to the new one."""
        with self.two() as (first, second):
            near, far = first.relay(), second.relay()
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300", port=near.port)
            name = self.at_work(first)
            stop = threading.Event()

            def cut():
                while not stop.wait(0.05):
                    for relay in (near, far):
                        say(relay, "cut")
            cutter = threading.Thread(target=cut)
            cutter.start()
            done = None
            for _ in range(20):
                done = first.cli("slice", "migrate", name, "--to", first.host(far.port), env=first.card_env)
                if done.returncode == 0:
                    break
            stop.set()
            cutter.join()
            expect(done.returncode == 0, done.stderr)
            self.finished(program)
            for relay in (near, far):
                relay.kill()
                relay.wait()

    def case_no_room(self):
        """Where there is no room it is refused, and the program works on here."""
        with self.two() as (first, second):
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            card = second.here("devices")["devices"][0]
            second.here("slice", "create", "other", "--compute", "10%", "--memory", str(card["free_memory_bytes"] - (1 << 20)))
            self.refused(first, second, "memory left to promise")
            expect([s["name"] for s in second.slices()] == ["other"], "something of it stayed there")
            second.here("slice", "delete", "other")
            self.migrate(first, second)
            self.finished(program)

    def case_other_card(self):
        """Another card is refused, and the difference is named."""
        with Group(self.build) as first:
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            fake = first.place / "flexai-probe-opencl"
            fake.write_text(f"#!/bin/sh\n{os.path.abspath(first.tool('flexai-probe-opencl'))} \"$@\" | "
                            "sed -E 's/\"driver_version\": ?\"[^\"]*\"/\"driver_version\":\"0.1\"/'\n")
            fake.chmod(0o755)
            with Second(first, "--probe", str(fake)) as second:
                self.refused(first, second, "driver version is \"0.1\" here")
                expect(not second.slices() and not second.sessions(), "something stayed there")
            self.finished(program)

    def case_words(self):
        """What cannot be moved, and where to, is said."""
        with Group(self.build) as first:
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            self.refused(first, f"127.0.0.1:{free_port()}", "is flexaid --listen running there?")
            here = subprocess.Popen([first.tool("flexai"), "run", "--isolation", "served", "--compute", "10%", "--memory", "64MiB", "--",
                                     first.tool("opencl-counter"), "--launches", "100000", "--pause-us", "300"], env=first.card_env,
                                    stdout=subprocess.DEVNULL)
            wait_until("it works", lambda: sum(s["attached"] for s in first.sessions()) == 2)
            name = next(s["slices"][0] for s in first.sessions() if not s["host"])
            done = first.cli("slice", "migrate", name, "--to", "gpu2", env=first.card_env)
            expect(done.returncode != 0 and "is flexaid --listen running there?" in done.stderr, done.stderr)
            end(here)
            first.here("slice", "create", "idle", "--compute", "10%", "--memory", "64MiB")
            done = first.cli("slice", "migrate", "idle", "--to", "gpu2", env=first.card_env)
            expect(done.returncode != 0 and "make a slice there instead" in done.stderr, done.stderr)
            first.here("slice", "delete", "idle")
            self.finished(program)

    def moving(self, first, second, delay):
        name = self.at_work(first)
        moving = subprocess.Popen([first.tool("flexai"), "slice", "migrate", name, "--to", second.host()], env=first.card_env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        return moving

    def agent_killed(self, which):
        with self.two() as hosts:
            first, second = hosts
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "1500")
            for i in range(5):
                if not first.sessions():
                    break
                moving = self.moving(first, second, 0.05 + 0.12 * i)
                hosts[which].stop(signal.SIGKILL)
                hosts[which].start()
                moving.wait(60)
                time.sleep(0.3)
            self.finished(program)

    def case_destination_agent_killed(self):
        """Killed at any moment, the other agent takes nothing with it: the program works on, here or there."""
        self.agent_killed(1)

    def case_source_agent_killed(self):
        """Killed at any moment, our agent takes nothing with it."""
        self.agent_killed(0)

    def case_source_worker_killed(self):
        """Its worker dies in the middle: the program is told at once, or goes on there; nothing hangs, nothing stays."""
        with self.two() as (first, second):
            for delay in (0.1, 0.3, 0.5):
                program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300")
                worker = first.working()["worker"]
                moving = self.moving(first, second, delay)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                out, errors = program.communicate(timeout=60)
                moving.wait(60)
                expect(program.returncode in (0, 3), f"exit {program.returncode}: {out}{errors}")
                expect(program.returncode == 3 or counted(LAUNCHES) in out, out)
                first.nothing_left(10)
                second.nothing_left(40)

    def case_ended(self):
        """A program that is killed after it has moved leaves nothing there."""
        with self.two() as (first, second):
            program = first.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            self.migrate(first, second)
            end(program)
            second.nothing_left(5)


if __name__ == "__main__":
    run_cases(Tests)
