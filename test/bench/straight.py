"""Bytes that one host has and another needs, for one program on both: straight, through the program's host, and a plain stream of as many bytes
over the same transport, TLS to the same port, measured right before."""
import json
import subprocess
import sys

from harness import ROOT, build_dir, median, note, spread

sys.path.insert(0, str(ROOT / "test" / "e2e" / "remote"))
from group import Group  # noqa: E402
from migrate_test import Second  # noqa: E402

MEBIBYTES = 256


def measure(figures, rounds):
    with Group(str(build_dir())) as first, Second(first) as second:
        copies, straight, through = [], [], []
        for _ in range(rounds):
            net = json.loads(first.cli("net", "test", second.host(), "--megabytes", str(MEBIBYTES), "--json").stdout)
            copies.append((MEBIBYTES << 20) / net["up_bytes_per_second"] * 1e3)
            straight += _moves(first, second, {})
            through += _moves(first, second, {"FLEXAI_DIRECT": "off"})
    note(f"{MEBIBYTES} MiB from host to host: {median(straight):.0f} ms (spread {spread(straight):.0f}), through the program's host "
         f"{median(through):.0f} ms ({spread(through):.0f}), a stream of as many {median(copies):.0f} ms ({spread(copies):.0f})")
    figures.add(f"{MEBIBYTES} MiB from host to host, straight, against a stream", median(straight) / median(copies), "streams", "<= 1.5",
                median(straight) <= 1.5 * median(copies), straight_ms=round(median(straight), 1), through_ms=round(median(through), 1),
                stream_ms=round(median(copies), 1))
    # All hosts are this machine: what the second way over a network costs does not show.
    figures.add("the same against the way through the program's host", median(straight) / median(through), "of its time", "reported", True)


def _moves(first, second, env):
    """How long the whole took to get there, without the kernel that needed it."""
    words = [first.tool("flexai"), "run", "--host", f"{first.host()},{second.host()}", "--compute", "50%", "--memory", "1GiB", "--",
             first.tool("wide-move"), str(MEBIBYTES), "8"]
    done = subprocess.run(words, env={**first.env, **env}, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0 or not done.stdout.endswith("right\n"):
        sys.exit(f"straight: exit {done.returncode}: {done.stdout}{done.stderr}")
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("round ")]
    return [max(float(whole) - float(kernel), 0.0) for _, number, whole, kernel in lines if int(number) % 5 != 4]
