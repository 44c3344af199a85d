"""./dev bench remote: the figures of served slices. `--only a,b` picks parts.

Exit code 1 when a figure misses its target."""
import argparse
import sys

import carriers
import moves
from harness import Figures, build_dir

PARTS = ["carriers", "moves"]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench remote")
    parser.add_argument("--json")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--build", default=str(build_dir()))
    parser.add_argument("--seconds", type=float, default=0.5, help="of each figure of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--carriers", type=lambda text: text.split(","), default=carriers.CARRIERS)
    options = parser.parse_args()
    parts = options.only.split(",")
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        sys.exit(f"unknown part {unknown[0]}; there are {', '.join(PARTS)}")
    figures = Figures("remote")
    if "carriers" in parts:
        carriers.measure(figures, options)
    if "moves" in parts:
        moves.measure(figures, options.rounds)
    sys.exit(figures.finish(options.json))


if __name__ == "__main__":
    main()
