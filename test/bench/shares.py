"""Share error, sum of slices, and whether the agent's own account agrees with what the programs counted."""
import statistics

from harness import median, note, spread, together, work_between


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


def measure(agent, figures, loops, windows, seconds):
    kinds = loads(loops)
    errors, sums, disagreements, details = [], [], [], []
    for configuration in CONFIGURATIONS:
        names = [f"t{i}" for i in range(len(configuration))]
        for name, (share, _) in zip(names, configuration):
            agent.slice(name, f"{share}%", qos="fixed")
        got, total, own = [[] for _ in names], [], [[] for _ in names]
        for _ in range(windows):
            native = {}
            for kind in sorted({kind for _, kind in configuration}):
                points, begin, end = together(agent, [(None, kinds[kind])], max(seconds / 3, 2))
                native[kind] = work_between(points[0], begin, end) / (end - begin)
            before = charged(agent)
            points, begin, end = together(agent, [(n, kinds[k]) for n, (_, k) in zip(names, configuration)], seconds)
            after = charged(agent)
            shares = [work_between(p, begin, end) / (end - begin) / native[k] * 100 for p, (_, k) in zip(points, configuration)]
            total.append(sum(shares))
            all_charged = sum(after[n] - before[n] for n in names) or 1
            for i, name in enumerate(names):
                # Of what was done in this window: free of the machine's drift between the native run and this one.
                got[i].append(shares[i] / sum(shares) * 100)
                own[i].append((after[name] - before[name]) / all_charged * 100)
        row = []
        for i, (share, kind) in enumerate(configuration):
            errors.append(abs(median(got[i]) - share))
            disagreements.append(abs(median(got[i]) - median(own[i])))
            row.append(f"{share}% {kind}: {median(got[i]):.1f}+-{spread(got[i]):.1f} (own account {median(own[i]):.1f})")
        sums.append(median(total))
        details.append("; ".join(row) + f"; sum {median(total):.1f}+-{spread(total):.1f}")
        note(details[-1])
        agent.drop(*names)
    figures.add("share error, mean", statistics.mean(errors), "points", "<= 2", statistics.mean(errors) <= 2, detail=details)
    figures.add("share error, worst", max(errors), "points", "<= 5", max(errors) <= 5)
    figures.add("own account against programs, worst", max(disagreements), "points", "<= 2", max(disagreements) <= 2)
    figures.add("sum of slices, median of configurations", median(sums), "% of native", ">= 97", median(sums) >= 97,
                worst=round(min(sums), 1))
