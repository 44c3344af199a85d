"""What the cluster asks of this machine's kernel, and what it must put back: control groups and settings that a kubelet changes."""
import json
import os
import pathlib
import time

from say import Failed

GROUP = "flexai-cluster"
WORKERS = "flexai"  # of the agents of nodes, as deploy/kustomize/agent.yaml names it
WANTED = {"cpu", "cpuset", "memory", "pids"}
# kubelet sets these for the whole host.
SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
            "kernel/keys/root_maxbytes")


def hierarchies(mountinfo: str):
    """(mount point, controllers) of each hierarchy of control groups; of the second version the controllers are None."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        place, kind, options = before.split()[4], after.split()[0], after.split()[2]
        if kind == "cgroup":
            found.append((place, set(options.split(","))))
        elif kind == "cgroup2":
            found.append((place, None))
    return found


def controllers(place: str, named):
    if named is not None:
        return named
    try:
        return set(pathlib.Path(place, "cgroup.controllers").read_text(encoding="ascii").split())
    except OSError:
        return set()


def places():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return hierarchies(file.read())


def check_groups():
    """Every controller that a kubelet needs is somewhere we may write."""
    present = set()
    for place, named in places():
        if os.access(place, os.W_OK):
            present |= controllers(place, named)
    if WANTED - present:
        raise Failed(f"no control groups for {', '.join(sorted(WANTED - present))}; a container needs --privileged and --cgroupns=private, a "
                     "kernel cgroup_enable=memory")


def make_groups(nodes):
    for place, named in places():
        # Beside the first version the second is there for systemd alone.
        if not os.access(place, os.W_OK) or (named is None and not WANTED & controllers(place, named)):
            continue
        top = pathlib.Path(place, GROUP)
        top.mkdir(exist_ok=True)
        for folder in (pathlib.Path(place), top) if named is None else ():
            hand_on(folder)
        for node in nodes:
            (top / node).mkdir(exist_ok=True)


def hand_on(folder: pathlib.Path):
    """In the second version: the groups below get the controllers that kubelets want."""
    given = (folder / "cgroup.subtree_control").read_text(encoding="ascii").split()
    for name in sorted(WANTED - set(given)):
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{name}", encoding="ascii")
        except OSError as error:
            raise Failed(f"{folder}: the controller {name} cannot be handed on ({error.strerror}); who starts this container must allow "
                         "it") from error


def sweep(top: pathlib.Path):
    """The innermost first; those with processes stay."""
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            pass


def drop_groups(seconds: float = 20):
    """A group whose last process is just ending takes a moment."""
    end = time.monotonic() + seconds
    for place, _ in places():
        sweep(pathlib.Path(place, WORKERS))  # an agent of this machine itself may have its own there
        top = pathlib.Path(place, GROUP)
        while top.exists():
            sweep(top)
            if top.exists() and time.monotonic() > end:
                raise Failed(f"{top} cannot be removed; see which processes are in the cgroup.procs files below it")
            time.sleep(0.02)


def read_settings():
    found = {}
    for name in SETTINGS:
        path = pathlib.Path("/proc/sys", name)
        if path.exists():
            found[name] = path.read_text(encoding="ascii").strip()
    return found


def save_settings(file: pathlib.Path):
    """Once: a second `up` would keep what the first had changed."""
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(read_settings(), indent=1), encoding="ascii")
        fresh.rename(file)


def restore_settings(file: pathlib.Path):
    if not file.exists():
        return
    for name, value in json.loads(file.read_text(encoding="ascii")).items():
        path = pathlib.Path("/proc/sys", name)
        if path.read_text(encoding="ascii").strip() != value:
            path.write_text(value, encoding="ascii")
