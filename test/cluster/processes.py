"""The processes of a cluster: started in the background with a log each, remembered in a file, stopped by whoever comes later.

Every process carries MARK=FOLDER in its environment, as do its children: `sweep` finds those nobody remembers. It carries NAME=its name
too: who was cut between starting it and writing that down finds it again."""
import json
import os
import pathlib
import signal
import subprocess
import time

from say import Failed

MARK, NAME = "FLEXAI_CLUSTER_MEMBER_OF", "FLEXAI_CLUSTER_PROCESS"
PROC = pathlib.Path("/proc")


def stat_of(pid: int):
    """The words behind a process's name in /proc: state, parent, ...; None when it is gone or only waits to be reaped."""
    try:
        words = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else words


def start_of(pid: int):
    """When the process began, in ticks since the machine did: a number taken again is not it."""
    words = stat_of(pid)
    return words[19] if words else None


def all_pids():
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def child_of(parent: int):
    for pid in all_pids():
        words = stat_of(pid)
        if words and int(words[1]) == parent:
            return pid
    return None


def command_of(pid: int):
    try:
        return [word.decode(errors="replace") for word in (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]]
    except OSError:
        return []


def environment_of(pid: int):
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def clusters_here():
    """The folders of all clusters of which a process lives."""
    start = MARK.encode() + b"="
    return sorted({word[len(start):].decode(errors="replace") for pid in all_pids() for word in environment_of(pid) if word.startswith(start)})


def signal_to(pid: int, how):
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass


class Processes:
    """`folder` must exist."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.file = folder / "processes.json"
        self.mark = f"{MARK}={folder}"

    def known(self):
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def pid(self, name: str):
        """Of the process that lives under that name, else None."""
        one = self.known().get(name)
        # One that died as it was started has no start.
        return one["pid"] if one and one["start"] and start_of(one["pid"]) == one["start"] else None

    def log_of(self, name: str):
        return self.folder / "log" / f"{name}.log"

    def start(self, name: str, words, env=None, inside=()):
        """Does nothing when it lives. `inside`: a command that runs the rest as its child."""
        if self.pid(name):
            return
        words = [str(word) for word in words]
        pid = self._forgotten(name, words) or self._started(name, words, env or {}, inside)
        everyone = self.known() | {name: {"pid": pid, "start": start_of(pid)}}
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(everyone, indent=1), encoding="utf-8")
        fresh.rename(self.file)

    def _forgotten(self, name, words):
        """One that runs and was not written down. Its children, which have its environment, are called otherwise."""
        named = f"{NAME}={name}".encode()
        for pid in self.marked():
            if named in environment_of(pid) and command_of(pid) == words:
                return pid
        return None

    def _started(self, name, words, env, inside):
        (self.folder / "log").mkdir(exist_ok=True)
        environment = {**os.environ, **env, MARK: str(self.folder), NAME: name}
        with open(self.log_of(name), "ab") as log:
            process = subprocess.Popen([*inside, *words], env=environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, cwd="/", start_new_session=True)
        return self._child(name, process) if inside else process.pid

    def _child(self, name, process):
        end = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < end:
            pid = child_of(process.pid)
            if pid:
                return pid
            time.sleep(0.01)
        raise Failed(f"{name} did not start: {self.tail(name)}")

    def tail(self, name: str, lines: int = 5):
        try:
            text = self.log_of(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(line[:400] for line in text.strip().splitlines()[-lines:])

    def wait(self, name: str, what: str, ready, seconds: float):
        """Until it is ready; fails with the end of its log when it died or takes too long."""
        end = time.monotonic() + seconds
        while not ready():
            died = self.pid(name) is None
            if died or time.monotonic() > end:
                how = "ended" if died else f"took more than {seconds:.0f} s"
                raise Failed(f"{name} {how} before {what}; ./dev cluster up tries again, down clears all away. The end of "
                             f"{self.log_of(name)}:\n{self.tail(name)}")
            time.sleep(0.1)

    def stop(self, name: str, how=signal.SIGTERM, seconds: float = 10):
        """By `how`, said once: many servers take a second word as "at once". By SIGKILL when it is there still after `seconds`."""
        pid = self.pid(name)
        if pid is None:
            return
        signal_to(pid, how)
        end = time.monotonic() + seconds
        while self.pid(name) == pid:
            if time.monotonic() > end:
                signal_to(pid, signal.SIGKILL)
            time.sleep(0.05)

    def marked(self):
        return [pid for pid in all_pids() if pid != os.getpid() and self.mark.encode() in environment_of(pid)]

    def sweep(self, seconds: float = 20):
        """Ends all that carries the mark, remembered or not."""
        end = time.monotonic() + seconds
        while left := self.marked():
            if time.monotonic() > end:
                raise Failed(f"processes {left} do not end; they hang in the kernel: see dmesg, then ./dev cluster down again")
            for pid in left:
                signal_to(pid, signal.SIGKILL)
            time.sleep(0.05)
