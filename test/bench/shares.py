"""Share error, sum of slices, and whether the agent's own account agrees with what the programs counted."""
import statistics

from harness import median, note, spread
from turns import Turns


def loads(loops):
    """The kinds of tenants: kernels of 0.1, 1 and 10 ms, a mix, and recorded command buffers of 1 ms."""
    return {
        "100us": ["--loops", str(loops[100]), "--depth", "8"],
        "1ms": ["--loops", str(loops[1000]), "--depth", "4"],
        "10ms": ["--loops", str(loops[10000]), "--depth", "2"],
        "mix": ["--loops", f"{loops[100]},{loops[1000]},{loops[100]},{loops[10000]},{loops[100]}", "--depth", "4"],
        "buffer": ["--loops", str(loops[1000]), "--mode", "buffer"],
    }


CONFIGURATIONS = [  # (share in percent, kind of load) of each tenant
    [(50, "1ms"), (50, "1ms")],
    [(10, "1ms"), (90, "1ms")],
    [(30, "100us"), (70, "10ms")],
    [(20, "buffer"), (80, "1ms")],
    [(10, "mix"), (30, "1ms"), (60, "100us")],
    [(20, "10ms"), (30, "buffer"), (50, "mix")],
]


def charged(agent):
    return {name: row["charged_ns"] for name, row in agent.use().items()}


TURNS_A_WINDOW = 5


def measure(agent, figures, loops, windows, window_seconds, configurations=None, of="", least=97, also=()):
    """Slices and one native process of each kind take turns; a window is TURNS_A_WINDOW turns of the slices. Each has
    processes of its own: of two equal processes one can be a tenth slower for as long as it lives. `of` begins the
    figures' names; `least` is the target of the sum. `also`: names that the agent runs without a slice in another way
    than natively; what slices get of those is told beside it."""
    kinds = loads(loops)
    turn = int(window_seconds * 1000 / TURNS_A_WINDOW)
    errors, sums, disagreements, details = [], [], [], []
    others = {name: ([], []) for name in also}  # errors, sums
    for configuration in configurations or CONFIGURATIONS:
        names = [f"t{i}" for i in range(len(configuration))]
        for name, (share, _) in zip(names, configuration):
            agent.slice(name, f"{share}%", qos="fixed")
        alone = sorted({kind for _, kind in configuration})
        groups = [[(reference, kinds[kind])] for reference in (None, *also) for kind in alone]
        groups += [[(n, kinds[k]) for n, (_, k) in zip(names, configuration)]]
        got, total, own = [[] for _ in names], [], dict.fromkeys(names, 0)
        of_others = {name: [[] for _ in names] for name in also}
        for _ in range(windows):
            turns = Turns(agent, groups, turn, TURNS_A_WINDOW + 1, sample=lambda: charged(agent))
            rounds = range(1, TURNS_A_WINDOW + 1)
            for name in names:
                own[name] += sum(after[name] - before[name] for before, after in turns.samples[1:])
            native = {kind: sum(turns.rate(i, 0, r) for r in rounds) for i, kind in enumerate(alone)}
            done = [sum(turns.rate(len(groups) - 1, i, r) for r in rounds) for i in range(len(names))]
            shares = [work / native[kind] * 100 for work, (_, kind) in zip(done, configuration)]
            for place, reference in enumerate(also, 1):
                for i, (_, kind) in enumerate(configuration):
                    whole = sum(turns.rate(place * len(alone) + alone.index(kind), 0, r) for r in rounds)
                    of_others[reference][i].append(done[i] / whole * 100)
            total.append(sum(shares))
            for i, share in enumerate(shares):
                got[i].append(share)
        row = []
        for i, (share, kind) in enumerate(configuration):
            part, account = median(got[i]) / median(total) * 100, own[names[i]] / sum(own.values()) * 100
            errors.append(abs(median(got[i]) - share))
            disagreements.append(abs(part - account))
            row.append(f"{share}% {kind}: {median(got[i]):.1f}+-{spread(got[i]):.1f} of native, {part:.1f} of all slices' "
                       f"(own account {account:.1f})")
        for reference, parts in of_others.items():
            parts = [median(part) for part in parts]
            others[reference][0].extend(abs(part - share) for part, (share, _) in zip(parts, configuration))
            others[reference][1].append(sum(parts))
            row.append(f"of {reference}: {', '.join(f'{part:.1f}' for part in parts)}")
        sums.append(median(total))
        details.append("; ".join(row) + f"; sum {median(total):.1f}+-{spread(total):.1f}")
        note(details[-1])
        agent.drop(*names)
    figures.add(of + "share error, mean", statistics.mean(errors), "points", "<= 2", statistics.mean(errors) <= 2, detail=details)
    figures.add(of + "share error, worst", max(errors), "points", "<= 5", max(errors) <= 5)
    figures.add(of + "own account against programs, worst", max(disagreements), "points", "<= 2", max(disagreements) <= 2)
    figures.add(of + "sum of slices, mean of configurations", statistics.mean(sums), "% of native", f">= {least}",
                statistics.mean(sums) >= least, worst=round(min(sums), 1))
    for reference, (errors, sums) in others.items():
        figures.add(f"{of}share error against {reference}, mean", statistics.mean(errors), "points", "<= 2", statistics.mean(errors) <= 2)
        figures.add(f"{of}sum of slices, mean of configurations, against {reference}", statistics.mean(sums), f"% of {reference}",
                    f">= {least}", statistics.mean(sums) >= least, worst=round(min(sums), 1))
