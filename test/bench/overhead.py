"""What a slice costs a program that has the card to itself: with and without, in turns.

Of two equal native processes one can be several percent slower for its whole life (where its pages lie), so each pair of
processes is new and a figure is the median over pairs."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from harness import MS, ROOT, median, now_ns, spread, tool
from pair import Hashcat
from turns import SETTLE, alternate, kill, proceed, standard_error, stop


def programs(agent, figures, rounds):
    agent.slice("alone", "50%", qos="elastic", memory="1200MiB")
    launch_latency(agent, figures, rounds)
    pairs = rounds * 3 // 4
    python = str(ROOT / ".venv" / "bin" / "python")
    train = str(ROOT / "test" / "programs" / "train_tinygrad.py")
    traced(agent, figures, "CLBlast GEMM", [tool("gemm-clblast"), "--n", "384"], pairs)
    traced(agent, figures, "tinygrad step", [python, train], pairs)
    hashcat(agent, figures, pairs)
    agent.drop("alone")


def launches(agent):
    return agent.use()["alone"]["launches"]


def launch_latency(agent, figures, rounds):
    before, got = launches(agent), {None: [], "alone": []}
    for i in range(rounds):
        for where in [None, "alone"] if i % 2 == 0 else ["alone", None]:
            process = agent.popen(where, ["clpeak", "--kernel-latency"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, err = process.communicate()
            found = re.search(r"Kernel launch latency\s*:\s*([\d.]+)", out)
            if found is None:
                sys.exit(f"clpeak in slice {where}: exit {process.returncode}\n{out[-400:]}\n{err[-800:]}")
            got[where].append(float(found.group(1)))
    metered = launches(agent) - before
    added = median(got["alone"]) - median(got[None])
    figures.add("overhead, clpeak launch latency, added", added, "us", "<= 0.3", added <= 0.3 and metered > 0,
                native_us=round(median(got[None]), 2), spread=round(spread(got["alone"]), 2), rounds=rounds, metered_launches=metered)


def traced(agent, figures, name, command, pairs):
    """Programs that write down when each piece of work was done."""
    before = launches(agent)
    ratios = [_traced_pair(agent, command) for _ in range(pairs)]
    _add(figures, name, ratios, launches(agent) - before)


def _traced_pair(agent, command, turn=0.5, turns=6):
    """Native rate by sliced rate of two new processes."""
    start = now_ns() + int(8e9)
    folder = tempfile.mkdtemp(dir=agent.dir)
    traces = [os.path.join(folder, "native"), os.path.join(folder, "slice")]
    runs = [agent.popen(where, [*command, "--start", str(start), "--seconds", str(2 * turn * turns + 2), "--trace", trace],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) for where, trace in zip((None, "alone"), traces)]
    _sleep_until(start - 500 * MS)
    for run in runs:
        stop(run)
    spans = alternate([[run] for run in runs], turn, turns)
    for run in runs:
        proceed(run)
    for run in runs:
        out, err = run.communicate()
        if run.returncode != 0:
            sys.exit(f"{command[0]}: exit {run.returncode}\n{out[-400:]}\n{err[-800:]}")
    done = []
    for trace in traces:
        with open(trace) as f:
            done.append([int(line.split()[0]) for line in f])
    rates = [[_rate(points, span) for points, span in zip(done, both)] for both in zip(*spans)]
    ratios = [native / sliced for native, sliced in rates if native and sliced]
    if not ratios:
        sys.exit(f"{command[0]}: too little work in a turn of {turn} s to compare")
    return median(ratios)


def _rate(points, span):
    """Pieces of work a nanosecond between the first and the last that ended in the span."""
    inside = [t for t in points if span[0] + SETTLE <= t <= span[1]]
    return (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 2 else 0


def hashcat(agent, figures, pairs):
    before, ratios = launches(agent), []
    for _ in range(pairs):
        runs = []
        try:
            for where in (None, "alone"):
                runs.append(Hashcat(agent, where).started())
                stop(runs[-1].process)
            spans = alternate([[run.process] for run in runs], 3, 2)
            ratios.append(runs[0].speed(spans[0]) / runs[1].speed(spans[1]))
        finally:
            for run in runs:
                kill(run.process)
    _add(figures, "hashcat MD5", ratios, launches(agent) - before)


def _add(figures, name, ratios, metered):
    percent = (median(ratios) - 1) * 100
    figures.add("overhead, " + name, percent, "%", "<= 1", percent <= 1 and metered > 0,
                standard_error=round(standard_error(ratios) * 100, 2), pairs=len(ratios), metered_launches=metered)


def _sleep_until(when):
    time.sleep(max(0, (when - now_ns()) / 1e9))


def hot_path(agent, figures):
    agent.slice("hot", "50%", qos="elastic")
    out = agent.popen("hot", [tool("flexai-hot-path")], stdout=subprocess.PIPE).communicate()[0]
    agent.drop("hot")
    ns = json.loads(out)["admit_ns"]
    figures.add("hot path, admitted launch without contention", ns, "ns", "<= 100", ns <= 100)
