"""What the agent costs: 1,000 slices and 200 tenant processes, idle."""
import os
import subprocess
import time

from harness import Agent, note, tool


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def cpu_ns(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def measure(figures, quick):
    slices, processes = (100, 20) if quick else (1000, 200)
    with Agent({"POCL_DEVICES": " ".join(["pthread"])}) as agent:
        card = agent.card()
        for i in range(slices):
            agent.cli("slice", "create", f"s{i}", "--card", card, "--compute", "0.1%", "--memory", "4MiB")
        note(f"{slices} slices")
        children = [agent.popen(f"s{i}", [tool("flexai-hot-path"), "--hold"], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
                    for i in range(processes)]
        for child in children:
            child.stdout.readline()
        time.sleep(3)
        pid = agent.process.pid
        before, t = cpu_ns(pid), time.monotonic()
        time.sleep(10)
        percent = (cpu_ns(pid) - before) / 1e9 / (time.monotonic() - t) * 100
        mib = rss_kib(pid) / 1024
        for child in children:
            child.stdin.close()
        for child in children:
            child.wait()
    figures.add(f"agent memory, {slices} slices, {processes} processes", mib, "MiB", "< 100", mib < 100)
    figures.add("agent CPU when idle", percent, "% of a core", "< 1", percent < 1)
