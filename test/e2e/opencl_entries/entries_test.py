"""Runs flexai-opencl-entries natively and again through something that programs must not notice,
and compares the transcripts, topic by topic.

usage: entries_test.py [--trace LAYER | --sliced BIN | --served BUILD | --through COMMAND] PROGRAM [PLATFORM...]

--trace LAYER      the second run is under this tracing layer; its lines count the entries reached
--sliced BIN       the second run is inside a slice of an agent of its own (flexaid, flexai in BIN)
--served BUILD     the second run has its card behind a flexai-worker, over --carrier
--through COMMAND  the second run is COMMAND PROGRAM ..., for example "flexai run --compute 50% --"
Without any, the second run is native too. A topic that the driver itself does not survive
natively is skipped with a line.
"""
import argparse
import contextlib
import difflib
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))
from served import CARRIERS, Worker  # noqa: E402

PLATFORMS = ("Portable", "rusticl", "Oclgrind")
OCLGRIND = "/usr/lib/oclgrind/liboclgrind-rt-icd.so"
ENVIRONMENTS = {
    "Portable": {"OCL_ICD_VENDORS": "/etc/OpenCL/vendors/pocl.icd", "POCL_MEMORY_LIMIT": "4"},
    "rusticl": {"OCL_ICD_VENDORS": "/etc/OpenCL/vendors/rusticl.icd", "RUSTICL_ENABLE": "llvmpipe"},
    "Oclgrind": {"OCL_ICD_VENDORS": OCLGRIND},
}
# What no program whose card is elsewhere can have: see docs/remote-semantics.md.
NOT_SERVED = ("native_kernel", "svm")
CARDS = {"Portable": "pocl-0", "rusticl": "rusticl-0"}
# Oclgrind never returns from any entry newer than OpenCL 1.2: its own symbols resolve to the loader's.
TOPICS = {"Oclgrind": ("map", "sub_buffers")}


def run(command, timeout, **more):
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace",
                              timeout=timeout, check=False, **more)
    except subprocess.TimeoutExpired as expired:
        return subprocess.CompletedProcess(command, "timeout", (expired.stdout or b"").decode(), "")


@contextlib.contextmanager
def private_agent(binaries):
    """An agent with folders of its own; gives its socket."""
    with tempfile.TemporaryDirectory(prefix="flexai-") as folder:
        log = open(f"{folder}/log", "w+")  # noqa: closed with the agent
        env = {**os.environ, "POCL_MEMORY_LIMIT": "4", "RUSTICL_ENABLE": "llvmpipe"}
        agent = subprocess.Popen(
            [f"{binaries}/flexaid", "--state", f"{folder}/state", "--runtime", f"{folder}/run",
             "--lock-folder", f"{folder}/lock"], env=env, stderr=log, stdout=log)
        try:
            socket = f"{folder}/run/flexai.sock"
            for _ in range(300):
                if os.path.exists(socket) or agent.poll() is not None:
                    break
                time.sleep(0.1)
            yield socket
        finally:
            agent.terminate()
            agent.wait(20)
            log.close()


class Runner:
    def __init__(self, options):
        self.options = options
        self.reached = set()
        self.failures = 0
        self.compared = 0
        self.found = 0  # programs that were not compiled again
        self.home = None

    def second(self, command, env):
        if self.options.trace:
            with tempfile.TemporaryFile("w+") as file:
                fd = file.fileno()
                done = run(command, self.options.timeout, pass_fds=(fd,), env={
                    **env, "OPENCL_LAYERS": self.options.trace, "FLEXAI_TEST_TRACE_FD": str(fd)})
                file.seek(0)
                lines = file.read()
            if not lines:
                done.returncode = "the layer was not loaded"
            self.reached |= set(re.findall(r"^(cl\w+)\(", lines, re.M))
            return done
        if self.options.served:
            vendor = ENVIRONMENTS[command[2]]
            for home in (self.home, self.home) if self.home else (None,):
                with Worker(self.options.served, self.options.carrier, vendor["OCL_ICD_VENDORS"], home=home, **vendor) as worker:
                    if self.options.strict:
                        worker.env["FLEXAI_STRICT"] = "1"
                    done = run([command[0], "--platform", "Flexai", *command[3:]], self.options.timeout, env=worker.env)
                    worker.wait()
                    self.found += worker.programs_found()
            return done
        front = shlex.split(self.options.through)
        if self.options.sliced:
            front = [f"{self.options.sliced}/flexai", "run", "--card", CARDS[command[2]],
                     "--compute", "50%", "--memory", "1GiB", "--"]
        return run([*front, *command], self.options.timeout, env=env)

    def topic(self, platform, topic):
        env = {**os.environ, **ENVIRONMENTS.get(platform, {})}
        command = [self.options.program, "--platform", platform, topic]
        native = run(command, self.options.timeout, env=env)
        if native.returncode != 0:
            why = (native.stderr.strip().split("\n") or [""])[-1][:100]
            print(f"{platform} {topic}: skipped: native run ends with {native.returncode}: {why}")
            return
        again = self.second(command, env)
        self.compared += 1
        if again.returncode == 0 and again.stdout == native.stdout:
            return
        self.failures += 1
        print(f"{platform} {topic}: differs; the second run ends with {again.returncode}")
        sys.stdout.writelines(difflib.unified_diff(
            native.stdout.splitlines(True), again.stdout.splitlines(True), "native", "second"))
        print(again.stderr[-500:])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace")
    parser.add_argument("--sliced")
    parser.add_argument("--served")
    parser.add_argument("--carrier", default="unix", choices=CARRIERS)
    parser.add_argument("--strict", action="store_true", help="served: every call is asked")
    parser.add_argument("--twice", action="store_true", help="served: the second of two sessions, with what the first one built")
    parser.add_argument("--topic", action="append", default=[], help="this one alone")
    parser.add_argument("--through", default="")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--least-entries", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="name the entries reached")
    parser.add_argument("program")
    parser.add_argument("platforms", nargs="*", default=PLATFORMS)
    options = parser.parse_args()
    topics = options.topic or run([options.program, "--list"], 10).stdout.split()
    if options.served:
        topics = [t for t in topics if t not in NOT_SERVED]
    runner = Runner(options)
    with contextlib.ExitStack() as stack:
        if options.sliced:
            os.environ["FLEXAI_SOCKET"] = stack.enter_context(private_agent(options.sliced))
        if options.twice:
            runner.home = stack.enter_context(tempfile.TemporaryDirectory(prefix="flexai-"))
        run_all(runner, options, topics)
    if options.trace:
        print(f"{len(runner.reached)} entries reached")
        if options.verbose:
            print(" ".join(sorted(runner.reached)))
        if len(runner.reached) < options.least_entries:
            sys.exit(f"fewer entries than {options.least_entries}")
    if options.twice:
        print(f"{runner.found} programs found")
        if runner.found < 20:
            sys.exit("hardly anything was kept from one session to the next")
    print(f"{runner.compared} transcripts compared, {runner.failures} differ")
    sys.exit(1 if runner.failures or not runner.compared else 0)


def run_all(runner, options, topics):
    for platform in options.platforms:
        probe = run([options.program, "--platform", platform, "no_such_topic"], 60,
                    env={**os.environ, **ENVIRONMENTS.get(platform, {})})
        if probe.returncode == 1 and "no such device" in probe.stderr:
            print(f"{platform}: not on this host, skipped")
            continue
        for topic in TOPICS.get(platform, topics):
            runner.topic(platform, topic)


if __name__ == "__main__":
    main()
