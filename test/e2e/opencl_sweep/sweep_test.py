"""Every entry of OpenCL with right and with wrong arguments, natively and with its card behind a
worker: what comes of it must be equal, but for what differences.toml lists with its reason.

usage: sweep_test.py BUILD [--carrier CARRIER]... [--entry NAME]... [--strict] [--verbose] [--all-carriers]
Without --carrier: shm; with FLEXAI_FULL=1 in the environment unix, shm and tcp, and shm strict.
"""
import argparse
import fnmatch
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "remote"))
from served import DRIVER, POCL, Worker  # noqa: E402

NATIVE = {**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL}
MOST_RESTARTS = 400
ONLY_CODE = ("=other", "=released")  # no driver's own lines to compare with: what is expected is the code


class Transcript:
    """What one program said: case name -> lines; `lost`: cases that ended it, and how."""

    def __init__(self):
        self.cases, self.lost, self.number = {}, {}, {}

    def read(self, text):
        """Takes a program's output in; the number of the case that it did not survive, or None."""
        number = name = None
        lines = []
        for line in text.split("\n"):
            if line.startswith("case "):
                _, number, name = line.split(" ", 2)
                self.number[name], lines = int(number), []
            elif line == "end":
                self.cases[name], name = lines, None
            elif line == "lost":
                break
            elif line == "all":
                return None
            elif line:
                lines.append(line.strip())
        if name is None:
            raise SystemExit("sweep_test: the program ended between two cases")
        self.cases[name] = lines
        return int(number), name

    def gather(self, start):
        """`start(FROM)` runs the program from a case on until it ends: again, until all are done."""
        at = 0
        for _ in range(MOST_RESTARTS):
            code, text = start(at)
            stopped = self.read(text)
            if stopped is None:
                return self
            number, name = stopped
            self.lost[name] = {-14: "never returns", 9: "the card is lost"}.get(code, f"ends with {code}")
            self.cases[name] = [f"the program {self.lost[name]}"]
            at = number + 1
        raise SystemExit(f"sweep_test: more than {MOST_RESTARTS} cases ended the program")


class Differences:
    """differences.toml: each row has cases (patterns), why, and one of: `native` = what the driver
    itself does there, `served` = lines that are the served answer, or `free` = anything."""

    def __init__(self, path):
        self.rows = tomllib.loads(path.read_text())["difference"]
        self.used = set()

    def find(self, name):
        for i, row in enumerate(self.rows):
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in row["cases"]):
                return i, row
        return None, None

    def allows(self, name, native, served):
        i, row = self.find(name)
        if row is None:
            return False
        self.used.add(i)
        if served == ["the program the card is lost"] or any("the program ends" in line for line in served):
            return row.get("worker") == "dies"
        if "code" in row:
            return f"code {row['code']}" in served
        if "served" in row:
            return all(line in served for line in row["served"])
        return True


def run(command, env, timeout):
    """The exit code and what was printed; a program that hangs as a whole counts as one that never returns."""
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = -14
        out.seek(0)
        return code, out.read()


class Sweep:
    def __init__(self, options):
        self.options = options
        self.program = f"{options.build}/bin/flexai-opencl-sweep"

    def command(self, platform, at, *more):
        return [self.program, "--platform", platform, "--from", str(at), *more, *self.options.entry]

    def native(self):
        return Transcript().gather(
            lambda at: run(self.command("Portable", at, "--native"), NATIVE, self.options.timeout))

    def served(self, carrier, strict, skip):
        more = ["--skip", ",".join(map(str, sorted(skip)))] if skip else []

        def start(at):
            with Worker(self.options.build, carrier) as worker:
                if strict:
                    worker.env["FLEXAI_STRICT"] = "1"
                return run(self.command("Flexai", at, *more), worker.env, self.options.timeout)
        return Transcript().gather(start)


def shown(lines):
    return "".join(f"      {line}\n" for line in lines) or "      nothing\n"


def compare(native, served, differences, verbose):
    """Prints what differs; the number of such cases."""
    wrong = 0
    for name, lines in served.cases.items():
        expected = native.cases.get(name)
        if expected is None:
            continue
        got = lines
        if name.endswith(ONLY_CODE) or name.endswith("/refused"):
            expected, got = expected[:1], lines[:1]
            if lines[:1] and not lines[0].startswith("code") and "/clRelease" not in name:
                got = [line for line in lines if line.startswith("code")][:1]
        if expected == got or got == ["absent"] and "=" in name:
            continue
        allowed = differences.allows(name, expected, got)
        if allowed and not verbose:
            continue
        wrong += not allowed
        print(f"{'allowed' if allowed else 'DIFFERS'} {name}\n    native:\n{shown(expected)}    served:\n{shown(got)}", end="")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--carrier", action="append", default=[])
    parser.add_argument("--entry", action="append", default=[])
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="what is allowed too")
    parser.add_argument("--timeout", type=float, default=600)
    options = parser.parse_args()
    full = bool(os.environ.get("FLEXAI_FULL"))
    rounds = [(c, options.strict) for c in options.carrier or (["unix", "shm", "tcp"] if full else ["shm"])]
    if full and not options.carrier:
        rounds.append(("shm", True))
    differences = Differences(HERE / "differences.toml")
    sweep = Sweep(options)
    start = time.monotonic()
    native = sweep.native()
    print(f"native: {len(native.cases)} cases in {time.monotonic() - start:.1f} s, {len(native.lost)} end the program")
    for name, how in native.lost.items():
        if differences.find(name)[1] is None:
            print(f"not in differences.toml: {name}: the program {how}")
    # What the driver does not survive would end the worker too: that is its own business.
    skip = {native.number[name] for name in native.lost}
    failed = sum(differences.find(name)[1] is None for name in native.lost)
    for carrier, strict in rounds:
        start = time.monotonic()
        served = sweep.served(carrier, strict, skip)
        wrong = compare(native, served, differences, options.verbose)
        print(f"{carrier}{' strict' if strict else ''}: {len(served.cases)} cases in {time.monotonic() - start:.1f} s, "
              f"{len(served.lost)} end the program, {wrong} differ")
        failed += wrong
    if not options.entry:
        for i, row in enumerate(differences.rows):
            if i not in differences.used and not row.get("native"):
                print(f"differences.toml: nothing differs in {row['cases']}")
                failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
