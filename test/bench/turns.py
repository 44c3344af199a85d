"""Comparisons on a machine that drifts: every program runs all the time, but each works only in its turn, so that
what is compared was measured within the same few seconds. Programs that know --turn stand still by themselves, all
others are stopped and continued by signals."""
import os
import signal
import statistics
import time

from harness import MS, Load, children_of, now_ns, work_between

SETTLE = 100 * MS  # of every turn: caches, and credit saved while standing still


class Turns:
    """Load programs that take turns. `groups`: one list of (slice or None, load arguments) per turn. `sample` is
    called at the begin and end of what counts of the last group's turns."""

    def __init__(self, agent, groups, milliseconds, rounds, lead=1.5, sample=None):
        self.length, self.count, self.rounds = milliseconds * MS, len(groups), rounds
        self.start = now_ns() + int(lead * 1e9)
        seconds = milliseconds / 1000 * len(groups) * rounds
        loads = [[Load(agent, name, [*args, "--start", str(self.start), "--turn", f"{milliseconds}:{i}:{len(groups)}"],
                       seconds, self.start) for name, args in group] for i, group in enumerate(groups)]
        self.samples = self._sample(sample) if sample else []
        self.points = [[load.collect() for load in group] for group in loads]

    def span(self, group, round_):
        """What counts of a group's turn: (begin, end)."""
        begin = self.start + (round_ * self.count + group) * self.length
        return begin + SETTLE, begin + self.length

    def _sample(self, sample):
        """What `sample` says at begin and end of each span of the last group."""
        samples = []
        for round_ in range(self.rounds):
            row = []
            for when in self.span(self.count - 1, round_):
                time.sleep(max(when - now_ns(), 0) / 1e9)
                row.append(sample())
            samples.append(row)
        return samples

    def rate(self, group, member, round_):
        """Work per nanosecond of one program in one of its turns."""
        begin, end = self.span(group, round_)
        return work_between(self.points[group][member], begin, end) / (end - begin)


def alternate(groups, seconds, turns):
    """Lets groups of processes (Popen, all started and stopped) run one after the other, `turns` times each. Returns
    for each group the list of (begin, end) of its turns, in nanoseconds."""
    spans = [[] for _ in groups]
    for _ in range(turns):
        for i, group in enumerate(groups):
            for process in group:
                proceed(process)
            begin = now_ns()
            time.sleep(seconds)
            spans[i].append((begin, now_ns()))
            for process in group:
                stop(process)
    return spans


def stop(process):
    _signal_tree(process.pid, signal.SIGSTOP)


def proceed(process):
    _signal_tree(process.pid, signal.SIGCONT)


def kill(process):
    _signal_tree(process.pid, signal.SIGKILL)
    process.wait()


def _signal_tree(pid, what):
    """The program itself, not the launcher that passes its exit code on."""
    for child in children_of(pid):
        _signal_tree(child, what)
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


def standard_error(values):
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
