"""A slice that goes on at another host under its running program: how long the program stands still, beside a plain stream of as many bytes over
the same transport, TLS between the same two processes' hosts, measured right before."""
import contextlib
import json
import subprocess
import sys
import tempfile
import time

from harness import ROOT, build_dir, median, note, spread

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from group import PYTHON, Group  # noqa: E402
from migrate_test import Second  # noqa: E402

BYTES = 256 << 20
# Works on a little of its bytes, kernel after kernel; says, when asked, how long the longest of them took since it was asked last.
PROGRAM = """
import sys, threading, time, numpy, pyopencl as cl
context = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(context)
size = int(sys.argv[1]) // 4
numbers = numpy.arange(size, dtype=numpy.uint32)
memory = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=numbers)
add = cl.Program(context, "kernel void add(global uint* a) { for (int i = 0; i < 200; ++i) a[get_global_id(0)] += 1; }").build().add
words = []
def listen():
    for line in sys.stdin:
        words.append(line.strip())
threading.Thread(target=listen, daemon=True).start()
launches, longest = 0, 0.0
while True:
    begin = time.monotonic()
    add(queue, (4096,), None, memory)
    queue.finish()
    launches += 1
    longest = max(longest, time.monotonic() - begin)
    if launches == 10:
        print("works", flush=True)
    if words:
        word = words.pop(0)
        if word == "stop":
            break
        print(longest, flush=True)
        longest = 0.0
numbers[:4096] += 200 * launches
back = numpy.empty_like(numbers)
cl.enqueue_copy(queue, back, memory)
print("same" if (back == numbers).all() else "different", flush=True)
"""


def measure(figures, rounds):
    with Group(str(build_dir())) as first, Second(first) as second, tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(PROGRAM)
        script.flush()
        words = first.run_words([PYTHON, script.name, str(BYTES)], "--compute", "50%", "--memory", "512MiB")
        program = subprocess.Popen(words, env=first.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with contextlib.ExitStack() as always:
            always.callback(program.kill)
            if program.stdout.readline() != "works\n":
                sys.exit("migrations: the program does not work")
            _rounds(program, first, second, figures, rounds)
            out = program.communicate("stop\n", timeout=120)[0]
        same = out.strip() == "same"
        figures.add("bytes of the program after its moves", 0 if same else 1, "differences", "0", same)


def _longest_ms(program):
    program.stdin.write("how long\n")
    program.stdin.flush()
    return float(program.stdout.readline()) * 1e3


def _rounds(program, first, second, figures, rounds):
    still, whole, copies, trips, moved = [], [], [], [], 0
    here, there = first, second
    for _ in range(rounds):
        net = json.loads(first.cli("net", "test", there.host(), "--megabytes", str(BYTES // 1000000), "--json").stdout)
        copies.append(BYTES / net["up_bytes_per_second"] * 1e3)
        trips.append(net["round_trip_us"] / 1e3)
        name = here.working()["slices"][0]
        time.sleep(0.3)
        _longest_ms(program)
        told = here.here("slice", "migrate", name, "--to", there.host())
        time.sleep(0.5)
        still.append(_longest_ms(program))
        whole.append(told["took_ms"])
        moved = told["moved_bytes"]
        here, there = there, here
    note(f"{moved} bytes moved in {median(whole):.1f} ms, the program stood still for {median(still):.1f} ms; a stream of as many "
         f"{median(copies):.1f} ms")
    ratio = median([(s - 2 * t) / c for s, t, c in zip(still, trips, copies)])
    figures.add(f"migrate {moved >> 20} MiB, without 2 round trips, against a copy", ratio, "copies", "<= 1.3", ratio <= 1.3,
                still_ms=round(median(still), 1), copy_ms=round(median(copies), 1), spread_ms=round(spread(still), 1),
                whole_ms=round(median(whole), 1))
