"""Shares of several served slices: the configurations of shares.py whose programs have their cards behind workers. The native
processes that they take turns with have the driver in themselves. What serving costs on a card that is the host's own processor
is no matter of shares, so the slices are also set against the same programs served alone, on the whole card."""
import contextlib
import subprocess
import sys

import shares
from harness import ROOT, Agent, build_dir, loops_for, note, tool

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import Worker  # noqa: E402

ALONE = "the same served alone"

CONFIGURATIONS = [shares.CONFIGURATIONS[0], shares.CONFIGURATIONS[4], shares.CONFIGURATIONS[5]]


class ServedAgent(Agent):
    """The workers of programs served alone are of the tests: one program each, no agent and no slice."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.workers = contextlib.ExitStack()

    def __exit__(self, *error):
        self.workers.close()
        super().__exit__(*error)

    def popen(self, slice_name, command, **kw):
        if slice_name is None:
            return super().popen(None, command, **kw)
        if slice_name == ALONE:
            worker = self.workers.enter_context(Worker(str(build_dir()), "shm"))
            return subprocess.Popen(command, env=worker.env, text=True, **kw)
        return super().popen(None, [tool("flexai"), "run", "--isolation", "served", "--slice", slice_name, "--", *command], **kw)


# A card of one of the host's processors, as the driver has them; calls and programs have the other, as they have a processor beside any card
# that is none.
APART = {"POCL_MAX_PTHREAD_COUNT": "1"}


def measure(figures, windows, seconds):
    """A half of the windows for the card of one processor."""
    _of_card(figures, windows, seconds, {}, "served slices, ", (ALONE,))
    _of_card(figures, (windows + 1) // 2, seconds, APART, "served slices, card on a processor of its own, ", ())


def _of_card(figures, windows, seconds, env, of, also):
    with ServedAgent(env) as agent:
        loops = {us: loops_for(agent, us) for us in (100, 1000, 10000)}
        note(f"{of}loops for 0.1, 1, 10 ms: {loops}")
        shares.measure(agent, figures, loops, windows, seconds, CONFIGURATIONS, of, 95, also)
