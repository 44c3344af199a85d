"""What a test cluster could leave on its host: compared before and after."""
import json
import os
import pathlib
import subprocess

FOLDERS = ("/run", "/var/lib", "/var/log", "/var/run", "/opt", "/etc", "/etc/cni", "/usr/libexec", "/usr/libexec/kubernetes", "/tmp", "/root",
           "/var/lib/cni", "/run/netns", "/var/lib/kubelet", "/dev")
SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
            "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max")
OTHERS = ("flexai-", "fxc-", "pytest", "tmp", "bash_jobs")  # of whoever else works here


def listed(folder):
    try:
        return [name for name in os.listdir(folder) if folder != "/tmp" or not name.startswith(OTHERS)]
    except OSError:
        return None


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def groups():
    """Control groups, without those that come and go with other work."""
    return sorted(str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("*/*") if path.is_dir() and "flexai" in path.name) + sorted(
        str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("*kube*"))


def setting(name):
    try:
        return pathlib.Path("/proc/sys", name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def traces(mark):
    """Whatever a cluster touches; `mark` is in the environment of its processes."""
    return {
        "processes": marked(mark),
        "mounts": sorted(line.split(" ", 3)[3] for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()),
        "links": sorted(link["ifname"] for link in json.loads(output("ip", "-json", "link"))),
        "addresses": output("ip", "-brief", "addr"),
        "routes": output("ip", "route", "show", "table", "all"),
        "rules": output("nft", "list", "ruleset"),
        "namespaces": sorted(set(line.split()[0] for line in output("lsns", "--noheadings", "--output", "NS,TYPE").splitlines())),
        "groups": groups(),
        "settings": {name: setting(name) for name in SETTINGS},
        "files": {folder: sorted(names) if (names := listed(folder)) is not None else None for folder in FOLDERS},
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
    found = []
    for part, was in before.items():
        now = after[part]
        if part == "files":
            found += [f"files in {folder}: {sorted(set(now[folder] or []) ^ set(was[folder] or []))}" for folder in was
                      if now[folder] != was[folder]]
        elif part == "namespaces":
            pass  # other work makes and ends its own; ours are held by processes, which are looked at
        elif now != was:
            found.append(f"{part}: {was} was, {now} is")
    return found
