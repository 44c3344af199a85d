"""Trains a small network with tinygrad on OpenCL and prints each step's loss: an unmodified ML program.

usage: train_tinygrad.py [--steps N] [--seconds S] [--json]
"""
import argparse
import json
import os
import time

os.environ.setdefault("DEV", "CL")
os.environ.setdefault("TRAINING", "1")
import numpy as np
from tinygrad import Tensor, TinyJit, nn
from tinygrad.nn.optim import SGD


class Net:
    def __init__(self, hidden):
        self.l1, self.l2 = nn.Linear(64, hidden), nn.Linear(hidden, 10)

    def __call__(self, x):
        return self.l2(self.l1(x).relu())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=0, help="train for that long instead of a number of steps")
    parser.add_argument("--start", type=int, default=0, help="first timed step at this CLOCK_MONOTONIC nanosecond")
    parser.add_argument("--trace", help="file for 't_ns 1' per step")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    rng = np.random.default_rng(7)
    Tensor.manual_seed(7)
    net = Net(o.hidden)
    optimizer = SGD(nn.state.get_parameters(net), lr=0.05)
    x = Tensor(rng.standard_normal((o.batch, 64), dtype=np.float32)).realize()
    y = Tensor(rng.integers(0, 10, o.batch).astype(np.int32)).realize()

    @TinyJit
    def step():
        optimizer.zero_grad()
        loss = net(x).sparse_categorical_crossentropy(y)
        loss.backward()
        optimizer.step()
        return loss.realize()

    losses, times, done = [], [], []
    warm = 4  # the first steps build kernels and record the graph
    begin = time.monotonic()
    n = 0
    while n < warm or ((time.monotonic() - begin < o.seconds) if o.seconds else (n < o.steps)):
        t = time.perf_counter()
        losses.append(step().item())
        times.append(time.perf_counter() - t)
        done.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        n += 1
        if n == warm:
            while o.start and time.clock_gettime_ns(time.CLOCK_MONOTONIC) < o.start:
                time.sleep(0.001)
            begin = time.monotonic()
    if o.trace:
        with open(o.trace, "w") as f:
            f.writelines(f"{t} 1\n" for t in done[warm:])
    steady = sorted(times[warm:]) or [0]
    if o.json:
        print(json.dumps({"losses": losses, "steps": n, "step_ms_median": steady[len(steady) // 2] * 1e3}))
    else:
        for i, loss in enumerate(losses[:5] + losses[-1:]):
            print(f"step {i if i < 5 else n - 1}: loss {loss:.6f}")


if __name__ == "__main__":
    main()
