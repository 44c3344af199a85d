"""A group of two hosts for tests and the demo: the agent of a card's host, and what a host without a card has."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from cases import Different, expect
from served import DRIVER, POCL

ROOT = pathlib.Path(__file__).resolve().parents[3]
PYTHON = str(ROOT / ".venv" / "bin" / "python")
TRAIN = [PYTHON, str(ROOT / "test" / "programs" / "train_tinygrad.py"), "--json"]


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise Different(f"waited in vain until {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """An authority, the agent of a card's host, and what a host without a card has: a certificate and nothing else."""

    def __init__(self, build, *options, listen="127.0.0.1"):
        self.build = build
        self.folder = tempfile.TemporaryDirectory(prefix="fxn-", dir="/tmp")
        self.place = pathlib.Path(self.folder.name)
        for part in ("authority", "tmp", "home"):
            (self.place / part).mkdir(mode=0o700)
        self.home = {k: v for k, v in os.environ.items() if not k.startswith(("OCL_", "POCL_", "FLEXAI_"))}
        self.home |= {"HOME": str(self.place / "home"), "TMPDIR": str(self.place / "tmp"), "POCL_CACHE_DIR":
                      os.environ.get("POCL_CACHE_DIR", "/tmp/flexai-pocl-cache")}
        # Workers cannot make it: beside the agent's folder nothing new is theirs.
        os.makedirs(self.home["POCL_CACHE_DIR"], exist_ok=True)
        self.authority("pki", "init")
        self.enroll("gpu1", "--address", "127.0.0.1", "--address", "10.77.0.1")
        self.enroll("desk")
        self.port = free_port()
        self.options = [*options, "--listen", f"{listen}:{self.port}", "--pki", str(self.place / "gpu1")]
        # Of the host without a card: nothing of the agent's, no driver.
        self.env = {**self.home, "FLEXAI_PKI": str(self.place / "desk"), "OCL_ICD_VENDORS": "/nowhere"}
        # Of the card's host.
        self.card_env = {**self.home, **DRIVER, "OCL_ICD_VENDORS": POCL,
                         "FLEXAI_SOCKET": str(self.place / "run" / "flexai.sock")}
        self.log = open(self.place / "log", "a+")  # noqa: closed with the group
        self.agent = None

    def tool(self, name):
        return f"{self.build}/bin/{name}"

    def authority(self, *words, code=0):
        where = [] if words[-1].startswith("--authority") else ["--authority", str(self.place / "authority")]
        done = subprocess.run([self.tool("flexai"), *words, *where], env=self.home, capture_output=True, text=True, check=False)
        expect(done.returncode == code, f"{words}: exit {done.returncode}: {done.stderr}")
        return done.stdout + done.stderr

    def enroll(self, name, *more, folder=None):
        self.authority("host", "enroll", name, "--out", str(self.place / (folder or name)), *more)

    def start(self, *more):
        reading, writing = os.pipe()
        self.agent = subprocess.Popen(
            [self.tool("flexaid"), "--state", str(self.place / "state"), "--runtime", str(self.place / "run"), "--lock-folder",
             str(self.place / "locks"), "--ready-fd", str(writing), *self.options, *more], env=self.card_env, pass_fds=[writing],
            stdout=self.log, stderr=self.log)
        os.close(writing)
        with os.fdopen(reading) as ready:
            line = ready.readline().strip()
        expect(line == "ready", line)

    def stop(self, how=signal.SIGTERM):
        if self.agent:
            self.agent.send_signal(how)
            self.agent.wait(30)
            self.agent = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for one in self.sessions() if self.agent else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["worker"], signal.SIGKILL)
        self.stop()
        self.log.close()
        self.folder.cleanup()

    def host(self, port=None):
        return f"127.0.0.1:{port or self.port}"

    def run_words(self, command, *more, port=None):
        return [self.tool("flexai"), "run", "--host", self.host(port), *(more or ("--compute", "50%", "--memory", "256MiB")),
                "--", *command]

    def popen(self, command, *more, port=None):
        return subprocess.Popen(self.run_words(command, *more, port=port), env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, command, *more, port=None, timeout=200):
        return subprocess.run(self.run_words(command, *more, port=port), env=self.env, capture_output=True, text=True,
                              timeout=timeout, check=False)

    def cli(self, *words, env=None):
        return subprocess.run([self.tool("flexai"), *words], env=env or self.env, capture_output=True, text=True, timeout=60, check=False)

    def here(self, *words):
        """A command on the card's host, as JSON."""
        done = self.cli(*words, "--json", env=self.card_env)
        expect(done.returncode == 0, f"{words}: {done.stderr}")
        return json.loads(done.stdout)

    def sessions(self):
        return self.here("sessions")["sessions"]

    def slices(self):
        return self.here("slice", "list")["slices"]

    def working(self):
        wait_until("a worker works", lambda: any(s["attached"] for s in self.sessions()))
        return self.sessions()[0]

    def nothing_left(self, seconds):
        wait_until("everything is freed", lambda: not self.sessions() and not self.slices(), seconds)

    def counter(self, *options, port=None):
        return self.popen([self.tool("opencl-counter"), *options], port=port)

    def relay(self, port=None):
        to = f"tcp:127.0.0.1:{port or self.port}"
        process = subprocess.Popen([self.tool("flexai-link-relay"), "--listen", "tcp:127.0.0.1:0", "--to", to],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.port = int(process.stdout.readline().strip().rsplit(":", 1)[1])
        return process


class Several(Group):
    """The same with the agents of three hosts, gpu1 to gpu3, each with its own folders and port, all with the same card."""

    def __init__(self, build):
        super().__init__(build)
        self.others = []
        for name in ("gpu2", "gpu3"):
            self.enroll(name, "--address", "127.0.0.1")
            other = Other(self, name)
            self.others.append(other)

    def start(self, *more):
        super().start(*more)
        for other in self.others:
            other.start()

    def stop(self, how=signal.SIGTERM):
        for other in self.others:
            other.stop(how)
        super().stop(how)

    def __exit__(self, *arguments):
        for other in self.others:
            other.end_workers()
        super().__exit__(*arguments)

    def hosts(self):
        return [self, *self.others]

    def host(self, port=None):
        return ",".join(f"127.0.0.1:{each}" for each in ([port] if port else [one.port for one in self.hosts()]))


class Other:
    """One more host of a group."""

    def __init__(self, group, name):
        self.group, self.name, self.port, self.agent = group, name, free_port(), None
        self.place = group.place / f"of-{name}"
        self.place.mkdir()
        self.card_env = {**group.card_env, "FLEXAI_SOCKET": str(self.place / "run" / "flexai.sock")}

    def start(self):
        reading, writing = os.pipe()
        self.agent = subprocess.Popen(
            [self.group.tool("flexaid"), "--state", str(self.place / "state"), "--runtime", str(self.place / "run"), "--lock-folder",
             str(self.place / "locks"), "--ready-fd", str(writing), "--listen", f"127.0.0.1:{self.port}", "--pki",
             str(self.group.place / self.name)], env=self.card_env, pass_fds=[writing], stdout=self.group.log, stderr=self.group.log)
        os.close(writing)
        with os.fdopen(reading) as ready:
            line = ready.readline().strip()
        expect(line == "ready", line)

    def here(self, *words):
        done = self.group.cli(*words, "--json", env=self.card_env)
        expect(done.returncode == 0, f"{words}: {done.stderr}")
        return json.loads(done.stdout)

    def sessions(self):
        return self.here("sessions")["sessions"]

    def slices(self):
        return self.here("slice", "list")["slices"]

    def end_workers(self):
        for one in self.sessions() if self.agent else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["worker"], signal.SIGKILL)

    def stop(self, how=signal.SIGTERM):
        if self.agent:
            self.agent.send_signal(how)
            self.agent.wait(30)
            self.agent = None


class Apart:
    """A network namespace, joined to this one by a cable that can be pulled, in which no OpenCL driver is to be found. Needs root."""

    NAME, CABLE, NEAR, FAR = "flexai-desk", "flexai-cable", "10.77.0.1", "10.77.0.2"

    def __enter__(self):
        self.empty = tempfile.TemporaryDirectory(prefix="fxn-")
        self.__exit__(keep=True)
        for words in (("netns", "add", self.NAME), ("link", "add", self.CABLE, "type", "veth", "peer", "name", "eth0", "netns", self.NAME),
                      ("addr", "add", f"{self.NEAR}/30", "dev", self.CABLE), ("link", "set", self.CABLE, "up"),
                      ("-n", self.NAME, "addr", "add", f"{self.FAR}/30", "dev", "eth0"), ("-n", self.NAME, "link", "set", "eth0", "up"),
                      ("-n", self.NAME, "link", "set", "lo", "up")):
            done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
            expect(done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}")
        return self

    def __exit__(self, *_, keep=False):
        for words in (("netns", "del", self.NAME), ("link", "del", self.CABLE)):
            subprocess.run(["ip", *words], capture_output=True, check=False)
        if not keep:
            self.empty.cleanup()

    @staticmethod
    def possible():
        if os.geteuid() != 0 or shutil.which("ip") is None:
            return False
        # In some containers a namespace can be made and not be entered.
        name = f"{Apart.NAME}-try"
        tried = [subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0
                 for words in (("netns", "add", name), ("netns", "exec", name, "true"), ("netns", "del", name))]
        return all(tried)

    def inside(self, words):
        hide = f"mount --bind {self.empty.name} /etc/OpenCL/vendors && exec \"$@\""
        return ["ip", "netns", "exec", self.NAME, "unshare", "-m", "sh", "-c", hide, "sh", *words]

    def pull(self, seconds):
        for state, pause in (("down", seconds), ("up", 0)):
            subprocess.run(["ip", "link", "set", self.CABLE, state], check=True)
            time.sleep(pause)
