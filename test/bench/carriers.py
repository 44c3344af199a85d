"""What a card behind a worker costs: the figures of opencl-figures natively and over each carrier, in turns in one run,
beside what the carrier itself does with nothing on it, and the round trips of each."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

from harness import ROOT, spread

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import DRIVER, POCL, Worker  # noqa: E402

CARRIERS = ("shm", "unix", "tcp")


def once(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"remote: {command[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return json.loads(done.stdout)


def rounds_of(options):
    """Figures natively and over each carrier; each a list of what every round gave."""
    command = [f"{options.build}/bin/opencl-figures", "--seconds", str(options.seconds)]
    found = {where: [] for where in ("native", *options.carriers)}
    raw = {carrier: [] for carrier in options.carriers}
    for _ in range(options.rounds):
        found["native"].append(once(command, {**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL}))
        for carrier in options.carriers:
            with Worker(options.build, carrier) as worker, tempfile.NamedTemporaryFile() as counts:
                found[carrier].append(once(command, {**worker.env, "FLEXAI_COUNTS": counts.name}))
            wire = once([f"{options.build}/bin/wire_bench", str(options.seconds / 2), carrier], dict(os.environ))[carrier]
            raw[carrier].append({"round_trip_us": wire["raw_ping_pong"]["p50_us"], "stream_mb_s": wire["raw_stream_mb_s"]})
    return found, raw


def medians_of(runs):
    first = next(iter(runs[0].values()))
    if isinstance(first, list):
        return {name: [statistics.median(r[name][i] for r in runs) for i in (0, 1)] for name in runs[0]}
    return {name: statistics.median(r[name] for r in runs) for name in runs[0]}


def target(name, native, raw):
    """At most, for microseconds; at least, for megabytes a second."""
    if name in ("kernel_us", "buffer_us"):
        return 1.0
    if name == "queued_launch_us":
        return native + 2
    if name in ("launch_finish_us", "step_us"):
        return native + 1.5 * raw["round_trip_us"]
    return 0.8 * raw["stream_mb_s"]


def measure(figures, options):
    found, raw = rounds_of(options)
    medians = {where: medians_of(runs) for where, runs in found.items()}
    carriers = {carrier: medians_of(runs) for carrier, runs in raw.items()}
    print("each: measured (target) round trips" + "".join(
        f"; {c}: {r['round_trip_us']:.1f} us, {r['stream_mb_s']:.0f} MB/s" for c, r in carriers.items()))
    print(f"{'':18}{'native':>10}" + "".join(f"{c:>28}" for c in carriers))
    for name, (native, _) in medians["native"].items():
        line = f"{name:18}{native:10.1f}"
        time = name.endswith("_us")
        for carrier, rates in carriers.items():
            value, trips = medians[carrier][name]
            aim = target(name, native, rates)
            line += f"{value:12.1f} ({aim:.1f}) {trips:.2f}".rjust(28)
            rounds = [run[name][0] for run in found[carrier]]
            figures.add(f"{carrier}, {name.rsplit('_', 1 if time else 2)[0].replace('_', ' ')}", value, "us" if time else "MB/s",
                        f"{'<=' if time else '>='} {aim:.1f}", value <= aim if time else value >= aim, native=round(native, 2),
                        round_trips=round(trips, 3), spread=round(spread(rounds), 2), raw_round_trip_us=round(rates["round_trip_us"], 2),
                        raw_stream_mb_s=round(rates["stream_mb_s"]))
        print(line)
