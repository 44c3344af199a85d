"""Round trips of whole programs, counted and named; how many runs of short programs fail."""
import contextlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import tomllib

from harness import ROOT, note, tool

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import Worker  # noqa: E402

ENTRIES = 512
PYTHON = str(ROOT / ".venv" / "bin" / "python")
PROGRAMS = ROOT / "test" / "programs"


class Counts:
    """Where a program counts its calls (FLEXAI_COUNTS), as docs/remote-semantics.md says."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="flexai-")
        self.env = {"FLEXAI_COUNTS": self.file.name}
        self.told = self.asked = self.waited = 0
        self.by_entry = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self):
        whole = pathlib.Path(self.file.name).read_bytes()
        if len(whole) < 24:
            sys.exit("round_trips: the program has counted nothing")
        self.told, self.asked, self.waited = struct.unpack("<3Q", whole[:24])
        names = names_of_entries()
        each = struct.unpack(f"<{ENTRIES}I", whole[24:24 + 4 * ENTRIES])
        self.by_entry = {names.get(i, f"entry {i}"): n for i, n in enumerate(each) if n}
        return self

    @property
    def round_trips(self):
        return self.asked + self.waited

    def explained(self):
        """Most frequent first; waits are those of commands that the program waits for."""
        rows = sorted({"waits for commands": self.waited, **self.by_entry}.items(), key=lambda row: -row[1])
        return {name: count for name, count in rows if count}


def names_of_entries():
    spec = tomllib.loads((ROOT / "api" / "opencl.toml").read_text())
    return {entry["id"]: name for name, entry in spec["fn"].items()}


@contextlib.contextmanager
def worker_over(build, carrier):
    with contextlib.ExitStack() as stack:
        pki = None
        if carrier == "tls":
            pki = stack.enter_context(tempfile.TemporaryDirectory(prefix="flexai-"))
            subprocess.run([tool("flexai-test-pki"), pki], check=True)
        yield stack.enter_context(Worker(build, carrier, pki=pki))


def programs(figures, build):
    commands = {
        "opencl-counter, 160 launches, 10 reads, 4 MiB": [tool("opencl-counter"), "--launches", "160", "--mib", "4"],
        "gemm-clblast": [tool("gemm-clblast"), "--n", "192", "--repeat", "5"],
        "fft-clfft": [tool("fft-clfft")],
        "clinfo": ["clinfo", "--raw"],
        "pyopencl tour": [PYTHON, str(PROGRAMS / "pyopencl_tour.py")],
        "tinygrad, 24 steps": [PYTHON, str(PROGRAMS / "train_tinygrad.py"), "--steps", "24"],
    }
    for name, command in commands.items():
        with worker_over(build, "unix") as worker, Counts() as counts:
            done = subprocess.run(command, env={**worker.env, **counts.env}, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                sys.exit(f"round_trips: {name} ended with {done.returncode}: {done.stderr[-300:]}")
            counts.read()
        figures.add(f"round trips, {name}", counts.round_trips, "round trips", "reported", True, told=counts.told, each=counts.explained())


def failed_runs(figures, build, runs, carriers=("unix", "shm", "tcp", "tls")):
    """Programs of some hundred calls, one after the other over every carrier; what they count must be right."""
    failed = []
    for i in range(runs):
        carrier = carriers[i % len(carriers)]
        with worker_over(build, carrier) as worker:
            done = subprocess.run([tool("opencl-counter"), "--launches", "64", "--mib", "1"], env=worker.env, capture_output=True, text=True,
                                  timeout=120, check=False)
        right = f"counted {sum(n % 7 + 1 for n in range(64))}, carried 1 MiB" in done.stdout
        if done.returncode or not right:
            failed.append(f"{carrier}: {done.returncode}: {(done.stdout + done.stderr)[-200:]}")
            note(failed[-1])
    figures.add(f"failed runs of {runs} short ones", len(failed), "runs", "0", not failed, carriers=list(carriers), which=failed[:10])
