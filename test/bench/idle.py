"""What a session costs while its program does nothing: processor time of worker and program, and the memory that both have for
themselves (Private_Clean and Private_Dirty of smaps_rollup) less what the same program has natively with the driver in it."""
import os
import subprocess
import sys
import time

from harness import ROOT, median, tool
from round_trips import worker_over
from scale import cpu_ns

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from served import DRIVER, POCL  # noqa: E402

MIB = 1 << 20
# One launch, then nothing for ten minutes.
QUIET = ["--launches", "2", "--mib", "0", "--pause-us", "600000000"]


def private_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Private_"))


def started(env):
    process = subprocess.Popen([tool("opencl-counter"), *QUIET], env=env, stdout=subprocess.DEVNULL)
    time.sleep(4)  # its kernel is built, and has run
    if process.poll() is not None:
        sys.exit("idle: the program has ended")
    return process


def ended(process):
    process.kill()
    process.wait()


def measure(figures, build, carriers, rounds, seconds=10):
    native = []
    for _ in range(rounds):
        process = started({**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL})
        native.append(private_bytes(process.pid))
        ended(process)
    for carrier in carriers:
        percents, workers, programs = [], [], []
        for _ in range(rounds):
            with worker_over(build, carrier) as worker:
                program = started(worker.env)
                both = (worker.process.pid, program.pid)
                before, begin = sum(map(cpu_ns, both)), time.monotonic()
                time.sleep(seconds)
                percents.append((sum(map(cpu_ns, both)) - before) / 1e9 / (time.monotonic() - begin) * 100)
                workers.append(private_bytes(worker.process.pid))
                programs.append(private_bytes(program.pid))
                ended(program)
        added = (median(workers) + median(programs) - median(native)) / MIB
        # The clock counts whole hundredths of a second.
        limit = 100 / os.sysconf("SC_CLK_TCK") / seconds
        figures.add(f"idle session, {carrier}, processor time", median(percents), "% of a core", f"<= {limit:g}", median(percents) <= limit)
        figures.add(f"idle session, {carrier}, private memory beside the driver's", added, "MiB", "< 20", added < 20,
                    worker_mib=round(median(workers) / MIB, 1), program_mib=round(median(programs) / MIB, 1),
                    native_mib=round(median(native) / MIB, 1))
