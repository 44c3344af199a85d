"""How far plans are from the best there is: small snapshots with fixed seeds, solved exactly by CBC.

optimum.py HI-SIM [CASES]: decides each with `hi-sim replay` and by a mixed integer program that places any subset of the
work with the most milli-cards. Fails when a plan holds more than the optimum (one of the two is wrong) or when the mean or
worst gap is larger than it ever should be. The plan decides in order of arrival and keeps it; the optimum may pick.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

CASES, MEAN_MOST, WORST_MOST = 30, 10.0, 40.0  # percent


def snapshot(seed):
    rng = random.Random(seed)
    nodes = [{"name": f"n{i}", "model": "A", "cards": rng.choice([1, 2]), "cpu_milli": rng.choice([8000, 16000, 32000]),
              "memory_mib": 100000} for i in range(rng.randint(2, 3))]
    cards = sum(n["cards"] for n in nodes)
    work, asked = [], 0
    while asked < cards * 1300:
        several = rng.random() < 0.15
        w = {"name": f"w{len(work)}", "cards": 2 if several else 1, "cpu_milli": rng.choice([500, 1000, 2000, 4000]),
             "card_milli": 1000 if several else rng.choice([100, 250, 330, 470, 500, 600, 810, 1000]), "submitted_ms": len(work)}
        asked += w["cards"] * w["card_milli"]
        work.append(w)
    return {"format": 1, "now_ms": 1000, "nodes": nodes, "workloads": work}


def program(s):
    """Maximize the milli-cards placed; a member's card is x, several cards of a node go with y."""
    gain, once, card, cpu, links, names = [], [], {}, {}, [], []
    for j, w in enumerate(s["workloads"]):
        here = []
        for n, node in enumerate(s["nodes"]):
            if w["cards"] > node["cards"]:
                continue
            cpu_terms = cpu.setdefault(n, [])
            if w["cards"] > 1:
                names.append(f"y{j}_{n}")
                here.append(f"y{j}_{n}")
                gain.append(f"{w['cards'] * w['card_milli']} y{j}_{n}")
                cpu_terms.append(f"{w['cpu_milli']} y{j}_{n}")
            for c in range(node["cards"]):
                x = f"x{j}_{n}_{c}"
                names.append(x)
                card.setdefault((n, c), []).append(f"{w['card_milli']} {x}")
                if w["cards"] == 1:
                    here.append(x)
                    gain.append(f"{w['card_milli']} {x}")
                    cpu_terms.append(f"{w['cpu_milli']} {x}")
            if w["cards"] > 1:
                links.append(" + ".join(f"x{j}_{n}_{c}" for c in range(node["cards"])) + f" - {w['cards']} y{j}_{n} = 0")
        if here:
            once.append(" + ".join(here) + " <= 1")
    rows = once + links + [" + ".join(t) + " <= 1000" for t in card.values()]
    rows += [" + ".join(t) + f" <= {s['nodes'][n]['cpu_milli']}" for n, t in cpu.items() if t]
    return ("max\ngain: " + " + ".join(gain) + "\nst\n" + "\n".join(f"r{i}: {r}" for i, r in enumerate(rows)) +
            "\nbinary\n" + "\n".join(names) + "\nend\n")


def optimum(s, folder):
    path = folder / "case.lp"
    path.write_text(program(s))
    text = subprocess.run(["cbc", str(path), "sec", "5", "solve", "quit"], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        if line.startswith("Objective value:"):
            return abs(float(line.split()[2])), "Optimal solution found" in text
    sys.exit("optimum: CBC gave no solution:\n" + text[-400:])


def planned(s, hi_sim, folder):
    (folder / "case.json").write_text(json.dumps(s))
    subprocess.run([hi_sim, "replay", str(folder / "case.json"), "--after", str(folder / "after.json")], check=True, capture_output=True)
    after = json.loads((folder / "after.json").read_text())
    return sum(w["cards"] * w["card_milli"] for w in after["workloads"] if w.get("places"))


def gaps(hi_sim, cases=CASES):
    """Percent that each plan holds less than the optimum; cases that CBC did not finish are left out."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(cases):
            s = snapshot(seed)
            best, proven = optimum(s, pathlib.Path(name))
            if proven:
                found.append(100 * (1 - planned(s, hi_sim, pathlib.Path(name)) / best))
    return found


def main():
    found = gaps(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else CASES)
    mean, worst = sum(found) / len(found), max(found)
    print(f"{len(found)} cases, mean gap {mean:.2f} %, worst {worst:.2f} %, best {min(found):.2f} %")
    sys.exit(0 if min(found) > -1e-6 and mean <= MEAN_MOST and worst <= WORST_MOST and len(found) > len(found) // 2 else 1)


if __name__ == "__main__":
    main()
