"""What a test cluster could leave on its host: compared before and after."""
import json
import os
import pathlib
import subprocess

FOLDERS = ("/run", "/var/lib", "/var/log", "/var/run", "/opt", "/etc", "/etc/cni", "/usr/libexec", "/usr/libexec/kubernetes", "/root",
           "/var/lib/cni", "/var/lib/kubelet", "/dev")
SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
            "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max")

CABLE = ("flexai-cable", "flexai-desk")


def listed(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return None


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def groups():
    """Control groups, without those that come and go with other work."""
    return sorted(str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("*/*") if path.is_dir() and "flexai" in path.name) + sorted(
        str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("*kube*"))


def mounts():
    """Without those below /tmp, where whatever else is tested here has its own."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return sorted(line.split(" ", 3)[3] for line in lines if not line.split()[4].startswith("/tmp/"))


def setting(name):
    try:
        return pathlib.Path("/proc/sys", name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def traces(mark):
    """Whatever a cluster touches; `mark` is in the environment of its processes."""
    return {
        "processes": marked(mark),
        "mounts": mounts(),
        "links": sorted(link["ifname"] for link in json.loads(output("ip", "-json", "link"))),
        "addresses": output("ip", "-brief", "addr").splitlines(),
        "routes": output("ip", "route", "show", "table", "all").splitlines(),
        "rules": output("nft", "list", "ruleset").splitlines(),
        "groups": groups(),
        "settings": {name: setting(name) for name in SETTINGS},
        "files": {folder: listed(folder) for folder in FOLDERS},
    }


def marked(mark):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def differences(before, after):
    """One line each."""
    was, now = flat(before), flat(after)
    return [f"{part}: {what} {'is there' if (part, what) in now else 'is gone'}" for part, what in sorted(was ^ now)]


def flat(found):
    """What a test of served programs may have up at the same time is left out."""
    whole = {(part, str(what)) for part in found if isinstance(found[part], list) for what in found[part]}
    whole |= {("settings", f"{name} = {value}") for name, value in found["settings"].items()}
    whole = {one for one in whole if not any(name in one[1] for name in CABLE)}
    return whole | {("files", f"{folder}/{name}") for folder, names in found["files"].items() for name in names or ["(no folder)"]}
