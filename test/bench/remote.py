"""What a card behind a worker costs: the figures of opencl-figures natively and over each carrier, in turns in one run.

usage: remote.py [--build BUILD] [--seconds S] [--rounds N] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import DRIVER, POCL, Worker  # noqa: E402

CARRIERS = ("shm", "unix", "tcp")


def once(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"remote: {command[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    command = [f"{options.build}/bin/opencl-figures", "--seconds", str(options.seconds)]
    found = {where: [] for where in ("native", *CARRIERS)}
    for _ in range(options.rounds):
        found["native"].append(once(command, {**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL}))
        for carrier in CARRIERS:
            with Worker(options.build, carrier) as worker:
                found[carrier].append(once(command, worker.env))
    medians = {where: {name: statistics.median(r[name] for r in runs) for name in runs[0]} for where, runs in found.items()}
    print(f"{'':18}" + "".join(f"{where:>12}" for where in medians))
    for name in medians["native"]:
        print(f"{name:18}" + "".join(f"{figures[name]:12.1f}" for figures in medians.values()))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"medians": medians, "runs": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
