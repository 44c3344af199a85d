"""./dev bench remote: the figures of served slices. `--only a,b` picks parts.

Exit code 1 when a figure misses its target."""
import argparse
import sys

import carriers
import idle
import kept
import links
import migrations
import moves
import round_trips
import served_shares
import straight
from harness import Figures, build_dir

PARTS = ["carriers", "moves", "migrations", "straight", "links", "programs", "shares", "idle", "kept", "runs"]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench remote")
    parser.add_argument("--json")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--build", default=str(build_dir()))
    parser.add_argument("--seconds", type=float, default=0.5, help="of each figure of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--carriers", type=lambda text: text.split(","), default=carriers.CARRIERS)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--runs", type=int, default=0, help="short runs of which none may fail; default 1000, or 100 with --quick")
    options = parser.parse_args()
    quick = options.quick
    if quick:
        options.rounds, options.seconds = min(options.rounds, 2), min(options.seconds, 0.2)
    parts = options.only.split(",")
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        sys.exit(f"unknown part {unknown[0]}; there are {', '.join(PARTS)}")
    figures = Figures("remote")
    if "carriers" in parts:
        carriers.measure(figures, options)
    if "moves" in parts:
        moves.measure(figures, options.rounds)
    if "migrations" in parts:
        migrations.measure(figures, options.rounds)
    if "straight" in parts:
        straight.measure(figures, options.rounds)
    if "links" in parts:
        links.launches(figures, options.build, options.rounds, options.seconds)
        links.training(figures, options.build, options.rounds)
    if "programs" in parts:
        round_trips.programs(figures, options.build)
    if "shares" in parts:
        served_shares.measure(figures, 2 if quick else 4, 3 if quick else 10)
    if "idle" in parts:
        idle.measure(figures, options.build, [*options.carriers, "tls"], 1 if quick else 3, 3 if quick else 10)
    if "kept" in parts:
        kept.measure(figures, options.build, 1 if quick else options.rounds)
    if "runs" in parts:
        round_trips.failed_runs(figures, options.build, options.runs or (100 if quick else 1000))
    sys.exit(figures.finish(options.json))


if __name__ == "__main__":
    main()
