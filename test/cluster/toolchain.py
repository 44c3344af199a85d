"""Where Go comes from: the one in PATH when it is new enough, else the official toolchain, which any older Go brings as a module."""
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess

from say import Failed, say

VERSION = (1, 26, 8)
LEAST = (1, 26, 0)  # what kubernetes' go.mod asks for
MODULE = "golang.org/toolchain"
# As the checksum database has them.
HASHES = {"amd64": "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=", "arm64": "h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc="}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
UNREACHABLE = ("dial tcp", "no such host", "i/o timeout", "connection refused", "proxyconnect", "TLS handshake timeout", "x509:")


def version_in(text: str):
    """Of what `go version` prints; zeros when it is something else."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0, 0, 0)


def version_of(go: str):
    # What it would switch to is not asked for.
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env={**os.environ, "GOTOOLCHAIN": "local"})
    return version_in(done.stdout)


def explained(what: str, errors: str):
    """The failure of a `go` command in one line, with the way out where it is known."""
    last = errors.strip()[-600:] or "no reason given"
    if any(sign in errors for sign in UNREACHABLE):
        return (f"{what}: modules cannot be fetched; check the network and its certificates (ca-certificates), or set GOPROXY to a module "
                f"proxy that can be reached: {last}")
    if "no space left on device" in errors:
        return f"{what}: the disk is full; free 8 GB, or name another place by FLEXAI_CACHE: {last}"
    return f"{what}: {last}"


def environment(cache: pathlib.Path, go: pathlib.Path):
    """Nothing of the caller's Go set-up but where modules come from and where they are kept."""
    kept = ("GOPROXY", "GONOSUMDB", "GOSUMDB", "GOMODCACHE", "GOCACHE")
    env = {k: v for k, v in os.environ.items() if not k.startswith("GO") or k in kept}
    own = {"GOPATH": str(cache / "gopath"), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
           "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false"}
    if "GOCACHE" not in env:
        own["GOCACHE"] = str(cache / "gocache")
    if go.is_absolute():
        own["GOROOT"] = str(go.resolve().parents[1])
    return env | own


def fetched(cache: pathlib.Path, older: str):
    """The toolchain by the client of an older one; its hash is the pinned one or it is not used."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise Failed(f"there is no Go toolchain for {platform.machine()}; install Go {LEAST[0]}.{LEAST[1]} or later")
    version = "go{}.{}.{}".format(*VERSION)
    wanted = f"{MODULE}@v0.0.1-{version}.linux-{machine}"
    env = environment(cache, pathlib.Path(older)) | {"GOFLAGS": "-modcacherw"}
    if not pathlib.Path(env.get("GOMODCACHE", cache / "gopath" / "pkg" / "mod"), wanted).exists():
        say(f"fetching {version}, about 70 MB")
    env.pop("GOROOT", None)
    done = subprocess.run([older, "mod", "download", "-json", wanted], cwd=cache, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(explained(f"{version} could not be fetched", done.stderr + done.stdout))
    facts = json.loads(done.stdout)
    if facts.get("Sum") != HASHES[machine]:
        raise Failed(f"{wanted} is not what was asked for: its hash is {facts.get('Sum')}; check GOPROXY and GOSUMDB")
    root = pathlib.Path(facts["Dir"])
    for folder in (root / "bin", root / "pkg" / "tool"):  # a module keeps no modes
        for file in folder.rglob("*"):
            if file.is_file():
                file.chmod(0o755)
    return root / "bin" / "go"


def command(cache: pathlib.Path):
    present = shutil.which("go")
    if present is None:
        raise Failed("Go is not installed: apt-get install golang-go (any version; it brings the one that is needed)")
    return pathlib.Path(present).resolve() if version_of(present) >= LEAST else fetched(cache, present)
