"""Writes every product of a Spec: generate.py --spec api/opencl.toml --out build/x/generated.

--docs FILE writes the coverage report instead. Files whose text would not change are left alone,
so that a build does not recompile what is the same.
"""
import argparse
import pathlib
import sys

import doubles
import entries
import spec
import table

PRODUCTS = (table, entries, doubles)


def write(path, text):
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    try:
        loaded = spec.load(options.spec)
    except spec.SpecError as error:
        sys.exit(f"generate: {error}")
    for product in PRODUCTS:
        for path, text in product.products(loaded).items():
            write(options.out / path, text)


if __name__ == "__main__":
    main()
