"""Pods come at a steady rate: from the moment the hi-scheduler has seen one until its claim's allocation is written."""
import threading
import time

from objects import DRIVER, wait

SENDERS = 16


class Offer:
    """Pods at `rate` a second, each at its time, or as soon after it as a sender is free."""

    def __init__(self, bench, ns, count, rate):
        self.bench, self.ns, self.count, self.rate = bench, ns, count, rate
        self.began, self.late, self.lock, self.next = time.monotonic() + 0.5, [], threading.Lock(), 0

    def send(self):
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            if number >= self.count:
                return
            due = self.began + number / self.rate
            time.sleep(max(0, due - time.monotonic()))
            self.one(number)
            self.late.append(time.monotonic() - due)

    def one(self, number):
        self.bench.cluster.pod(self.ns, f"p{number}", [f"p{number}"], cpu="10m", memory="16Mi")

    def run(self):
        threads = [threading.Thread(target=self.send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.count / (time.monotonic() - self.began)


class Floor(Offer):
    """The same pods at the same rate, each followed at once by the one write that allocates its claim, by nobody who would have to think."""

    def __init__(self, *words):
        super().__init__(*words)
        self.took = []

    def one(self, number):
        super().one(number)
        began = time.monotonic()
        self.bench.allocate(number, self.ns)
        self.took.append(time.monotonic() - began)


def floor(bench, count, rate):
    """What that write takes on this machine with nobody else at work."""
    ns = "floor"
    bench.namespace(ns)
    bench.claims(ns, count, DRIVER)
    bench.scheduler(False)
    offer = Floor(bench, ns, count, rate)
    got = offer.run()
    bench.scheduler(True)
    bench.clear(ns)
    took = sorted(offer.took)
    return {"offered_per_s": got, "within_20ms": sum(one < 0.02 for one in took) / count, "p50_ms": 1000 * took[count // 2],
            "p99_ms": 1000 * took[count * 99 // 100], "mean_ms": 1000 * sum(took) / count}


def percentile_below(metrics, name, bound):
    """Which part took no longer than `bound` seconds."""
    return metrics[f'{name}_bucket{{le="{bound:g}"}}'] / max(1, metrics[f"{name}_count"])


def bound_of(metrics, name, part):
    """The least bound that at least `part` took no longer than, in ms; inf: none."""
    buckets = [(key.split('"')[1], value) for key, value in metrics.items() if key.startswith(f"{name}_bucket")]
    for bound, value in buckets:
        if value >= part * metrics[f"{name}_count"]:
            return float("inf") if bound == "+Inf" else 1000 * float(bound)
    return float("inf")


def offered(bench, count, rate, binds):
    """`binds`: kube-scheduler is there as well and takes its part of this machine's processors."""
    ns, name = "offered", "flexai_pod_allocation_duration_seconds"
    bench.namespace(ns)
    bench.claims(ns, count, DRIVER)
    if not binds:
        bench.scheduler(False)
    hi = bench.hi()
    wait(lambda: hi.metrics()["flexai_nodes"] >= bench.made, 60)
    got = Offer(bench, ns, count, rate).run()
    wait(lambda: hi.metrics()[f"{name}_count"] >= count, 120)
    metrics = hi.metrics()
    hi.end()
    if not binds:
        bench.scheduler(True)
    bench.clear(ns)
    return {"offered_per_s": got, "within_20ms": percentile_below(metrics, name, 0.02), "p50_ms": bound_of(metrics, name, 0.5),
            "p90_ms": bound_of(metrics, name, 0.9), "p99_ms": bound_of(metrics, name, 0.99), "mean_ms": 1000 * metrics[f"{name}_sum"] / count}
