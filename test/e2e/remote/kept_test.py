"""What workers keep for their tenant's next sessions: programs are not compiled again, nobody gets at another's, and nothing
that goes wrong with it is a program's error.

usage: kept_test.py BUILD [CASE ...]
"""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from cases import Different, expect, run_cases
from group import Group, wait_until
from network_test import LONG, end


class Kept(Group):
    """A group whose workers have no place of the driver's but the one that their agent gives them."""

    def __init__(self, build, *options, own=False):
        super().__init__(build, *options)
        if own:
            del self.card_env["POCL_CACHE_DIR"]

    def tenants(self):
        return self.place / "state" / "tenants"

    def kept(self):
        return sorted(self.tenants().glob("*/programs/[0-9a-f]*"))

    def said(self):
        self.log.flush()
        return (self.place / "log").read_text()

    def multiplied(self, kept=True):
        """A multiplication by a library; its result, and how many programs were compiled and found."""
        before = len(self.said())
        done = self.run([self.tool("gemm-clblast"), "--n", "128", "--repeat", "2"])
        expect(done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
        self.nothing_left(5)
        if not kept:
            return json.loads(done.stdout)["max_error"], 0, 0
        said = re.search(r"programs: (\d+) compiled, (\d+) found", self.said()[before:])
        expect(said, "the worker did not say what it built: " + self.said()[before:])
        return json.loads(done.stdout)["max_error"], int(said[1]), int(said[2])

    def warm(self):
        """Until it is found; the result of the first time."""
        first, compiled, _ = self.multiplied()
        expect(compiled > 0, "the first session compiled nothing")
        for _ in range(8):
            result, compiled, found = self.multiplied()
            expect(result == first, f"{result} after {first}")
            if found and not compiled:
                return first
        raise Different("programs were compiled in each of nine sessions")


class Tests:
    def __init__(self, build):
        self.build = build

    def case_second_session(self):
        """A later session compiles nothing and has the same results, also after the agent was another one."""
        with Kept(self.build) as group:
            first = group.warm()
            group.stop()
            group.start()
            result, compiled, found = group.multiplied()
            expect((result, compiled) == (first, 0) and found > 0, f"{result}, {compiled} compiled, {found} found")

    def case_driver(self):
        """What the driver keeps by itself lies in the tenant's folder too, and the next session has it."""
        with Kept(self.build, own=True) as group:
            took = []
            for _ in range(2):
                start = time.monotonic()
                out = group.run([group.tool("opencl-counter"), "--mib", "2"])
                took.append(time.monotonic() - start)
                expect("carried 2 MiB" in out.stdout, out.stdout + out.stderr)
            expect(list(group.tenants().glob("host-*/driver/pocl/**/*.so")), "the driver kept nothing")
            print(f"note  driver: {took[0]:.2f} s, then {took[1]:.2f} s", flush=True)

    def case_apart(self):
        """Another host, and a user of this one, have folders of their own, and workers cannot leave theirs."""
        with Kept(self.build) as group:
            group.enroll("desk2")
            first = group.warm()
            before = len(group.kept())
            group.env["FLEXAI_PKI"] = str(group.place / "desk2")
            result, compiled, _ = group.multiplied()
            expect((result, compiled > 0) == (first, True), "a program of another host's was found")
            expect(len(list(group.tenants().iterdir())) == 2, str(list(group.tenants().iterdir())))
            words = [group.tool("flexai"), "run", "--isolation", "served", "--compute", "50%", "--memory", "256MiB", "--"]
            here = subprocess.run([*words, group.tool("opencl-counter"), "--mib", "2"], env=group.card_env, capture_output=True,
                                  text=True, timeout=100, check=False)
            expect("carried 2 MiB" in here.stdout, here.stdout + here.stderr)
            expect((group.tenants() / f"uid-{os.getuid()}").is_dir(), "this host's user has no folder")
            expect(len(group.kept()) >= before, "what was kept has gone")
            program = group.counter(*LONG)
            command = pathlib.Path(f"/proc/{group.working()['worker']}/cmdline").read_bytes().decode().split("\0")
            expect(command[command.index("--hide") + 1] == str(group.place / "state"), str(command))
            end(program)

    def case_damaged(self):
        """What has gone bad on the disk is compiled again."""
        with Kept(self.build) as group:
            first = group.warm()
            for path in group.kept():
                with open(path, "r+b") as file:
                    file.truncate(path.stat().st_size // 2)
            result, compiled, _ = group.multiplied()
            expect((result, compiled > 0) == (first, True), f"{result}, {compiled} compiled")
            expect("entry not used" in group.said(), "no line about the damaged entry")

    def case_full_disk(self):
        """A full disk is a line in the log and nothing else."""
        if os.geteuid() != 0:
            print("note  full_disk: needs root, left out", flush=True)
            return
        group = Kept(self.build)
        state = group.place / "state"
        state.mkdir(mode=0o700)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72m,mode=0700", "none", str(state)], capture_output=True, check=False)
        if done.returncode != 0:
            print("note  full_disk: cannot mount, left out", flush=True)
            return
        with group:
            try:
                self.fill(group, state)
            finally:
                group.stop()
                subprocess.run(["umount", "-l", str(state)], check=False)

    def fill(self, group, state):
        first = group.warm()
        (state / "fill").write_bytes(b"x" * (16 << 20))
        expect(group.multiplied(kept=False)[0] == first, "another result with little room")
        expect("nothing is kept of what is built" in group.said(), "no line about the full disk")
        left = lambda: list((group.place / "run" / "s").glob("*.home"))  # noqa: E731
        wait_until("the folder for one session is gone", lambda: not left())
        # Full to the last byte while a session keeps what it builds.
        (state / "fill").unlink()
        for path in group.kept():
            path.unlink()
        program = group.popen([group.tool("gemm-clblast"), "--n", "128", "--repeat", "2000"])
        group.working()
        with contextlib.suppress(OSError), open(state / "fill", "wb") as file:
            while True:
                file.write(b"x" * 65536)
        out, err = program.communicate(timeout=200)
        (state / "fill").unlink()
        expect(program.returncode == 0 and json.loads(out)["max_error"] == first, err)
        expect(not list(group.tenants().glob("*/programs/new-*")), "something half was left")

    def case_two_at_once(self):
        """Two sessions of one tenant that build the same at the same time."""
        with Kept(self.build) as group:
            command = [group.tool("gemm-clblast"), "--n", "128", "--repeat", "2"]
            results = set()
            for _ in range(3):
                both = [group.popen(command, "--compute", "40%", "--memory", "128MiB") for _ in range(2)]
                for one in both:
                    out, err = one.communicate(timeout=200)
                    expect(one.returncode == 0, err)
                    results.add(json.loads(out)["max_error"])
            expect(len(results) == 1, str(results))
            expect("entry not used" not in group.said(), "an entry was seen half")

    def case_bounded(self):
        """A folder that has grown too large is put aside when its session has ended, and deleted."""
        with Kept(self.build, "--tenant-cache", "1") as group:
            first, _, _ = group.multiplied()
            folder = next(group.tenants().iterdir())
            program = group.counter(*LONG)
            group.working()
            (folder / "driver" / "large").write_bytes(b"x" * (2 << 20))
            end(program)
            wait_until("the folder is gone", lambda: not folder.exists(), 10)
            wait_until("it is deleted", lambda: not list(group.tenants().iterdir()), 10)
            expect(group.multiplied()[0] == first, "another result")

    def case_nothing_kept(self):
        with Kept(self.build, "--tenant-cache", "0", own=True) as group:
            for _ in range(2):
                out = group.run([group.tool("opencl-counter"), "--mib", "2"])
                expect("carried 2 MiB" in out.stdout, out.stdout + out.stderr)
            expect(not list(group.tenants().iterdir()), "something was kept")
            wait_until("folders for one session are gone", lambda: not list((group.place / "run" / "s").glob("*.home")))


if __name__ == "__main__":
    run_cases(Tests)
