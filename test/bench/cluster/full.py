"""Pods that really run, on a full cluster: how long until one runs, what the agents cost while nothing happens, and what a service's requests
take beside a training that never rests."""
import json
import os
import re
import time

from harness import note
from mission import KINDS, LOOPS, Mission, percentile
from objects import of_pods, writes_of, written
from scheduling import DRA, wait

PREPARED = re.compile(r" us=\"?(\d+)")
AGENT = ("flexaid", "flexai-dra", "flexai-keeper")


def until_it_runs(cluster, ns, name, sliced):
    """From the request that makes the pod until the API server says that it runs, in ms."""
    began = cluster.make(ns, name, "short", sliced)
    path = f"/api/v1/namespaces/{ns}/pods/{name}"
    wait(lambda: cluster.api.get(path)["status"]["phase"] != "Pending", 60, 0.005)
    took = time.monotonic() - began
    cluster.api.delete(f"{path}?gracePeriodSeconds=0")
    wait(lambda: cluster.api.call("GET", path, expect=False)[0] == 404, 60)
    cluster.api.delete(f"{DRA}/namespaces/{ns}/resourceclaims/{name}")
    time.sleep(1)
    return 1000 * took


def starts(cluster, count):
    KINDS["short"] = (["--seconds", "30", "--pause-us", "1000000"], 100, {})
    cluster.with_hi(True)
    cluster.namespace("starts")
    found = {"slices": [], "whole": []}
    for turn in range(count + 1):
        for kind in found:
            found[kind].append(until_it_runs(cluster, "starts", f"{kind}{turn}", kind == "slices"))
    prepared = [int(match[1]) / 1000 for line in cluster.log("card").splitlines() if "msg=prepared" in line and (match := PREPARED.search(line))]
    cluster.clear("starts")
    # The first ones find nothing warm.
    return {kind: percentile(times[1:], 0.5) for kind, times in found.items()} | {"prepare_ms": percentile(prepared, 0.5)}


def use_of(cluster, program):
    """Seconds of processor and MiB of a program of the card's node, whose processes have numbers of their own."""
    pid = cluster.on("card", "pidof", "-s", program).strip()
    stat, status = cluster.on("card", "cat", f"/proc/{pid}/stat", f"/proc/{pid}/status").split("\n", 1)
    words = stat.rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"), int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def idle(cluster, seconds=60):
    """Of the agent's programs on the card's node, while there is nothing to do. Writes: of everybody in the cluster, by kind."""
    before, used, began = writes_of(cluster.api), {name: use_of(cluster, name)[0] for name in AGENT}, time.monotonic()
    time.sleep(seconds)
    took, now = time.monotonic() - began, {name: use_of(cluster, name) for name in AGENT}
    part = {name: 100 * (now[name][0] - used[name]) / took for name in AGENT}
    return {"cpu_percent": sum(part.values()), "cpu_percent_each": part, "rss_mb": sum(one[1] for one in now.values()),
            "writes_a_minute": {what: 60 * count / took for what, count in of_pods(written(before, writes_of(cluster.api))).items()}}


def beside(cluster, seconds=30):
    """A service with 30 % for itself: alone, and beside a training with 70 % that never rests, of higher priority than that and of the same.
    Requests come at the same random moments each time."""
    words = ["--seconds", str(seconds), "--rate", "10"]
    KINDS["same"] = (words, 300, {"qos": "fixed"})
    KINDS["high"] = (words, 300, {"qos": "fixed", "priority": "high"})
    KINDS["saturating"] = (["--seconds", str(seconds + 10), "--kernels", "4"], 700, {"qos": "fixed"})
    sets = {"alone": [("high", 0)], "high": [("saturating", 0), ("high", 3)], "same": [("saturating", 0), ("same", 3)]}
    said = {name: cluster.run_set(f"service-{name}", jobs, True)["jobs"][f"{jobs[-1][0]}-{len(jobs) - 1}"]["said"]["latency_ms"]
            for name, jobs in sets.items()}
    return {"loops": LOOPS, "requests": len(said["high"]), **{f"{name}_{part}_ms": percentile(values, at) for name, values in said.items()
                                                             for part, at in (("p50", 0.5), ("p99", 0.99))}}


def figures_of(figures, build, turns):
    cluster = Mission(build)
    for what in (idle, lambda c: starts(c, turns), beside):
        figures.facts.setdefault("pods", {}).update(what(cluster))
    of = figures.facts["pods"]
    note(f"pods: {json.dumps(of)}")
    more = of["slices"] - of["whole"]
    figures.add("pod made to running with a slice, against a whole card by kube-scheduler, median", more, "ms more", "<= 50", more <= 50,
                slices=of["slices"], whole=of["whole"])
    figures.add("preparing a claim of the node's own card, median", of["prepare_ms"], "ms", "< 50", of["prepare_ms"] < 50)
    figures.add("agent of an idle node, processor", of["cpu_percent"], "% of a core", "< 1", of["cpu_percent"] < 1, each=of["cpu_percent_each"])
    figures.add("agent of an idle node, memory", of["rss_mb"], "MiB", "< 57 (60 MB)", of["rss_mb"] < 57)
    writes = sum(count for what, count in of["writes_a_minute"].items() if "resourceslices" in what or "xpu" in what)
    figures.add("writes of two idle agents to the API server", writes, "a minute", "<= 2 each", writes <= 4, all=of["writes_a_minute"])
    ratio = of["high_p99_ms"] / of["alone_p99_ms"]
    figures.add("a request's P99 beside a training that never rests, 30/70, the service of high priority", ratio, "x alone at its share", "<= 1.2",
                ratio <= 1.2, requests=of["requests"], of_the_same_priority=of["same_p99_ms"] / of["alone_p99_ms"],
                **{name: of[name] for name in of if name.endswith(("_p50_ms", "_p99_ms"))})
