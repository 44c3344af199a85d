"""Pause, swap and return of a slice under a running program, beside a copy of as many bytes on the same machine."""
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time

from harness import ROOT, Agent, median, note, spread, tool

BYTES = 256 << 20
# Holds the bytes and works on a little of them, kernel after kernel, until it hears something.
PROGRAM = """
import sys, threading, numpy, pyopencl as cl
context = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(context)
size = int(sys.argv[1]) // 4
numbers = numpy.arange(size, dtype=numpy.uint32)
memory = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=numbers)
add = cl.Program(context, "kernel void add(global uint* a) { for (int i = 0; i < 200; ++i) a[get_global_id(0)] += 1; }").build().add
heard = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), heard.set()), daemon=True).start()
launches = 0
while not heard.is_set():
    add(queue, (4096,), None, memory)
    queue.finish()
    launches += 1
    if launches == 10:
        print("works", flush=True)
numbers[:4096] += 200 * launches
back = numpy.empty_like(numbers)
cl.enqueue_copy(queue, back, memory)
print("same" if (back == numbers).all() else "different", flush=True)
"""


def copy_ms(folder):
    """One copy of the bytes into fresh memory, or into a fresh file of that folder."""
    source = bytearray(os.urandom(1 << 20)) * (BYTES >> 20)
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR) if folder else os.memfd_create("copy")
    begin = time.monotonic()
    os.posix_fallocate(fd, 0, BYTES)
    with mmap.mmap(fd, BYTES) as memory:
        memory[:] = source
    took = (time.monotonic() - begin) * 1e3
    os.close(fd)
    return took


def measure(figures, rounds):
    with Agent() as agent:
        agent.slice("held", "50%", memory="512MiB")
        command = ["flexai", "run", "--isolation", "served", "--slice", "held", "--"]
        python = str(ROOT / ".venv" / "bin" / "python")
        with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
            script.write(PROGRAM)
            script.flush()
            words = [tool(command[0]), *command[1:], python, script.name, str(BYTES)]
            program = subprocess.Popen(words, env=agent.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if program.stdout.readline() != "works\n":
                sys.exit("moves: the program does not work")
            _rounds(agent, figures, rounds)
            out = program.communicate("stop\n", timeout=120)[0]
        same = out.strip() == "same"
        figures.add("bytes of the program after all of it", 0 if same else 1, "differences", "0", same)
        agent.drop("held")


def _rounds(agent, figures, rounds):
    took = {name: [] for name in ("pause", "memory", "memory back", "disk", "disk back")}
    copies = {"memory": [], "disk": []}
    moved = 0
    for _ in range(rounds):
        took["pause"].append(_told(agent, "pause", "held")["idle_after_ms"])
        _told(agent, "resume", "held")
        time.sleep(0.2)
        for to in ("memory", "disk"):
            copies[to].append(copy_ms(agent.dir if to == "disk" else None))
            told = _told(agent, "swap", "held", "--to", to)
            moved = told["moved_bytes"]
            took[to].append(told["took_ms"])
            took[to + " back"].append(_told(agent, "resume", "held")["took_ms"])
            time.sleep(0.2)
    note(f"{moved} bytes moved; " + ", ".join(f"{name} {median(ms):.1f} ms" for name, ms in took.items()))
    figures.add("pause, until the card is free of it", median(took["pause"]), "ms", "<= 20", median(took["pause"]) <= 20,
                spread=round(spread(took["pause"]), 1), rounds=rounds)
    for to, copy in copies.items():
        for name in (to, to + " back"):
            ratio = median([t / c for t, c in zip(took[name], copy)])
            figures.add(f"swap of {moved >> 20} MiB, {name}, against a copy", ratio, "copies", "<= 1.3", ratio <= 1.3,
                        ms=round(median(took[name]), 1), copy_ms=round(median(copy), 1), spread_ms=round(spread(took[name]), 1))


def _told(agent, *words):
    return json.loads(agent.cli("slice", *words, "--json").stdout)
