"""A short served run whose program, client library and worker are built with a sanitizer (preset asan or tsan); what those
report fails it, besides wrong results.

usage: sanitized_test.py BUILD [CASE ...]      one line a case
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from cases import expect, run_cases
from network_test import counted, say
from served import Worker

HERE = pathlib.Path(__file__).resolve().parent
REPORT = re.compile(r"^.*(?:ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:|ERROR: LeakSanitizer).*$", re.M)
# Drivers are not built with a sanitizer: what they do among themselves is not looked at, and what they keep is theirs.
OPTIONS = {
    "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:suppressions={HERE.parent / 'asan.supp'}",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # The session of a program is never destroyed, nor are its threads.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:report_thread_leaks=0:exitcode=66",
}
CARRIERS = ("unix", "shm", "tcp", "tls")


def runtime_of(library):
    """The sanitizer's own library, which a program that is built without it has to bring."""
    out = subprocess.run(["ldd", library], capture_output=True, text=True, check=False).stdout
    return " ".join(re.findall(r"=> (\S*lib(?:asan|tsan)\.so\S*)", out))


class Tests:
    def __init__(self, build):
        self.build = build
        os.environ.update(OPTIONS)
        self.runtime = runtime_of(f"{build}/bin/flexai-worker")
        if not self.runtime:
            sys.exit(f"sanitized_test: {build} has no sanitizer; build the preset asan or tsan")

    def tool(self, name):
        return f"{self.build}/bin/{name}"

    def clean(self, worker, process, out, errors):
        for whose, text in (("program", errors), ("worker", worker.said())):
            found = REPORT.search(text)
            expect(not found, f"the {whose}: {text[found.start():found.start() + 6000] if found else ''}")
        expect(process == 0, f"exit {process}: {out}{errors}")

    def served(self, carrier, command, right, **env):
        with tempfile.TemporaryDirectory() as pki:
            if carrier == "tls":
                subprocess.run([self.tool("flexai-test-pki"), pki], check=True)
            with Worker(self.build, carrier, pki=pki if carrier == "tls" else None) as worker:
                done = subprocess.run(command, env={**worker.env, **env}, capture_output=True, text=True, timeout=600, check=False)
                worker.process.wait(60)
                self.clean(worker, done.returncode, done.stdout, done.stderr)
        expect(right in done.stdout, done.stdout + done.stderr)

    def case_carriers(self):
        for carrier in CARRIERS:
            self.served(carrier, [self.tool("opencl-counter"), "--launches", "300", "--mib", "6"], f"{counted(300)} carried 6 MiB")

    def case_strict(self):
        self.served("shm", [self.tool("opencl-counter"), "--launches", "64", "--mib", "2"], f"{counted(64)} carried 2 MiB", FLEXAI_STRICT="1")

    def case_gemm(self):
        self.served("unix", [self.tool("gemm-clblast"), "--n", "64", "--repeat", "2"], "max_error")

    def case_forked(self):
        self.served("unix", [self.tool("opencl-forked-child"), "6"], "6 children, 0 wrong")

    def case_uninstrumented(self):
        """A program of the system's, which has the sanitizer loaded before it."""
        self.served("unix", ["clinfo", "-l"], "Platform #0: Flexai", LD_PRELOAD=self.runtime)

    def case_cut(self):
        """Connections that end in the middle, and are made anew."""
        with Worker(self.build, "tcp") as worker:
            relay = subprocess.Popen([self.tool("flexai-link-relay"), "--listen", "tcp:127.0.0.1:0", "--to", worker.endpoint],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            worker.env["FLEXAI_WORKER"] = relay.stdout.readline().strip().split()[-1]
            program = subprocess.Popen([self.tool("opencl-counter"), "--launches", "600", "--pause-us", "2000", "--mib", "8"], env=worker.env,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for how in ("fin", "rst", "fin", "rst"):
                try:
                    program.wait(0.7)
                except subprocess.TimeoutExpired:
                    say(relay, f"cut {how}")
            out, errors = program.communicate(timeout=300)
            relay.kill()
            relay.communicate()
            worker.process.wait(60)
            self.clean(worker, program.returncode, out, errors)
        expect(f"{counted(600)} carried 8 MiB" in out, out + errors)


if __name__ == "__main__":
    run_cases(Tests)
