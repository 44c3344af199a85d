"""A worker for one program: what the tests of the served mode start.

usage: served.py BUILD CARRIER COMMAND...    COMMAND with a card behind flexai-worker; CARRIER is unix, shm or tcp
"""
import contextlib
import os
import subprocess
import sys
import tempfile

DRIVER = {"POCL_MEMORY_LIMIT": "4"}
POCL = "/etc/OpenCL/vendors/pocl.icd"


class Worker:
    """flexai-worker with an endpoint in a folder of its own; `env` is what a program needs to use it and no driver."""

    def __init__(self, build, carrier, icd=POCL, pki=None, listen=None, **driver):
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        where = {"tcp": "tcp:127.0.0.1:0", "tls": "tls:127.0.0.1:0"}.get(carrier, f"{carrier}:{self.folder.name}/worker")
        self.log = open(f"{self.folder.name}/log", "w+")  # noqa: closed with the worker
        command = [f"{build}/bin/flexai-worker", "--listen", listen or where, "--icd", icd]
        self.process = subprocess.Popen(command + (["--pki", pki] if pki else []), env={**os.environ, **DRIVER, **driver},
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.endpoint = self.process.stdout.readline().strip()
        self.env = {**os.environ, "OCL_ICD_VENDORS": f"{build}/lib/libflexai_opencl.so", "FLEXAI_WORKER": self.endpoint}
        if pki:
            self.env["FLEXAI_PKI"] = pki

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)  # it ends with its client
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()


if __name__ == "__main__":
    with Worker(sys.argv[1], sys.argv[2]) as worker:
        code = subprocess.run(sys.argv[3:], env=worker.env, check=False).returncode
        sys.stderr.write(worker.said())
    sys.exit(code)
