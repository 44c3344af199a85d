"""Slices that are paused, and whose memory leaves the card, under running programs.

usage: move_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import contextlib
import json
import signal
import sqlite3
import subprocess
import time

from cases import expect, run_cases
from group import TRAIN, Group, wait_until
from network_test import counted, end

LAUNCHES = 12000


class Tests:
    def __init__(self, build):
        self.build = build

    @staticmethod
    def used(group, name):
        return next(s["memory_used_bytes"] for s in group.here("top", "--once")["slices"] if s["name"] == name)

    def at_work(self, group):
        """The name of the slice in which a program has memory."""
        name = group.working()["slices"][0]
        wait_until("it has memory", lambda: self.used(group, name) > 0)
        return name

    @staticmethod
    def residency(group, name):
        return next(s["residency"] for s in group.slices() if s["name"] == name)

    @staticmethod
    def free(group):
        return group.here("devices")["devices"][0]["free_memory_bytes"]

    def swap(self, group, name, to):
        """There and back; while it is away nothing of it is on the card, and the card's memory is free for others."""
        free = self.free(group)
        told = group.here("slice", "swap", name, "--to", to)
        expect(told["residency"] == to and told["moved_bytes"] > 0, str(told))
        wait_until("nothing is left on the card", lambda: self.used(group, name) == 0, 5)
        expect(self.free(group) == free + told["memory_bytes"], "its memory is not free for others")
        expect("swapped out" in group.cli("run", "--slice", name, "--", "true", env=group.card_env).stderr, "a program came in")
        back = group.here("slice", "resume", name)
        expect(back["residency"] == "card" and back["moved_bytes"] == told["moved_bytes"], f"{told} {back}")
        return told, back

    def counts_all(self, program):
        out, errors = program.communicate(timeout=100)
        expect(program.returncode == 0 and counted(LAUNCHES) in out, f"{out}{errors}")

    def case_counter(self):
        """Every command of a program runs exactly once, however often its memory goes and comes."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            name = self.at_work(group)
            for to in ("memory", "disk", "memory"):
                self.swap(group, name, to)
                time.sleep(0.2)
            self.counts_all(program)

    def case_recorded(self):
        """Command buffers name memory that was away, and do what they did."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "300", "--recorded", "1")
            name = self.at_work(group)
            for to in ("memory", "disk", "memory"):
                self.swap(group, name, to)
                time.sleep(0.2)
            self.counts_all(program)

    def case_training(self):
        """The losses of a training that was paused and swapped are those of one that was not."""
        with Group(self.build) as group:
            native = subprocess.run([*TRAIN, "--steps", "300"], env=group.card_env, capture_output=True, text=True, timeout=200, check=False)
            program = group.popen([*TRAIN, "--steps", "300"])
            name = self.at_work(group)
            time.sleep(1)
            group.here("slice", "pause", name)
            told, _ = self.swap(group, name, "memory")
            time.sleep(0.3)
            self.swap(group, name, "disk")
            out, errors = program.communicate(timeout=200)
            expect(program.returncode == 0, errors[-300:])
            expect(json.loads(out)["losses"] == json.loads(native.stdout)["losses"], "other losses")
            return f"{told['moved_bytes']} bytes, {told['took_ms']:.1f} ms"

    def case_direct(self):
        """A program that has the driver itself keeps its memory, and is named."""
        with Group(self.build) as group:
            group.here("slice", "create", "mine", "--compute", "30%", "--memory", "64MiB")
            program = subprocess.Popen([group.tool("flexai"), "run", "--slice", "mine", "--", group.tool("opencl-counter"), "--launches",
                                        "100000", "--pause-us", "300"], env=group.card_env, stdout=subprocess.DEVNULL)
            wait_until("it is there", lambda: self.used(group, "mine") > 0)
            done = group.cli("slice", "swap", "mine", env=group.card_env)
            expect(done.returncode != 0 and "uses the card directly" in done.stderr and "--isolation served" in done.stderr, done.stderr)
            program.kill()
            program.wait()

    def case_agent_killed(self):
        """The agent dies while memory is away; the next one brings it back when told."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            name = self.at_work(group)
            group.here("slice", "swap", name, "--to", "disk")
            group.stop(signal.SIGKILL)
            group.start()
            listed = {s["name"]: s for s in group.slices()}
            expect(listed[name]["residency"] == "disk", str(listed))
            time.sleep(0.5)
            expect(program.poll() is None, f"it ended without its memory: {program.poll()}")
            expect(group.here("slice", "resume", name)["moved_bytes"] > 0, "nothing came back")
            self.counts_all(program)

    def case_agent_killed_in_between(self):
        """The agent is killed at any moment of a move: the next one knows, or finds out, where the memory is."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "600")
            name = self.at_work(group)
            for i in range(6):
                word = "swap" if self.residency(group, name) == "card" else "resume"
                moving = subprocess.Popen([group.tool("flexai"), "slice", word, name], env=group.card_env, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
                time.sleep(0.004 * (1 + 3 * i))
                group.stop(signal.SIGKILL)
                moving.wait(30)
                group.start()
            if self.residency(group, name) != "card":
                group.here("slice", "resume", name)
            self.counts_all(program)

    def case_written_but_not_told(self):
        """The agent died after it had written that the memory comes back, and before it told the worker."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            name = self.at_work(group)
            group.here("slice", "swap", name)
            group.stop(signal.SIGKILL)
            with contextlib.closing(sqlite3.connect(group.place / "state" / "state.db")) as state, state:
                state.execute("UPDATE slices SET residency='card'")
            group.start()
            self.counts_all(program)

    def case_no_room(self):
        """While its memory was away others took its place: it stays away, in order, until there is room."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            name = self.at_work(group)
            group.here("slice", "swap", name)
            card = group.here("devices")["devices"][0]
            group.here("slice", "create", "other", "--compute", "10%", "--memory", str(card["free_memory_bytes"]))
            done = group.cli("slice", "resume", name, env=group.card_env)
            expect(done.returncode != 0 and "memory left to promise" in done.stderr, done.stderr)
            group.here("slice", "delete", "other")
            group.here("slice", "resume", name)
            self.counts_all(program)

    def case_ended(self):
        """A program that is killed while its memory is away leaves nothing."""
        with Group(self.build) as group:
            program = group.counter("--launches", str(LAUNCHES), "--pause-us", "300")
            group.here("slice", "swap", self.at_work(group), "--to", "disk")
            end(program)
            group.nothing_left(5)


if __name__ == "__main__":
    run_cases(Tests)
