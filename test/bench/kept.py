"""What building costs the first and a later session of a tenant, beside native runs whose driver keeps what it compiles itself."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from harness import ROOT, median, tool

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import DRIVER, POCL, Worker  # noqa: E402

COUNT = "12"


def run(env):
    done = subprocess.run([tool("opencl-builds"), COUNT], env=env, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        sys.exit(f"kept: {done.stderr}")
    return json.loads(done.stdout)


def native(folder):
    env = {**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL, "POCL_CACHE_DIR": f"{folder}/native"}
    return run(env), run(env)


def served(build, folder):
    """The first session, and the one that compiles nothing."""
    home = pathlib.Path(folder) / "home"
    home.mkdir()
    sessions = []
    for _ in range(2):
        with Worker(build, "unix", home=str(home), POCL_CACHE_DIR=f"{home}/driver") as worker:
            sessions.append(run(worker.env))
            worker.wait()
            counts = re.search(r"programs: (\d+) compiled, (\d+) found", worker.said())
    if counts is None or counts[2] != COUNT:
        sys.exit(f"kept: the second session compiled again: {worker.said()[-300:]}")
    return sessions


def measure(figures, build, rounds):
    rows = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="flexai-") as folder:
            rows.append((*native(folder), *served(build, folder)))
    cold, warm, first, later = ([row[i]["build_ms"] for row in rows] for i in range(4))
    runs = [median([row[i]["first_runs_ms"] for row in rows]) for i in range(4)]
    figures.add("build of a program that an earlier session built", median(later), "ms", f"<= {median(warm):.1f} (native, kept by the driver)",
                median(later) <= median(warm))
    figures.add("build of a new program", median(first), "ms", f"<= {1.2 * median(cold):.0f} (1.2 x native)",
                median(first) <= 1.2 * median(cold))
    figures.add("first runs of kernels that an earlier session built", runs[3], "ms", f"<= {1.2 * runs[1] + 10:.0f} (1.2 x native and 10 ms)",
                runs[3] <= 1.2 * runs[1] + 10)
