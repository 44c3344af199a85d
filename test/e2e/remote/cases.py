"""Tests whose cases are the methods case_NAME of a class made with the build folder: PROGRAM BUILD [NAME ...]."""
import subprocess
import sys
import time


class Different(AssertionError):
    pass


def expect(ok, text):
    if not ok:
        raise Different(text)


def run_cases(kind):
    """Runs those named on the command line, or all, and exits: 1 when one failed."""
    tests = kind(sys.argv[1])
    chosen = sys.argv[2:] or [name[5:] for name in dir(tests) if name.startswith("case_")]
    failed = 0
    for name in chosen:
        start = time.monotonic()
        try:
            getattr(tests, "case_" + name)()
            print(f"ok    {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except (Different, subprocess.TimeoutExpired, ValueError) as error:
            failed += 1
            print(f"FAIL  {name}: {error}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
