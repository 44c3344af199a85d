"""Two hashcats at 30 and 70 % of one card against one that has it alone, in turns; then a live resize of the pair."""
import json
import subprocess
import threading
import time

from harness import note, now_ns
from turns import alternate, kill, stop

COMMAND = ["hashcat", "-m", "0", "-a", "3", "-D", "1", "--potfile-disable", "--logfile-disable", "--restore-disable", "--force", "-n", "256", "-u", "1024",
           "-O", "--status", "--status-timer", "1", "--status-json", "ffffffffffffffffffffffffffffffff", "?a?a?a?a?a?a?a?a"]


class Hashcat:
    """One run. What it says of its progress is kept with the time it said it."""

    def __init__(self, agent, slice_name):
        self.said = []  # (nanoseconds, candidates tried)
        self.process = agent.popen(slice_name, [*COMMAND, "--session", f"pair-{slice_name}"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.said.append((now_ns(), json.loads(line)["progress"][0]))

    def started(self, timeout=120):
        end = time.time() + timeout
        while time.time() < end and self.process.poll() is None:
            if len(self.said) > 2 and self.said[-1][1] > self.said[0][1]:
                return self
            time.sleep(0.1)
        raise SystemExit("hashcat did not start")

    def speed(self, spans):
        """Candidates a second over all of its turns. It says what it tried only now and then, but loses nothing while
        it is stopped: so from the first word in its turns to the last, over the time it ran between these."""
        words = [(t, n, i) for i, (begin, end) in enumerate(spans) for t, n in self.said if begin <= t <= end]
        if len(words) < 2:
            return 0.0
        (t0, n0, i0), (t1, n1, i1) = words[0], words[-1]
        ran = t1 - t0 - sum(spans[i + 1][0] - spans[i][1] for i in range(i0, i1))
        return (n1 - n0) / (ran / 1e9)


def measure(agent, figures, seconds):
    turn = 6 if seconds >= 60 else 4
    for name, share in (("p30", "30%"), ("p70", "70%")):
        agent.slice(name, share, qos="fixed", memory="1200MiB")
    runs = {}
    try:
        for name in (None, "p30", "p70"):
            runs[name] = Hashcat(agent, name).started()
            stop(runs[name].process)
        speeds = _in_turns(runs, turn, max(2, seconds // turn))
        _report(figures, "hashcat pair 30/70", speeds, 30)
        agent.cli("slice", "set", "p70", "--compute", "50%")
        agent.cli("slice", "set", "p30", "--compute", "50%")
        speeds = _in_turns(runs, turn, max(2, seconds // turn // 3))
        _report(figures, "hashcat pair after a live resize to 50/50", speeds, 50)
    finally:
        for run in runs.values():
            kill(run.process)
    agent.drop("p30", "p70")


def _in_turns(runs, turn, turns):
    spans = alternate([[runs[None].process], [runs["p30"].process, runs["p70"].process]], turn, turns)
    alone = runs[None].speed(spans[0])
    return [runs[name].speed(spans[1]) / alone * 100 for name in ("p30", "p70")]


def _report(figures, what, speeds, first):
    total = sum(speeds)
    part = speeds[0] / total * 100
    note(f"{what}: {speeds[0]:.1f} and {speeds[1]:.1f} % of hashcat alone")
    figures.add(f"{what}, share of the first", part, "%", f"{first} +- 3", abs(part - first) <= 3)
    figures.add(f"{what}, sum", total, "% of hashcat alone", ">= 97", total >= 97)
