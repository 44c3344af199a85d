"""The folder of a cluster: what was chosen when it was made, so that every later command is about the same one."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil

from say import Failed, say

MARKER, FRESH = "cluster.json", "cluster.new"
HIDDEN = ("/run", "/var/lib", "/var/log", "/var/run", "/proc", "/sys", "/dev")  # a node has its own


class State:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder.absolute()

    @property
    def exists(self):
        return (self.folder / MARKER).exists()

    def read(self):
        try:
            return json.loads((self.folder / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Failed(f"{self.folder / MARKER} cannot be read ({error}); ./dev cluster down clears it away") from error

    def create(self, chosen):
        """Only in a folder that is empty: `down` removes it whole."""
        for place in HIDDEN:
            if self.folder.resolve().is_relative_to(pathlib.Path(place).resolve()) and chosen["profile"] != "control-plane":
                raise Failed(f"--state {self.folder}: nodes have a {place} of their own; choose a folder elsewhere")
        if not self.empty:
            raise Failed(f"--state {self.folder} holds other files; choose an empty or a new folder")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        fresh = self.folder / FRESH
        fresh.write_text(json.dumps(chosen, indent=1), encoding="utf-8")
        fresh.rename(self.folder / MARKER)

    @property
    def empty(self):
        """Nothing in it, or what an `up` left that was cut as it began."""
        return not self.folder.exists() or all(entry.name == FRESH for entry in self.folder.iterdir())

    def remove(self):
        """The marker last: a removal that was cut can go on."""
        for entry in sorted(self.folder.iterdir(), key=lambda entry: entry.name == MARKER):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.folder.rmdir()

    @contextlib.contextmanager
    def lock(self):
        """One command at a time changes a cluster; the others wait. The lock lies beside the folder, which `down` removes."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        place = os.open(self.folder.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another command is at work on it; waiting")
                fcntl.flock(place, fcntl.LOCK_EX)
            yield
        finally:
            os.close(place)
