"""What a slice costs a program that has the card to itself: with and without, alternating, ratio of each pair."""
import json
import re
import subprocess
import sys

from harness import ROOT, median, note, spread, tool


def clpeak_latency(text):
    return float(re.search(r"Kernel launch latency\s*:\s*([\d.]+)", text).group(1))


def gemm_time(text):
    return 1.0 / json.loads(text.strip().splitlines()[-1])["gflops"]


def hashcat_time(text):
    speeds = [json.loads(line)["devices"][0]["speed"] for line in text.splitlines() if line.startswith("{")]
    steady = [s for s in speeds[1:] if s > 0] or speeds
    return 1.0 / median(steady)


def tinygrad_step(text):
    return json.loads(text.strip().splitlines()[-1])["step_ms_median"]


HASHCAT = ["hashcat", "-m", "0", "-a", "3", "-D", "1", "--potfile-disable", "--logfile-disable", "--restore-disable", "-w", "3", "-O", "--runtime=9", "--status", "--status-timer", "1",
           "--status-json", "ffffffffffffffffffffffffffffffff", "?a?a?a?a?a?a?a?a"]


def measured():
    python = str(ROOT / ".venv" / "bin" / "python")
    train = str(ROOT / "test" / "programs" / "train_tinygrad.py")
    return {
        "clpeak launch latency": (["clpeak", "--kernel-latency"], clpeak_latency, "us"),
        "CLBlast GEMM": ([tool("gemm-clblast"), "--n", "384", "--seconds", "3"], gemm_time, "s/Gflop"),
        "hashcat MD5": (HASHCAT, hashcat_time, "s/hash"),
        "tinygrad step": ([python, train, "--seconds", "4", "--json"], tinygrad_step, "ms"),
    }


def run(agent, slice_name, command, read):
    process = agent.popen(slice_name, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    try:
        return read(out)
    except (AttributeError, KeyError, ValueError, IndexError) as e:
        sys.exit(f"{command[0]} in slice {slice_name}: exit {process.returncode}, {e!r}\n{out[-400:]}\n{err[-800:]}")


def launches(agent):
    return agent.use()["alone"]["launches"]


def programs(agent, figures, pairs):
    agent.slice("alone", "50%", qos="elastic")
    for name, (command, read, unit) in measured().items():
        run(agent, None, command, read)  # kernels into the cache
        before = launches(agent)
        ratios, with_slice, without = [], [], []
        for i in range(pairs):
            order = [None, "alone"] if i % 2 == 0 else ["alone", None]
            got = {where: run(agent, where, command, read) for where in order}
            ratios.append(got["alone"] / got[None])
            with_slice.append(got["alone"])
            without.append(got[None])
        metered = launches(agent) - before
        percent = (median(ratios) - 1) * 100
        more = dict(spread=round(spread(ratios) * 100, 2), pairs=pairs, metered_launches=metered)
        if name == "clpeak launch latency":
            added = median(with_slice) - median(without)
            figures.add("overhead, " + name + ", added", added, "us", "<= 0.3", added <= 0.3 and metered > 0,
                        native_us=round(median(without), 2), **more)
        else:
            figures.add("overhead, " + name, percent, "%", "<= 1", percent <= 1 and metered > 0, **more)
    agent.drop("alone")


def hot_path(agent, figures):
    agent.slice("hot", "50%", qos="elastic")
    out = agent.popen("hot", [tool("flexai-hot-path")], stdout=subprocess.PIPE).communicate()[0]
    agent.drop("hot")
    ns = json.loads(out)["admit_ns"]
    figures.add("hot path, admitted launch without contention", ns, "ns", "<= 100", ns <= 100)
