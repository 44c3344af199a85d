"""How full cards can get at all: the cutting-stock relaxation of a list, solved exactly by CBC.

Demand comes in sizes that leave remnants (810 of 1000 leaves 190). As long as nothing that fits is refused, the
cluster is full when the demand arrived needs as many cards as there are; the relaxation of the number of cards is a
lower bound, so its reciprocal bounds the part that is allocated when the first task finds no room.
"""
import collections
import csv
import pathlib
import random
import subprocess
import tempfile


def sizes(path):
    count = collections.Counter()
    with open(path) as f:
        for row in csv.DictReader(f):
            cards = int(row["num_gpu"])
            if cards:
                count[min(int(row["gpu_milli"]), 1000) if cards == 1 else 1000] += cards
    return count


def arc_flow(count, unit):
    """The linear program as CPLEX LP text: bins are paths of arcs over 1000/unit places."""
    full = 1000 // unit
    into, out = collections.defaultdict(list), collections.defaultdict(list)
    for size in count:
        for at in range(full - size // unit + 1):
            out[at].append(f"x{at}_{size}")
            into[at + size // unit].append(f"x{at}_{size}")
    for at in range(full):
        out[at].append(f"w{at}")
        into[at + 1].append(f"w{at}")
    lines = ["min", "cards: z", "st", "f0: z - " + " - ".join(out[0]) + " = 0"]
    for at in range(1, full):
        lines.append(f"f{at}: " + " + ".join(into[at]) + " - " + " - ".join(out[at]) + " = 0")
    for size, number in count.items():
        lines.append(f"d{size}: " + " + ".join(f"x{at}_{size}" for at in range(full - size // unit + 1)) + f" >= {number}")
    return "\n".join(lines + ["end"]) + "\n"


def most_allocated(cards, sizes):
    """Percent of the cards that any placement can hold, by the relaxation: `sizes` are (milli, arrived, kept), in cards; what
    is kept must be held, of the rest any part may be. Nodes, processors, memory and models are no bound, so nothing holds more.
    """
    wanted = {milli: (arrived, kept) for milli, arrived, kept in sizes if arrived}
    lines = arc_flow({milli: 0 for milli in wanted}, 10).splitlines()
    flows = [line for line in lines if line.startswith("f")]
    held = {m: [f"x{at}_{m}" for at in range(100 - m // 10 + 1)] for m in wanted}
    text = ["max", "held: " + " + ".join(f"{m} {x}" for m in wanted for x in held[m]), "st", *flows, f"cards: z <= {cards}"]
    for milli, (arrived, kept) in wanted.items():
        terms = " + ".join(held[milli])
        text += [f"most{milli}: {terms} <= {arrived}", f"kept{milli}: {terms} >= {kept}"]
    with tempfile.NamedTemporaryFile("w", suffix=".lp") as f:
        f.write("\n".join(text + ["end"]) + "\n")
        f.flush()
        out = subprocess.run(["cbc", f.name, "solve", "quit"], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        if line.startswith("Optimal objective"):
            return abs(float(line.split()[2])) / cards / 10
    raise SystemExit("cutting_stock: CBC gave no solution:\n" + out[-400:])


def cards_needed(count):
    """The relaxation's number of cards."""
    with tempfile.NamedTemporaryFile("w", suffix=".lp") as f:
        f.write(arc_flow(count, 10))
        f.flush()
        text = subprocess.run(["cbc", f.name, "solve", "quit"], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        if line.startswith("Optimal objective"):
            return float(line.split()[2])
    raise SystemExit("cutting_stock: CBC gave no solution:\n" + text[-400:])


def allocated(count):
    return sum(size * number for size, number in count.items()) / 1000


def bound(path):
    """Percent of the cards that can be allocated when the first task finds no room."""
    count = sizes(path)
    return 100 * allocated(count) / cards_needed(count)


def cards_of(folder):
    with open(folder / "openb_node_list_gpu_node.csv") as f:
        return sum(int(r["gpu"]) for r in csv.DictReader(f))


def reachable(path, part=1.3, seed=1):
    """Percent of the cards allocated after all has arrived, if everything may be moved at any time, and a node is no bound.

    A task is refused only when the relaxation of what was accepted, with it, needs more cards than there are; as what was
    accepted only grows, a kind of task once refused stays refused, and the next refusal is found by bisection.
    """
    with open(path) as f:
        tasks = [(int(r["num_gpu"]), min(int(r["gpu_milli"]), 1000)) for r in csv.DictReader(f) if int(r["num_gpu"])]
    cards = cards_of(pathlib.Path(path).parent)
    rng = random.Random(seed)
    rng.shuffle(tasks)
    asked = sum(c * m for c, m in tasks)
    while asked < part * cards * 1000:
        tasks.append(rng.choice(tasks))
        asked += tasks[-1][0] * tasks[-1][1]
    refused, accepted, at = set(), collections.Counter(), 0

    def with_next(last):
        count = collections.Counter(accepted)
        for c, m in tasks[at:last]:
            if (c, m) not in refused:
                count[m if c == 1 else 1000] += c
        return count

    while at < len(tasks):
        if cards_needed(with_next(len(tasks))) <= cards:
            return 100 * allocated(with_next(len(tasks))) / cards
        low, high = at, len(tasks)  # tasks up to low fit, up to high do not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if cards_needed(with_next(middle)) <= cards else (low, middle)
        accepted, at = with_next(low), high
        refused.add(tasks[low])
    return 100 * allocated(accepted) / cards
