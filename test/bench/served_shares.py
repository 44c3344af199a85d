"""Shares of several served slices: the configurations of shares.py whose programs have their cards behind workers. The native
processes that they take turns with have the driver in themselves."""
import shares
from harness import Agent, loops_for, note, tool

CONFIGURATIONS = [shares.CONFIGURATIONS[0], shares.CONFIGURATIONS[4], shares.CONFIGURATIONS[5]]


class ServedAgent(Agent):
    def popen(self, slice_name, command, **kw):
        if slice_name is None:
            return super().popen(None, command, **kw)
        return super().popen(None, [tool("flexai"), "run", "--isolation", "served", "--slice", slice_name, "--", *command], **kw)


def measure(figures, windows, seconds):
    with ServedAgent() as agent:
        loops = {us: loops_for(agent, us) for us in (100, 1000, 10000)}
        note(f"loops for 0.1, 1, 10 ms: {loops}")
        shares.measure(agent, figures, loops, windows, seconds, CONFIGURATIONS, "served slices, ", 95)
