"""Writes what is made from a Spec.

generate.py --spec api/opencl.toml --out build/dev/generated   the sources
generate.py --spec api/opencl.toml --docs docs/api-coverage.md [--check]   the coverage report;
with --check it writes nothing and fails when the file is stale.
"""
import argparse
import pathlib
import sys

import coverage
import doubles
import entries
import remote
import spec
import sweep
import table
import trace

PRODUCTS = (table, trace, entries, doubles, remote, sweep)


def write(path, text):
    """Leaves a file that would not change alone, so that nothing is compiled for it."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--docs", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    try:
        loaded = spec.load(options.spec)
        sweep.check(loaded)
    except spec.SpecError as error:
        sys.exit(f"generate: {error}")
    if options.docs and options.check:
        if not options.docs.exists() or options.docs.read_text() != coverage.report(loaded):
            sys.exit(f"generate: {options.docs} is stale; run ./dev fmt")
    elif options.docs:
        write(options.docs, coverage.report(loaded))
    if options.out:
        for product in PRODUCTS:
            for path, text in product.products(loaded).items():
                write(options.out / path, text)


if __name__ == "__main__":
    main()
