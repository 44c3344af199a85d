"""Programs that keep to no rule beside one that does: its results are right, it has its share, and neither the agent nor
a worker grows.

usage: hostile_test.py BUILD [CASE ...]      one line a case. FLEXAI_FULL in the environment: the long form
FLEXAI_SEED: of the chance in it, else a new one, which is printed
"""
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

from cases import expect, run_cases
from group import Group, wait_until
from network_test import children_of, counted

FULL = bool(os.environ.get("FLEXAI_FULL"))
SEED = int(os.environ.get("FLEXAI_SEED") or random.randrange(1 << 30))
SECONDS = 20 if FULL else 3
MIB = 1 << 20
AGENT_MAY_GROW = 20 * MIB
# PoCL itself takes some 150 MiB; a million of its objects and a call of many parts take the rest.
WORKER_MAY_HAVE = 1024 * MIB


def memory_of(pid, what="VmRSS"):
    """Bytes; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what))
    except (OSError, StopIteration):
        return 0


class Watch(threading.Thread):
    """Looks at the workers of this agent now and then; the most memory and processor seconds that one had."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.most, self.busiest, self.over = group, 0, 0.0, threading.Event()

    def run(self):
        agent = str(self.group.agent.pid)
        while not self.over.wait(0.2):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/stat") as stat:
                        name, rest = stat.read().rsplit(")", 1)
                except OSError:
                    continue
                if name.endswith("(flexai-worker") and rest.split()[1] == agent:
                    self.most = max(self.most, memory_of(pid, "VmHWM"))
                    ticks = sum(map(int, rest.split()[11:13]))
                    self.busiest = max(self.busiest, ticks / os.sysconf("SC_CLK_TCK"))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


class Tests:
    def __init__(self, build):
        self.build = build
        print(f"seed {SEED}", flush=True)

    # The two ways to a card: of this host, and of another.

    def here(self, group, words, *more):
        return [group.tool("flexai"), "run", "--isolation", "served", *(more or ("--compute", "30%", "--memory", "256MiB")), "--", *words]

    def there(self, group, words, *more):
        return group.run_words(words, *(more or ("--compute", "30%", "--memory", "256MiB")))

    def start(self, group, way, words):
        env = group.card_env if way == self.here else group.env
        return subprocess.Popen(way(group, words), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def beside(self, way, what, seconds=SECONDS, other=False, ends=True):
        """One hostile program beside honest ones, again and again until it has ended; its own line."""
        with Group(self.build) as group, Watch(group) as watch:
            honest = self.honest(group, way)  # kernels are built, and the agent has what it needs
            before = memory_of(group.agent.pid)
            words = [group.tool("flexai-hostile"), what, "--seconds", str(seconds), "--seed", str(SEED)]
            if other:
                resident = self.start(group, way, [group.tool("opencl-counter"), "--launches", "1000000", "--pause-us", "2000"])
                words += ["--other", group.working()["name"]]
            hostile = self.start(group, way, words)
            took, end = [], time.monotonic() + 10 * seconds + 120
            while hostile.poll() is None and time.monotonic() < end:
                took.append(self.honest(group, way))
                if not ends and time.monotonic() > end - 9 * seconds - 100:
                    break
            if other:
                expect(resident.poll() is None, "the other program was disturbed")
                self.end(resident)
            if hostile.poll() is None:
                expect(not ends, "it goes on for ever")
                self.end(hostile)
            said, errors = hostile.communicate(timeout=30)
            group.nothing_left(10)
            grown = memory_of(group.agent.pid) - before
            took.append(self.honest(group, way))
        print(f"      {what}: {said.strip() or errors.strip()[-200:]}; agent +{grown / MIB:.1f} MiB, workers {watch.most / MIB:.0f} MiB and {watch.busiest:.1f} s at "
              f"most, an honest program {honest:.2f} s before, {max(took):.2f} s at most", flush=True)
        expect(grown < AGENT_MAY_GROW, f"the agent has grown by {grown / MIB:.1f} MiB")
        expect(watch.most < WORKER_MAY_HAVE, f"a worker had {watch.most / MIB:.0f} MiB")
        return hostile.returncode, said, watch.busiest

    def end(self, program):
        """`flexai run` and what runs in it."""
        for child in children_of(program.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def honest(self, group, way):
        """Seconds that a program took, whose results were right."""
        begin = time.monotonic()
        program = self.start(group, way, [group.tool("opencl-counter"), "--launches", "400", "--mib", "4"])
        out, errors = program.communicate(timeout=120)
        expect(f"{counted(400)} carried 4 MiB" in out and program.returncode == 0, f"an honest program: {program.returncode}: {out}{errors}")
        return time.monotonic() - begin

    def both(self, what, most_busy=1e9, **more):
        for way in (self.here, self.there):
            code, said, busy = self.beside(way, what, **more)
            expect(code == 0, f"it ended with {code}: {said}")
            expect(busy < most_busy, f"a worker took {busy:.1f} s of a processor")

    def case_garbage(self):
        self.both("garbage")

    def case_lengths(self):
        self.both("lengths")

    def case_foreign(self):
        """Nobody is let into a session that is another's, with its name or without."""
        self.both("foreign", other=True)

    def case_deaf(self):
        self.both("deaf")

    def case_doorstep(self):
        """Who only opens connections keeps neither new programs out nor those that are there, and costs little."""
        self.both("doorstep", seconds=2 * SECONDS, most_busy=0.5 * SECONDS)

    def case_objects(self):
        code, said, _ = self.beside(self.here, "objects")
        expect(code == 0 and "objects, then" in said, f"it ended with {code}: {said}")

    def case_words(self):
        """The words of shared memory change under both ends: this session may end or hang, and nothing else."""
        for _ in range(6 if FULL else 2):
            self.beside(self.here, "words", ends=False)

    def case_leave(self):
        """A worker whose program did not wait for it is gone at once, not when its patience is over."""
        for way in (self.here, self.there):
            with Group(self.build) as group:
                self.honest(group, way)
                for _ in range(20 if FULL else 5):
                    program = self.start(group, way, [group.tool("flexai-hostile"), "leave"])
                    expect("knocked: 1" in program.communicate(timeout=60)[0], "it did not knock")
                begin = time.monotonic()
                wait_until("their workers are gone", lambda: not group.sessions(), 20)
                print(f"      free after {time.monotonic() - begin:.2f} s", flush=True)
                self.honest(group, way)

    def case_share(self):
        """The card's time that a slice has beside hostile ones. Not kernels: what hostile programs burn of the processor, which here
        is the card as well, makes each of them longer."""
        load = [f"{self.build}/bin/flexai-load-opencl", "--loops", "2000", "--seconds", "4"]
        with Group(self.build) as group:
            for name in ("honest", "hostile"):
                group.here("slice", "create", name, "--compute", "40%", "--memory", "256MiB", "--qos", "fixed")
            others = [subprocess.Popen(self.here(group, [group.tool("flexai-hostile"), what, "--seconds", "6", "--seed", str(SEED)],
                                                 "--slice", "hostile"), env=group.card_env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL) for what in ("garbage", "deaf")]
            program = subprocess.Popen(self.here(group, load, "--slice", "honest"), env=group.card_env, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)

            def charged():
                return next(one["charged_ns"] for one in group.here("top", "--once")["slices"] if one["name"] == "honest"), time.monotonic()

            wait_until("it works", lambda: charged()[0] > 0, 30)
            time.sleep(0.5)
            before, begin = charged()
            time.sleep(2)
            after, end = charged()
            got = (after - before) / 1e9 / (end - begin)
            _, errors = program.communicate(timeout=120)
            for other in others:
                self.end(other)
                other.wait(30)
            expect(program.returncode == 0, errors)
            print(f"      {got:.3f} of the card's time, 0.4 promised", flush=True)
            expect(0.36 <= got <= 0.44, f"it got {got:.3f} of the card's time")


if __name__ == "__main__":
    run_cases(Tests)
