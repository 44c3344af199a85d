"""What docs/scheduling.md shows is what hi-sim prints: each block that begins with `$ hi-sim explain` is run again.

worked_examples_test.py HI-SIM: fails with the lines that differ.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAST = 6  # examples that must be there


def shown(text):
    """(command, what it prints) of every block with commands."""
    for block in re.findall(r"^```\n(\$ hi-sim explain .*?)^```", text, re.S | re.M):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            yield command.split()[1:], printed


def main():
    found = wrong = 0
    for command, printed in shown((ROOT / "docs" / "scheduling.md").read_text()):
        found += 1
        run = subprocess.run([sys.argv[1], *command], cwd=ROOT, capture_output=True, text=True)
        if run.returncode != 0 or run.stdout != printed:
            wrong += 1
            print(f"hi-sim {' '.join(command)}\n--- docs\n{printed}--- hi-sim\n{run.stdout}{run.stderr}")
    print(f"{found} examples, {wrong} differ")
    sys.exit(0 if wrong == 0 and found >= LEAST else 1)


if __name__ == "__main__":
    main()
