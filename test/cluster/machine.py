"""A machine of the cluster: network, mounts, processes and a host name of its own, all held by one process that does nothing.

All of it is gone when the holder is: the kernel ends every process inside and takes the mounts and links with them."""
import pathlib
import signal
import subprocess

from processes import Processes, child_of
from say import Failed, say

# Whose children it adopts are not to stay as zombies; that is what ignoring SIGCHLD says.
HOLDER = ["env", "--ignore-signal=CHLD", "sleep", "infinity"]
SPACES = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]


class Machine:
    def __init__(self, name: str, processes: Processes):
        self.name, self.processes = name, processes
        self.holder = f"machine-{name}"

    @property
    def pid(self):
        """Of the holder's parent, which is in the machine's network; None when the machine is off."""
        return self.processes.pid(self.holder)

    def up(self):
        if self.pid and not self._whole():
            say(f"{self.name} is half a machine; starting it anew")
            self.off()
        if self.pid is None:
            self.processes.start(self.holder, [*SPACES, *HOLDER])
            self.processes.wait(self.holder, "it has namespaces of its own (a container must be allowed to make them)", self._holds, 10)
            self.run("mount", "--make-rshared", "/")
            self.run("mount", "-t", "tmpfs", "-o", "mode=755", "machine-run", "/run")
            self.run("hostname", self.name)
            self.run("ip", "link", "set", "lo", "up")
            self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")

    def done(self):
        """Says that what its owner added is complete; without it the next `up` starts over."""
        self.run("touch", "/run/machine-is-complete")

    def _whole(self):
        return self._holds() and self.try_run("test", "-e", "/run/machine-is-complete")

    @property
    def complete(self):
        return self.pid is not None and self._whole()

    def _holds(self):
        child = child_of(self.pid) if self.pid else None
        try:
            return child is not None and pathlib.Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "sleep"
        except OSError:
            return False

    def off(self):
        self.processes.stop(self.holder, how=signal.SIGKILL)

    @property
    def inside(self):
        """Puts a command into the machine."""
        spaces = f"/proc/{self.pid}/ns"
        return ["nsenter", f"--net={spaces}/net", f"--mount={spaces}/mnt", f"--uts={spaces}/uts", f"--pid={spaces}/pid_for_children"]

    def start(self, name, words, env=None):
        self.processes.start(name, words, env, inside=self.inside)

    def run(self, *words):
        """Its output, or the failure."""
        done = subprocess.run([*self.inside, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"on {self.name}: {' '.join(map(str, words))[:200]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def try_run(self, *words):
        return subprocess.run([*self.inside, *map(str, words)], capture_output=True, check=False).returncode == 0
