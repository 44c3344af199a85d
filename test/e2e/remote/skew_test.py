"""Hosts that are not alike: of another release, or with another time. Who is refused is told why, and what runs goes on.

usage: skew_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed" """
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

from cases import Different, expect, run_cases
from group import Group

# libfaketime, where it is installed (tools/packages.txt): another time for one process and its children.
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def digest_of(build):
    """Of the Spec that the build was made from: what both ends must have alike."""
    text = (pathlib.Path(build) / "generated" / "remote" / "opencl" / "kind.h").read_text(encoding="utf-8")
    return bytes(map(int, re.search(r"kSpecDigest\[\] = \{([\d, ]+)\}", text).group(1).split(",")))


class OtherRelease:
    """A copy of the build whose programs say that they were made from another Spec."""

    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="fxr-", dir="/tmp")
        self.build = self.folder.name
        own = digest_of(build)
        other = bytes(byte ^ 0x5a for byte in own)
        for part in ("bin", "lib", "share"):
            shutil.copytree(f"{build}/{part}", f"{self.build}/{part}", copy_function=os.link, symlinks=True)
        for path in (f"{self.build}/bin/flexai-worker", f"{self.build}/lib/libflexai_opencl.so"):
            content = pathlib.Path(path).read_bytes()
            expect(own in content, f"{path} does not hold the digest of its Spec as it is; this test makes it another one there")
            os.unlink(path)  # a link to the build's own
            pathlib.Path(path).write_bytes(content.replace(own, other))
            os.chmod(path, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


class Tests:
    def __init__(self, build):
        self.build = build

    def refused(self, group, *words):
        """The program finds no card, at once, and one line says why."""
        began = time.monotonic()
        done = group.run([group.tool("gemm-clblast"), "--n", "64", "--repeat", "1"])
        expect(done.returncode != 0, f"it ran: {done.stdout}")
        for word in words:
            expect(word in done.stderr, f"nothing of {word!r}: {done.stderr[-600:]}")
        expect(time.monotonic() - began < 20, f"it took {time.monotonic() - began:.0f} s to be told")

    def case_a_host_of_another_release_refuses_with_the_reason(self):
        with OtherRelease(self.build) as other, Group(self.build) as group:
            group.stop()
            group.build = other.build
            group.start()
            group.build = self.build
            self.refused(group, "was built from Spec", "install the same release on both")
            expect(group.cli("devices", env=group.card_env).returncode == 0, "the agent is gone")
            group.nothing_left(10)

    def case_what_runs_goes_on_under_an_agent_of_another_release(self):
        """A program of before computes on when its card's agent is replaced by one that its own release cannot talk to; a new program of the
        new release is served; a new one of the old release is told."""
        with OtherRelease(self.build) as other, Group(self.build) as group:
            words = [group.tool("gemm-clblast"), "--n", "128", "--seconds", "14"]
            with group.popen(words, "--compute", "30%", "--memory", "256MiB") as running:
                group.working()
                group.stop(signal.SIGKILL)
                group.build = other.build
                group.start()
                new = group.run([f"{self.build}/bin/gemm-clblast", "--n", "64", "--repeat", "2"], "--compute", "30%", "--memory", "256MiB")
                expect(new.returncode == 0 and json.loads(new.stdout.splitlines()[-1])["max_error"] < 1e-3, f"the new release: {new.stdout}{new.stderr[-600:]}")
                group.build = self.build
                self.refused(group, "install the same release on both")
                expect(running.poll() is None, "the program of before has ended")
                out, err = running.communicate(timeout=60)
            expect(running.returncode == 0 and json.loads(out.splitlines()[-1])["max_error"] < 1e-3, f"it was disturbed: {out[-300:]}{err[-600:]}")
            group.nothing_left(10)

    def at(self, group, shift):
        """The agent of the card's host, and its workers, believe that it is so many seconds later."""
        group.stop()
        group.card_env |= {"LD_PRELOAD": FAKETIME, "FAKETIME": f"{shift:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        group.start()

    def case_hosts_whose_clocks_differ_by_half_an_hour_work_together(self):
        with Group(self.build) as group:
            for shift in (1800, -1800):
                self.at(group, shift)
                done = group.run([group.tool("gemm-clblast"), "--n", "64", "--repeat", "2"])
                expect(done.returncode == 0 and json.loads(done.stdout.splitlines()[-1])["max_error"] < 1e-3, f"{shift}: {done.stdout}{done.stderr[-600:]}")
                group.nothing_left(10)

    def case_a_clock_that_is_days_wrong_is_named(self):
        """Its own certificate does not hold by such a clock: the agent ends, and says so."""
        with Group(self.build) as group:
            for shift, word in ((-3 * 86400, "not valid yet; check this host's clock"), (4000 * 86400, "expired; enroll the host again")):
                with contextlib.suppress(Different):
                    self.at(group, shift)
                expect(group.agent.wait(20) != 0, "it goes on")
                group.agent = None
                said = pathlib.Path(group.log.name).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
                expect(word in said, said)


if __name__ == "__main__":
    run_cases(Tests)
