"""Checks of the repository itself: repo_check.py [--build build/dev] [ROOT].

Prints complaints and how many checks ran; exit code 1 when something does not hold.
"""
import argparse
import sys

import source_checks
import tool_checks
from tree import Tree


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", help="build folder, for the checks that need one")
    parser.add_argument("--quiet", action="store_true", help="leave the notes out")
    parser.add_argument("root", nargs="?", default=".")
    options = parser.parse_args()
    tree = Tree(options.root, options.build)
    failed, checks = 0, source_checks.CHECKS + tool_checks.CHECKS
    for check in checks:
        complaints = check(tree)
        failed += bool(complaints)
        for complaint in complaints:
            print(complaint)
    if not options.quiet:
        for note in tree.notes:
            print(f"note: {note}")
    print(f"repository: {len(checks)} checks over {len(tree.paths)} files, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
