"""Programs whose card is behind a slow link: TCP and TLS 1.3 through the link emulator, against the same program natively and
what the link itself takes for a round trip."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

from harness import ROOT, median, note, spread, tool
from round_trips import Counts

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import DRIVER, POCL, Worker  # noqa: E402

NATIVE = {**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL}
PYTHON = str(ROOT / ".venv" / "bin" / "python")
TRAIN = [PYTHON, str(ROOT / "test" / "programs" / "train_tinygrad.py"), "--json"]
LARGE = ["--hidden", "512", "--batch", "2048"]  # a step of some 40 ms
LAUNCHES = 1000


@contextlib.contextmanager
def relay(to, delay_us):
    """The port of a relay to that port of this host; `delay_us` each way."""
    process = subprocess.Popen([tool("flexai-link-relay"), "--listen", "tcp:127.0.0.1:0", "--to", f"tcp:127.0.0.1:{to}", "--delay-us",
                                str(delay_us)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline().strip().rsplit(":", 1)[1])
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def far_worker(build, delay_us):
    """A worker over TLS behind such a link; its `env` leads there."""
    with tempfile.TemporaryDirectory(prefix="flexai-") as pki:
        subprocess.run([tool("flexai-test-pki"), pki], check=True)
        with Worker(build, "tls", pki=pki) as worker, relay(worker.endpoint.rsplit(":", 1)[1], delay_us) as port:
            worker.env["FLEXAI_WORKER"] = f"tls:127.0.0.1:{port}"
            yield worker


def raw_round_trip_us(delay_us, times=100):
    """Of the link with nothing on it: one byte there and back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def echo():
            connection = server.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                while byte := connection.recv(1):
                    connection.sendall(byte)
        threading.Thread(target=echo, daemon=True).start()
        with relay(server.getsockname()[1], delay_us) as port, socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            took = []
            for _ in range(times):
                begin = time.perf_counter()
                connection.sendall(b"x")
                connection.recv(1)
                took.append((time.perf_counter() - begin) * 1e6)
    return median(took)


def ran(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        sys.exit(f"links: {command[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return json.loads(done.stdout)


def launches(figures, build, rounds, seconds, delay_us=1000):
    """A thousand launches and a clFinish: one round trip more than the device takes."""
    command = [tool("opencl-figures"), "--launches", str(LAUNCHES), "--seconds", str(seconds)]
    native, served, trips, raw = [], [], [], []
    for _ in range(rounds):
        native.append(ran(command, NATIVE)["launches_us"][0])
        raw.append(raw_round_trip_us(delay_us))
        with far_worker(build, delay_us) as worker, Counts() as counts:
            value, trip = ran(command, {**worker.env, **counts.env})["launches_us"]
        served.append(value)
        trips.append(trip)
    aim = median([r + 1.05 * n for r, n in zip(raw, native)])
    value = median(served)
    figures.add(f"{LAUNCHES} launches and a finish, TCP and TLS, {delay_us / 1000:g} ms each way", value, "us", f"<= {aim:.0f}", value <= aim,
                native=round(median(native)), raw_round_trip_us=round(median(raw)), round_trips=round(median(trips), 2),
                spread=round(spread(served)))


def training(figures, build, rounds, delay_us=200):
    """Training steps of tinygrad against local ones: of a small network, whose step is about as long as two round trips and cannot
    take less than its own time and one of them, and of a larger one."""
    where = f"TCP and TLS, {delay_us / 1000:g} ms each way"
    for size, steps, few, of in (([], 120, 20, ""), (LARGE, 30, 10, "larger network, ")):
        ratio, more, trips = steps_of(build, rounds, delay_us, size, steps, few)
        figures.add(f"tinygrad training step, {of}{where}, against a local one", ratio, "times", "<= 1.05", ratio <= 1.05, **more)
        figures.add(f"tinygrad training step, {of}{where}, round trips", trips, "round trips", "<= 1", trips <= 1.0)


def steps_of(build, rounds, delay_us, size, steps, few):
    """Round trips of a step: those of a run, less those of a shorter one."""
    ratios, native, served, trips = [], [], [], 0.0
    train = [*TRAIN, *size, "--steps"]
    for _ in range(rounds):
        local = ran([*train, str(steps)], NATIVE)
        totals = []
        for count in (few, steps):
            with far_worker(build, delay_us) as worker, Counts() as counts:
                far = ran([*train, str(count)], {**worker.env, **counts.env})
                totals.append(counts.read().round_trips)
        if far["losses"] != local["losses"]:
            sys.exit("links: the losses are others than the local run's")
        trips = (totals[1] - totals[0]) / (steps - few)
        native.append(local["step_ms_median"])
        served.append(far["step_ms_median"])
        ratios.append(served[-1] / native[-1])
    note(f"step: local {median(native):.2f} ms, served {median(served):.2f} ms")
    return median(ratios), {"local_ms": round(median(native), 3), "served_ms": round(median(served), 3), "spread": round(spread(ratios), 3),
                            "raw_round_trip_us": round(raw_round_trip_us(delay_us))}, trips
