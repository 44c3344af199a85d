"""The hi-scheduler beside kube-scheduler: allocations and bindings a second, and what each pod costs.

Pods and claims are made beforehand; then the scheduler is started, and the middle 80 % of what a watch sees are timed. kube-scheduler binds in
all cases: what it finds allocated already by the hi-scheduler, what it allocates itself, and what was allocated before it began."""
import time

from objects import DRIVER, STOCK, Watch, cpu_of, middle_rate, of_pods, wait, writes_of, written


class Run:
    """One turn: what has been written and used from here on."""

    def __init__(self, bench, ns):
        self.bench, self.ns = bench, ns
        self.watch = Watch(bench.cluster, ns)
        time.sleep(0.5)
        self.writes = writes_of(bench.api)
        self.began = time.monotonic()

    def result(self, count, seconds=600):
        wait(lambda: len(self.watch.bound) >= count, seconds, 0.2)
        time.sleep(1)  # events
        self.watch.ended = True
        writes = of_pods(written(self.writes, writes_of(self.bench.api)))
        each = {what: round(times / count, 3) for what, times in writes.items() if times >= count / 50}
        return {"bound_per_s": middle_rate(self.watch.bound.values()), "first_bound_s": min(self.watch.bound.values()) - self.began,
                "writes_per_pod": sum(each.values()), "writes": each} | (
                    {"allocations_per_s": middle_rate(self.watch.allocated.values()),
                     "first_s": min(self.watch.allocated.values()) - self.began} if self.watch.allocated else {})


def ours(bench, count):
    bench.namespace("ours")
    bench.claims("ours", count, DRIVER)
    bench.pods("ours", range(count), gated=True)
    run = Run(bench, "ours")
    binder = bench.pid("kube-scheduler")
    cpu = cpu_of(binder)
    hi = bench.hi()
    result = run.result(count)
    figures = hi.metrics()
    hi.end()
    result |= {"cpu_ms_per_pod": 1000 * figures["process_cpu_seconds_total"] / count,
               "binding_cpu_ms_per_pod": 1000 * (cpu_of(binder) - cpu) / count, "rss_mb": figures["process_resident_memory_bytes"] / 1e6,
               "plan_ms_per_pod": 1000 * figures["flexai_plan_seconds_total"] / count, "conflicts": figures["flexai_write_conflicts_total"]}
    bench.clear("ours")
    return result


def theirs(bench, count, allocated):
    """kube-scheduler alone; `allocated`: it finds all allocated."""
    ns = "bound" if allocated else "theirs"
    bench.namespace(ns)
    bench.scheduler(False)
    bench.claims(ns, count, STOCK, allocated)
    bench.pods(ns, range(count), gated=False, reserved=allocated)
    run = Run(bench, ns)
    bench.scheduler(True)
    result = run.result(count)
    result["cpu_ms_per_pod"] = 1000 * cpu_of(bench.pid("kube-scheduler")) / count
    bench.clear(ns)
    return result
