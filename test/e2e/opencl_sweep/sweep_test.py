"""Every entry of OpenCL with right and with wrong arguments, natively and with its card behind a
worker: what comes of it must be equal, but for what differences.toml lists with its reason.

usage: sweep_test.py BUILD [--carrier CARRIER]... [--entry NAME]... [--strict] [--kept] [--full] [--verbose]
Short: over shm, without the cases that the driver is known not to survive. With --full, or FLEXAI_FULL in the
environment, these are tried natively too, and the carriers are unix, shm, tcp, and shm with every call asked.
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
MOST_RESTARTS = 200
GONE = {-14: "never returns", 9: "has lost its card"}


class Transcript:
    """What a program said: case name -> lines, and the cases that ended it."""

    def __init__(self):
        self.cases, self.lost = {}, {}

    def read(self, text):
        """Takes an output in; number and name of the case that the program did not survive, or None."""
        number, name, lines = -1, "the start", []
        for line in text.split("\n"):
            if line.startswith("case "):
                _, number, name = line.split(" ", 2)
                lines = []
            elif line == "end":
                self.cases[name] = lines
            elif line == "all":
                return None
            elif line.startswith("  "):
                lines.append(line.strip())
        return int(number), name

    def gather(self, start, expected=None):
        """`start(FROM)` runs the program from a case on until it ends: again, until all are done. `expected`: a case that ends it
        against that is tried once more by itself, as what an earlier one did to the driver's memory may have ended it."""
        at, tried = 0, set()
        for _ in range(MOST_RESTARTS):
            code, text = start(at)
            stopped = self.read(text)
            if stopped is None:
                return self
            number, name = stopped
            if number < at:
                raise SystemExit(f"sweep_test: the program makes no call: it ends with {code}")
            if expected is not None and name not in tried and not expected(name):
                tried.add(name)
                at = number
                print(f"note  {name}: ended with {code} after the cases before it; tried by itself", flush=True)
                continue
            self.lost[name] = GONE.get(code, f"ends with {code}")
            self.cases[name] = [f"the program {self.lost[name]}"]
            at = number + 1
        raise SystemExit(f"sweep_test: more than {MOST_RESTARTS} cases ended the program")


class Differences:
    """differences.toml, as it says at its top."""

    def __init__(self, path):
        self.rows = tomllib.loads(path.read_text())["difference"]
        self.used = set()

    def find(self, name, native):
        for i, row in enumerate(self.rows):
            if ("native" in row) == native and any(fnmatch.fnmatchcase(name, p) for p in row["cases"]):
                self.used.add(i)
                return row
        return None

    def unsurvived(self):
        return [pattern for row in self.rows if "native" in row for pattern in row["cases"]]

    def allows(self, name, served):
        row = self.find(name, False)
        if row is None or any(line.startswith("the program ") for line in served):
            return False
        return all(line in served for line in row.get("served", []))


def run(command, env, timeout):
    """The exit code and what was printed."""
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
    def __init__(self, options, skip):
        self.options = options
        self.program = f"{options.build}/bin/flexai-opencl-sweep"
        self.found = 0  # programs that were not compiled again
        self.skip = tempfile.NamedTemporaryFile("w", prefix="flexai-")
        self.skip.write("".join(pattern + "\n" for pattern in skip))
        self.skip.flush()

    def command(self, platform, at, *more):
        return [self.program, "--platform", platform, "--from", str(at), "--patience", "15", *more, *self.options.entry]

    def native(self, expected):
        more = ["--native"] + ([] if self.options.full else ["--skip", self.skip.name])
        return Transcript().gather(lambda at: run(self.command("Portable", at, *more), NATIVE, 1200), expected)

    def served(self, carrier, strict, home=None):
        def start(at):
            with Worker(self.options.build, carrier, home=home) as worker:
                if strict:
                    worker.env["FLEXAI_STRICT"] = "1"
                done = run(self.command("Flexai", at, "--skip", self.skip.name), worker.env, 1200)
                if home:
                    worker.wait()
                    self.found += worker.programs_found()
                return done
        return Transcript().gather(start)


def shown(lines):
    return "".join(f"      {line}\n" for line in lines) or "      nothing\n"


def compare(native, served, differences, verbose):
    """Prints what differs; the number of such cases that are not allowed."""
    wrong = 0
    for name, got in served.cases.items():
        expected = native.cases.get(name, ["the case was not made"])
        if expected[:1] and expected[0].startswith("expected "):
            # Not the driver's own lines: what the call must be answered, and no more.
            expected = [expected[0].replace("expected", "code")]
            got = [line for line in got if line.startswith(("code", "the program"))][:1]
        if expected == got:
            continue
        allowed = differences.allows(name, got)
        wrong += not allowed
        if verbose or not allowed:
            word = "allowed" if allowed else "DIFFERS"
            print(f"{word} {name}\n    native:\n{shown(expected)}    served:\n{shown(got)}", end="")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--carrier", action="append", default=[])
    parser.add_argument("--entry", action="append", default=[])
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--kept", action="store_true", help="in a second session, with the programs that a first one built")
    parser.add_argument("--full", action="store_true", default=bool(os.environ.get("FLEXAI_FULL")))
    parser.add_argument("--verbose", action="store_true", help="print what is allowed too")
    options = parser.parse_args()
    rounds = [(carrier, options.strict) for carrier in options.carrier]
    if not rounds:
        rounds = [("unix", False), ("shm", False), ("tcp", False), ("shm", True)] if options.full else [("shm", options.strict)]
    differences = Differences(HERE / "differences.toml")
    sweep = Sweep(options, differences.unsurvived())
    failed, start = 0, time.monotonic()
    native = sweep.native(lambda name: differences.find(name, True) is not None)
    print(f"native: {len(native.cases)} cases in {time.monotonic() - start:.0f} s, {len(native.lost)} end the program", flush=True)
    for name, how in native.lost.items():
        if differences.find(name, True) is None:
            failed += 1
            print(f"DIFFERS {name}: natively the program {how}, and differences.toml does not say so")
    for carrier, strict in rounds:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="flexai-") as folder:
            home = folder if options.kept else None
            if home:
                sweep.served(carrier, strict, home)
            served = sweep.served(carrier, strict, home)
        wrong = compare(native, served, differences, options.verbose)
        failed += wrong
        print(f"{carrier}{' strict' if strict else ''}: {len(served.cases)} cases in {time.monotonic() - start:.0f} s, "
              f"{len(served.lost)} end the program, {wrong} differ", flush=True)
    if options.kept:
        print(f"{sweep.found} programs found")
        failed += not sweep.found
    for i, row in enumerate(differences.rows):
        needed = not row.get("sometimes") and ("native" not in row or options.full)
        if not options.entry and i not in differences.used and needed:
            failed += 1
            print(f"differences.toml: no case needs {row['cases']} any more")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
