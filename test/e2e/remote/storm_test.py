"""A served program whose link is cut, and whose processes are killed, at random moments, again and again.

usage: storm_test.py BUILD [CASE ...]      one line a case. FLEXAI_FULL in the environment: the long form
FLEXAI_SEED: the seed of the moments, else a new one, which is printed
"""
import os
import random
import signal
import subprocess
import threading
import time

from cases import expect, run_cases
from group import Group, wait_until
from network_test import LONG, children_of, counted, say
from served import Worker

FULL = bool(os.environ.get("FLEXAI_FULL"))
SEED = int(os.environ.get("FLEXAI_SEED") or random.randrange(1 << 30))
CUTS = 1000 if FULL else 36
CUTS_A_PROGRAM = 25 if FULL else 12
SILENT = 50  # one cut in so many: it takes seconds until it is noticed
KILLS = 60 if FULL else 8
GROUP_KILLS = 20 if FULL else 3
LAUNCHES = 4000


class Tests:
    def __init__(self, build):
        self.build = build
        self.chance = random.Random(SEED)
        print(f"seed {SEED}", flush=True)

    def counter(self, worker, *options):
        return subprocess.Popen([f"{self.build}/bin/opencl-counter", *options], env=worker.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    # Cuts.

    def storm(self, cuts, silent):
        """One program: kernels add to counters that are compared as it goes, blocks are carried; cut until it ends, at most
        `cuts` times. Returns how often it was cut."""
        done = 0
        with Worker(self.build, "tcp") as worker:
            relay = subprocess.Popen([f"{self.build}/bin/flexai-link-relay", "--listen", "tcp:127.0.0.1:0", "--to", worker.endpoint],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            worker.env["FLEXAI_WORKER"] = relay.stdout.readline().strip().split()[-1]
            program = self.counter(worker, "--launches", str(LAUNCHES), "--pause-us", "300", "--mib", "24")
            words = []
            reader = threading.Thread(target=lambda: words.extend(program.communicate(timeout=240)))
            reader.start()
            time.sleep(0.1)
            while done < cuts and program.poll() is None:
                time.sleep(self.chance.uniform(0.001, 0.12))
                how = "silence" if done == silent else self.chance.choice(("fin", "rst"))
                say(relay, f"cut {how}")
                done += 1
            reader.join()
            relay.kill()
            relay.communicate()
        expect(f"{counted(LAUNCHES)} carried 24 MiB" in words[0], f"after {done} cuts: exit {program.returncode}: {words}")
        return done

    def case_cuts(self):
        """Identical results and nothing done twice, wherever the connections are cut."""
        done = programs = 0
        while done < CUTS:
            silent = self.chance.randrange(CUTS_A_PROGRAM) if programs % (SILENT // CUTS_A_PROGRAM) == 0 else -1
            done += self.storm(min(CUTS_A_PROGRAM, CUTS - done), silent)
            programs += 1
        print(f"      {done} cuts in {programs} programs", flush=True)

    # Kills.

    def case_client_killed(self):
        """Whenever the program is killed its worker has ended a second later."""
        for i in range(KILLS):
            carrier = ("unix", "shm")[i % 2]
            with Worker(self.build, carrier) as worker:
                program = self.counter(worker, *LONG, "--mib", "16")
                moment = self.chance.uniform(0.02, 1.0)
                time.sleep(moment)
                program.kill()
                program.communicate()
                try:
                    worker.process.wait(1.0)
                except subprocess.TimeoutExpired:
                    # It had no client yet: it is still waiting for one.
                    expect("session" not in worker.said(), f"{carrier}, killed after {moment:.3f} s: {worker.said()}")

    def case_worker_killed(self):
        """Whenever its worker is killed the program is told within a second, and hangs in no call."""
        for i in range(KILLS):
            carrier = ("unix", "shm", "tcp")[i % 3]
            with Worker(self.build, carrier) as worker:
                program = self.counter(worker, *LONG, "--mib", "16")
                moment = self.chance.uniform(0.02, 1.0)
                time.sleep(moment)
                worker.process.kill()
                killed = time.monotonic()
                out, errors = program.communicate(timeout=20)
                took = time.monotonic() - killed
            known = "error -2 " in out or "error -1001" in out or "error -1 " in out
            expect(known and program.returncode == 3 and took < 2.0, f"{carrier}, killed after {moment:.3f} s, {took:.2f} s: {out}{errors}")

    def case_books(self):
        """kill -9 of program, worker and agent at random moments: all is free and the books are right."""
        with Group(self.build) as group:
            for i in range(GROUP_KILLS):
                whom = ("program", "worker", "agent")[i % 3]
                program = group.counter(*LONG)
                session = group.working()
                time.sleep(self.chance.uniform(0.0, 0.5))
                if whom == "program":
                    os.kill(children_of(program.pid)[-1], signal.SIGKILL)
                elif whom == "worker":
                    os.kill(session["worker"], signal.SIGKILL)
                else:
                    group.stop(signal.SIGKILL)
                    time.sleep(0.2)
                    group.start()
                    expect(len(group.sessions()) == 1, "the agent has lost the session")
                    os.kill(children_of(program.pid)[-1], signal.SIGKILL)
                killed = time.monotonic()
                program.communicate(timeout=30)
                wait_until(f"everything is freed after the {whom}", lambda: not group.sessions() and not group.slices(), 3)
                print(f"      {whom}: free after {time.monotonic() - killed:.2f} s", flush=True)


if __name__ == "__main__":
    run_cases(Tests)
