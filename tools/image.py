#!/usr/bin/env python3
"""An image of Flexai from a build, by deploy/docker/Dockerfile, without a container engine: an OCI layout in a tar.

usage: image.py --build FOLDER [--out IMAGE.tar] [--name REFERENCE] [--rootfs FOLDER]; `./dev image` builds what it needs first

`--rootfs` keeps what the Dockerfile copies, for `docker build`."""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "cluster"))
import images  # noqa: E402

PREFIX = "opt/flexai"
# Of the C library's family: they belong together, and to the node when its /usr is mounted.
C_LIBRARY = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|anl|nss_\w+|mvec))\.so\.\d+$")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
FOLDERS = ("etc", "tmp", "run", "var/lib", "var/run", "proc", "sys", "dev", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64")


class Failed(Exception):
    pass


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{words[0]}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def programs_in(folder: pathlib.Path):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.open("rb").read(4) == b"\x7fELF":
            yield path


def needed(paths):
    """name -> path of all shared libraries that they need."""
    found = {}
    for path in paths:
        for line in run("ldd", path).splitlines():
            parts = line.split()
            if "not found" in line:
                raise Failed(f"{path}: {line.strip()}")
            if len(parts) >= 3 and parts[1] == "=>":
                found[parts[0]] = pathlib.Path(parts[2])
            elif parts and parts[0].startswith("/"):
                found[pathlib.Path(parts[0]).name] = pathlib.Path(parts[0])
    return found


def fill(build: pathlib.Path, rootfs: pathlib.Path):
    for folder in FOLDERS:
        (rootfs / folder).mkdir(parents=True)
    for name, target in LINKS.items():
        (rootfs / name).symlink_to(target)
    run("cmake", "--install", build, "--prefix", rootfs / PREFIX, "--strip")
    home = rootfs / PREFIX / "lib" / "needed"
    home.mkdir(parents=True)
    triplet = run("gcc", "-print-multiarch").strip()
    (rootfs / "usr/lib" / triplet).mkdir()
    for name, path in needed(programs_in(rootfs / PREFIX)).items():
        own = bool(C_LIBRARY.match(name))
        shutil.copyfile(path, (rootfs / "usr/lib" / triplet if own else home) / name)
        os.chmod((rootfs / "usr/lib" / triplet if own else home) / name, 0o755)
    for loader in (rootfs / "usr/lib" / triplet).glob("ld-linux*"):
        (rootfs / "usr/lib64" / loader.name).symlink_to(f"../lib/{triplet}/{loader.name}")


def instructions():
    text = re.sub(r"\\\n", " ", (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8"))
    return [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]


def image_of(rootfs: pathlib.Path, name: str):
    """What the Dockerfile says, of the instructions that it uses."""
    files, env, labels, command = {}, [], {}, None
    for word, rest in instructions():
        if word == "COPY" and rest == "rootfs/ /":
            files = {str(path.relative_to(rootfs)): str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
                     for path in sorted(rootfs.rglob("*"))}
        elif word == "ENV":
            env = shlex.split(rest)
        elif word == "LABEL":
            labels = dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "CMD":
            command = [part for part in re.findall(r'"([^"]*)"', rest)]
        elif (word, rest) != ("FROM", "scratch"):
            raise Failed(f"the Dockerfile says {word} {rest}, which this does not know")
    return images.layout(name, files, command, env, labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default="flexai.tar")
    parser.add_argument("--name", default="docker.io/flexai/flexai:latest")
    parser.add_argument("--rootfs", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rootfs = args.rootfs or pathlib.Path(folder) / "rootfs"
        if rootfs.exists():
            shutil.rmtree(rootfs)
        fill(args.build, rootfs)
        aside = args.out.with_suffix(".new")
        aside.write_bytes(image_of(rootfs, args.name))
        aside.rename(args.out)
    print(f"{args.out}: {args.name}, {args.out.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError) as why:
        sys.exit(f"image: {why}")
