"""What Flexai costs and does on a real Kubernetes, beside what kube-scheduler does by itself.

usage: kube.py [--json FILE] [--only PART,PART] [--nodes N,N] [--pods N] [--rates N,N] [--rounds N] [--build FOLDER]
       kube.py --experiment mission [--results FOLDER] [--build FOLDER]

Parts: allocations, offered, scale, where nodes and cards are objects; no root is needed, but as root what is measured goes before other work of
this machine. Part pods needs root, and is left out without: a full cluster whose pods run. So does the experiment, which runs a fixed set of jobs on a
full cluster."""
import argparse
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "cluster"))
import harness  # noqa: E402
from harness import ROOT, median, note, spread  # noqa: E402

PARTS = ("allocations", "offered", "scale")
FULL = ("pods",)  # on a full cluster, and so only for root


def figures_of_allocations(figures, bench, args):
    import allocations
    kinds = {"hi": allocations.ours, "kube-scheduler": lambda b, n: allocations.theirs(b, n, False),
             "binding": lambda b, n: allocations.theirs(b, n, True)}
    for nodes in args.nodes:
        bench.nodes(nodes)
        runs = {kind: [] for kind in kinds}
        for _ in range(args.rounds):
            for kind, run in kinds.items():
                runs[kind].append(run(bench, args.pods))
                note(f"{nodes} nodes, {kind}: {json.dumps(runs[kind][-1])}")
        figures.facts.setdefault("runs", {})[nodes] = runs
        add_allocations(figures, nodes, runs)


def add_allocations(figures, nodes, runs):
    def of(kind, what):
        return [run[what] for run in runs[kind]]

    def pairs(kind, what, other, of_other):
        return [a / b for a, b in zip(of(kind, what), of(other, of_other))]
    ratio = pairs("hi", "allocations_per_s", "kube-scheduler", "allocations_per_s")
    figures.add(f"allocations a second, {nodes} nodes", median(ratio), "x kube-scheduler", ">= 4", median(ratio) >= 4, spread=spread(ratio),
                hi=median(of("hi", "allocations_per_s")), kube_scheduler=median(of("kube-scheduler", "allocations_per_s")))
    bound = pairs("hi", "bound_per_s", "binding", "bound_per_s")
    figures.add(f"bound a second, {nodes} nodes", median(bound), "x kube-scheduler binding what is allocated", ">= 0.95", median(bound) >= 0.95,
                spread=spread(bound), hi=median(of("hi", "bound_per_s")), binding=median(of("binding", "bound_per_s")),
                kube_scheduler_alone=median(of("kube-scheduler", "bound_per_s")))
    ours, theirs = median(of("hi", "writes_per_pod")), median(of("kube-scheduler", "writes_per_pod"))
    figures.add(f"API writes a pod, {nodes} nodes", ours, "all writes but leases of elections", f"< {theirs:.2f} + 2", ours < theirs + 1.99,
                writes=runs["hi"][-1]["writes"])
    cpu, stock = median(of("hi", "cpu_ms_per_pod")), median(of("kube-scheduler", "cpu_ms_per_pod"))
    figures.add(f"CPU a pod, {nodes} nodes", cpu, "ms", f"< kube-scheduler's {stock:.2f}", cpu < stock,
                binding=median(of("hi", "binding_cpu_ms_per_pod")))


def figures_of_offered(figures, bench, args):
    import offered
    bench.nodes(args.nodes[0])
    for rate in args.rates:
        floors, kinds = [], {False: [], True: []}
        for _ in range(args.rounds):
            floors.append(offered.floor(bench, args.pods * 2, rate))
            note(f"{rate} pods/s, the write alone: {json.dumps(floors[-1])}")
            for binds, runs in kinds.items():
                runs.append(offered.offered(bench, args.pods * 2, rate, binds))
                note(f"{rate} pods/s, kube-scheduler {'binds' if binds else 'is down'}: {json.dumps(runs[-1])}")
        for binds, runs in kinds.items():
            part = median([run["within_20ms"] for run in runs])
            figures.add(f"pod seen to allocation written at {rate} pods/s offered, kube-scheduler {'beside it' if binds else 'down'}: within 20 ms",
                        100 * part, "%", ">= 99", part >= 0.99,
                        **{what: median([run[what] for run in runs]) for what in ("p50_ms", "p99_ms", "mean_ms")},
                        came_per_s=median([run["offered_per_s"] for run in runs]),
                        write_alone={what: median([one[what] for one in floors]) for what in floors[0]})


def figures_of_scale(figures, bench, args):
    import scale
    found = scale.at_scale(bench, args.scale_nodes, args.scale_pods, args.rounds)
    what = f"{args.scale_nodes} nodes, {args.scale_pods} pods"
    figures.facts["scale"] = found
    resident, first = max(found["rss_mb"]), median(found["first_s"])
    figures.add(f"memory, {what}", resident, "MiB", "< 954 (1 GB)", resident < 954)
    figures.add(f"restart to first placement, {what}", first, "s", "< 3", first < 3, spread=spread(found["first_s"]),
                cpu_s=median(found["cpu_s"]), lists_alone_s=median(found["lists_alone_s"]))


def objects(figures, args, parts):
    from objects import Objects
    bench = Objects(str(args.build))
    try:
        for part in parts:
            globals()[f"figures_of_{part}"](figures, bench, args)
    finally:
        bench.down()


def experiment(args):
    """Not a figure of a target: what was announced for such a system, beside what is true here. Written to a folder, with a plot."""
    import mission
    import mission_page
    result = mission.mission(args.build)
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "mission.json").write_text(json.dumps(result) + "\n", encoding="utf-8")
    (args.results / "mission.svg").write_text(mission_page.plot(result), encoding="utf-8")
    (args.results / "mission.md").write_text(mission_page.page(result), encoding="utf-8")
    whole, slices = result["summary"]["whole"], result["summary"]["slices"]
    alone = result["summary"]["service_alone"]["service_p99_ms"]
    for name, of in (("whole cards", whole), ("slices", slices)):
        print(f"{name}: busy {100 * of['busy']:.0f} %, done in {of['makespan_s']:.0f} s, {of['jobs_an_hour']:.0f} jobs an hour, a training from made to "
              f"done {of['training_turnaround_s']:.0f} s, a request's P99 {of['service_p99_ms']:.0f} ms ({of['service_p99_ms'] / alone:.2f} of alone)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=None)
    parser.add_argument("--nodes", type=lambda text: [int(word) for word in text.split(",")], default=[100, 1000])
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--rates", type=lambda text: [int(word) for word in text.split(",")], default=[50, 200], help="pods a second, offered")
    parser.add_argument("--scale-nodes", type=int, default=5000)
    parser.add_argument("--scale-pods", type=int, default=50000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=harness.build_dir())
    parser.add_argument("--turns", type=int, default=10, help="pods that are started, of each kind")
    parser.add_argument("--experiment", choices=["mission"], help="the same jobs with whole cards and with slices, on a full cluster; needs root")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/results", help="where the experiment's result goes")
    args = parser.parse_args()
    args.build = args.build.resolve()
    if args.experiment:
        return experiment(args)
    if args.only is None:
        args.only = [*PARTS, *(FULL if os.geteuid() == 0 else ())]
        if os.geteuid() != 0:
            note("not root: part pods, which needs nodes whose pods run, is left out")
    wrong = [part for part in args.only if part not in PARTS + FULL]
    if wrong:
        parser.error(f"--only {wrong[0]}: parts are {', '.join(PARTS + FULL)}")
    figures = harness.Figures("kube")
    figures.facts["build"] = str(args.build.name)
    if chosen := [part for part in PARTS if part in args.only]:
        objects(figures, args, chosen)
    if "pods" in args.only:
        import full
        full.figures_of(figures, args.build, args.turns)
    sys.exit(figures.finish(args.json))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
