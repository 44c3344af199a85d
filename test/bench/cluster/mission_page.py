"""The result of the experiment for people: a page and a plot."""

COLOURS = {"training": "#4878a8", "service": "#c05050", "notebook": "#70a060"}


def plot(result):
    """An SVG: how busy the card was, and when each job waited (grey) and ran, with whole cards and with slices."""
    width, left, top, row = 900, 60, 30, 11
    runs = {name: result["runs"][name] for name in ("whole", "slices")}
    longest = max(result["summary"][name]["makespan_s"] for name in runs)
    height = len(runs) * (top + 100 + row * len(result["jobs"]) + 40) + 10

    def x(when):
        return left + (width - left - 20) * when / longest
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="white"/>']

    def text(at, y, words, anchor="start"):
        parts.append(f'<text x="{at:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>')
    y = 0
    for name, run in runs.items():
        of = result["summary"][name]
        y += top
        text(left, y - 10, f'{"A whole card each, by kube-scheduler" if name == "whole" else "A slice each, by the hi-scheduler"}: done in '
             f'{of["makespan_s"]:.0f} s, card busy {100 * of["busy"]:.0f} %')
        text(left - 6, y + 8, "100 %", "end")
        text(left - 6, y + 90, "0 %", "end")
        parts.append(f'<rect x="{left}" y="{y}" width="{width - left - 20}" height="90" fill="#f6f6f6"/>')
        line = " ".join(f"{x(when):.1f},{y + 90 - 90 * min(1, part):.1f}" for when, part in run["load"] if when <= of["makespan_s"])
        parts.append(f'<polyline points="{line}" fill="none" stroke="#333"/>')
        y += 100
        for job_name, job in run["jobs"].items():
            for begin, end, colour in ((job["made"], job["ran"], "#ddd"), (job["ran"], job["ended"], COLOURS[job["kind"]])):
                parts.append(f'<rect x="{x(begin):.1f}" y="{y}" width="{max(0.5, x(end) - x(begin)):.1f}" height="{row - 2}" fill="{colour}"/>')
            text(left - 6, y + row - 3, job_name.split("-")[0], "end")
            y += row
        for tick in range(0, int(longest) + 1, 30):
            text(x(tick), y + 14, f"{tick} s", "middle")
        y += 40
    return "\n".join([*parts, "</svg>", ""])


def page(result):
    """Markdown. Nothing is said in it that the result does not say."""
    of = result["summary"]
    whole, slices, service, training = (of[name] for name in ("whole", "slices", "service_alone", "training_alone"))

    def row(what, get, form, better=None):
        cells = [form.format(get(one)) for one in (whole, slices)]
        return f"| {what} | {cells[0]} | {cells[1]} | {'' if better is None else f'{better(get(whole), get(slices)):.2f} x'} |"
    counts = {kind: sum(one == kind for one, _ in result["jobs"]) for kind in result["kinds"]}
    return "\n".join([
        "# The same jobs with whole cards and with slices", "",
        "`./dev bench kube --experiment mission` writes this page. One card (PoCL, a processor as OpenCL card) of a full cluster, "
        f"{len(result['jobs'])} jobs: {', '.join(f'{count} of kind {kind}' for kind, count in counts.items())}. The same program, driver, node and moments "
        "at which pods are made; only the claim differs: a whole card that kube-scheduler allocates, or a slice that the hi-scheduler does. Both run served, by the "
        "same agent. A training computes " f"{100 * training['busy_s'] / training['training_runs_s']:.0f} % of its time when it is alone and reads in between; a service gets its requests in bursts; "
        "in a notebook somebody runs a cell now and then. `test/bench/cluster/mission.py` has the set.", "",
        "| | whole cards | slices | |", "|---|---|---|---|",
        row("card busy, of the time until all was done", lambda one: 100 * one["busy"], "{:.0f} %", lambda a, b: b / a),
        row("device time used", lambda one: one["busy_s"], "{:.0f} s"),
        row("all done after", lambda one: one["makespan_s"], "{:.0f} s", lambda a, b: a / b),
        row("jobs an hour", lambda one: one["jobs_an_hour"], "{:.0f}", lambda a, b: b / a),
        row("a job waits for its card, mean", lambda one: one["waited_s"], "{:.1f} s"),
        row("a training, from made to done, mean", lambda one: one["training_turnaround_s"], "{:.1f} s", lambda a, b: a / b),
        row("a training, from running to done, mean", lambda one: one["training_runs_s"], "{:.1f} s", lambda a, b: a / b),
        row("a service waits before its first request can be answered", lambda one: one["service_waited_s"], "{:.1f} s"),
        row("a request, from coming to answered, median", lambda one: one["service_p50_ms"], "{:.1f} ms"),
        row("a request, from coming to answered, P99", lambda one: one["service_p99_ms"], "{:.1f} ms"),
        "", "One run of each. The card is the machine's processors, which the control plane and whoever else computes there use too: kernels take longer "
        "when more is going on, and that counts as device time.", "", f"Alone on the card, with a slice of its size, a service's requests take {service['service_p50_ms']:.1f} ms (median) and {service['service_p99_ms']:.1f} ms (P99, of "
        f"{service['requests']}): {slices['service_p99_ms'] / service['service_p99_ms']:.2f} of that with slices beside all others, "
        f"{whole['service_p99_ms'] / service['service_p99_ms']:.2f} with a whole card. A training alone takes {training['training_runs_s']:.1f} s.", "",
        "![When the card was busy, and when each job waited and ran](mission.svg)", ""])
