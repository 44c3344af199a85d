"""A worker for one program: what the tests of the served mode start.

usage: served.py BUILD CARRIER COMMAND...    COMMAND with a card behind flexai-worker; CARRIER is one of CARRIERS
"""
import contextlib
import os
import re
import subprocess
import sys
import tempfile

DRIVER = {"POCL_MEMORY_LIMIT": "4"}
POCL = "/etc/OpenCL/vendors/pocl.icd"
# "far": TLS, a millisecond away in each direction.
CARRIERS = ("unix", "shm", "tcp", "tls", "far")


class Worker:
    """flexai-worker with an endpoint in a folder of its own; `env` is what a program needs to use it and no driver."""

    def __init__(self, build, carrier, icd=POCL, pki=None, listen=None, home=None, **driver):
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        self.patience = 60 if home else 2
        kind = "tls" if carrier == "far" else carrier
        where = f"{kind}:127.0.0.1:0" if kind in ("tcp", "tls") else f"{kind}:{self.folder.name}/worker"
        if kind == "tls" and pki is None:
            pki = f"{self.folder.name}/pki"
            os.mkdir(pki)
            subprocess.run([f"{build}/bin/flexai-test-pki", pki], check=True, capture_output=True)
        self.log = open(f"{self.folder.name}/log", "w+")  # noqa: closed with the worker
        command = [f"{build}/bin/flexai-worker", "--listen", listen or where, "--icd", icd]
        # What is built is kept for the next one with the same home before this one ends.
        more = (["--pki", pki] if pki else []) + (["--home", home, "--linger", "60000"] if home else [])
        self.process = subprocess.Popen(command + more, env={**os.environ, **DRIVER, **driver},
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.endpoint = self.process.stdout.readline().strip()
        self.relay = None
        if carrier == "far":
            to = self.endpoint.replace("tls:", "tcp:")
            self.relay = subprocess.Popen([f"{build}/bin/flexai-link-relay", "--listen", "tcp:127.0.0.1:0", "--to", to, "--delay-us", "1000"],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.endpoint = self.relay.stdout.readline().strip().split()[-1].replace("tcp:", "tls:")
        self.env = {**os.environ, "OCL_ICD_VENDORS": f"{build}/lib/libflexai_opencl.so", "FLEXAI_WORKER": self.endpoint}
        if pki:
            self.env["FLEXAI_PKI"] = pki

    def wait(self):
        """Until it has ended with its client."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.patience)

    def programs_found(self):
        """How many programs it did not compile, as they had been built before. After wait()."""
        found = re.search(r"programs: \d+ compiled, (\d+) found", self.said())
        return int(found[1]) if found else 0

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wait()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.relay:
            self.relay.communicate("quit\n", timeout=10)
        self.log.close()
        self.folder.cleanup()


if __name__ == "__main__":
    with Worker(sys.argv[1], sys.argv[2]) as worker:
        code = subprocess.run(sys.argv[3:], env=worker.env, check=False).returncode
        sys.stderr.write(worker.said())
    sys.exit(code)
