"""./dev bench slicing: the figures of slices on one host. `--only a,b` picks parts, `--quick` is the short form."""
import argparse
import sys

import changes
import overhead
import pair
import scale
import shares
from harness import Agent, Figures, loops_for, note

PARTS = ["hotpath", "overhead", "shares", "pair", "resize", "idle", "switch", "kill", "scale"]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench slicing")
    parser.add_argument("--json")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    options = parser.parse_args()
    parts = options.only.split(",")
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        sys.exit(f"unknown part {unknown[0]}; there are {', '.join(PARTS)}")
    quick = options.quick
    figures = Figures("slicing")
    with Agent() as agent:
        loops = {us: loops_for(agent, us) for us in (100, 1000, 10000)}
        note(f"loops for 0.1, 1, 10 ms: {loops}")
        if "hotpath" in parts:
            overhead.hot_path(agent, figures)
        if "overhead" in parts:
            overhead.programs(agent, figures, 5 if quick else 15)
        if "shares" in parts:
            shares.measure(agent, figures, loops, 3 if quick else 9, 3 if quick else 10)
        if "pair" in parts:
            pair.measure(agent, figures, 24 if quick else 60)
        if "resize" in parts:
            changes.resize(agent, figures, loops, 4 if quick else 11)
        if "idle" in parts:
            changes.idle_reuse(agent, figures, loops, 3 if quick else 11)
        if "switch" in parts:
            changes.switch(agent, figures, loops, 200 if quick else 1000)
        if "kill" in parts:
            changes.kill_holder(agent, figures, loops, 5 if quick else 30)
    if "scale" in parts:
        scale.measure(figures, quick)
    sys.exit(figures.finish(options.json))


if __name__ == "__main__":
    main()
