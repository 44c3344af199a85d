"""A control plane of its own for the tests of kube/ (real etcd and API server), programs that use it, and a bad network in between."""
import contextlib
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
# The cluster's own program; the variable names it where it is not in this tree.
TOOL = os.environ.get("FLEXAI_CLUSTER_TOOL", str(ROOT / "test/cluster/main.py"))


class ControlPlane:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="flexai-kube-")
        self.up()

    def run(self, *words, check=True):
        return subprocess.run([sys.executable, "-B", TOOL, "--state", f"{self.folder}/cluster", *words], check=check, capture_output=True,
                              text=True)

    def up(self):
        done = self.run("up", "--profile", "control-plane", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        status = json.loads(self.run("status", "--json").stdout)
        self.kubeconfig, self.processes = status["kubeconfig"], status["processes"]
        self.port, self.kubectl_program = int(status["server"].rsplit(":", 1)[1]), status["kubectl"]

    def kill(self, name):
        self.run("kill", name)

    def kubectl(self, *words, stdin=None):
        done = subprocess.run([self.kubectl_program, "--kubeconfig", self.kubeconfig, *words], capture_output=True, text=True, input=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def pki(self, name):
        return str(pathlib.Path(self.kubeconfig).parent / name)

    def config(self, path, port=None, token_file=None):
        """A kubeconfig at `path`: the administrator's, or of a token, through another port."""
        user = {"tokenFile": token_file} if token_file else {"client-certificate": self.pki("admin.crt"), "client-key": self.pki("admin.key")}
        whole = {"current-context": "t", "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
                 "clusters": [{"name": "t", "cluster": {"server": f"https://127.0.0.1:{port or self.port}", "certificate-authority": self.pki("ca.crt")}}],
                 "users": [{"name": "t", "user": user}]}
        pathlib.Path(path).write_text(json.dumps(whole), encoding="utf-8")
        return path

    def down(self):
        self.run("down", check=False)
        subprocess.run(["rm", "-rf", self.folder], check=False)


class Relay:
    """flexai-link-relay in front of the API server; tell("cut rst") and so on."""

    def __init__(self, build, port):
        self.process = subprocess.Popen([f"{build}/bin/flexai-link-relay", "--listen", "tcp:127.0.0.1:0", "--to", f"tcp:127.0.0.1:{port}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().strip().rsplit(":", 1)[1])

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Probe:
    """A kube-probe that runs on: its lines, and waiting for one of them."""

    def __init__(self, build, kubeconfig, *words):
        self.process = subprocess.Popen([f"{build}/bin/kube-probe", "--kubeconfig", kubeconfig, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lines, self.fresh = [], queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                self.lines.append(line.strip())
                self.fresh.put(line.strip())

    def wait(self, pattern, seconds=60):
        """The next line not yet waited for that matches."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                line = self.fresh.get(timeout=0.2)
                if re.search(pattern, line):
                    return line
        raise AssertionError(f"no line like {pattern}; the last ones:\n" + "\n".join(self.lines[-20:]))

    def counts(self):
        self.process.stdin.write("counts\n")
        self.process.stdin.flush()
        words = self.wait("^counts ").split()[1:]
        return dict(zip(words[::2], map(int, words[1::2])))

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()
        return self.lines


def call(build, kubeconfig, verb, path, body=None, kind=None):
    """One call by kube-probe: {"http", "body", "failure"}."""
    words = [verb, path] + ([json.dumps(body) if not isinstance(body, str) else body] if body is not None else []) + ([kind] if kind else [])
    done = subprocess.run([f"{build}/bin/kube-probe", "--kubeconfig", kubeconfig, "call", *words], capture_output=True, text=True)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
