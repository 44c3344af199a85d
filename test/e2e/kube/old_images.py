"""Images of other C libraries than this machine's, from packages of Debian: an old glibc, and musl. Nothing is installed here.

FLEXAI_OLD_GLIBC=FOLDER in the environment puts another glibc over the old one: what its `make install DESTDIR=FOLDER` made."""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test" / "cluster"))
import images  # noqa: E402

OLD = "bullseye"  # Debian 11, glibc 2.31
OLD_PACKAGES = ("libc6", "ocl-icd-libopencl1")
LIBRARIES = re.compile(r"^(ld-.*|lib(c|m|dl|rt|pthread|resolv|OpenCL)[.-].*so.*)$")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def run(*words, **how):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=300, **how)
    if done.returncode != 0:
        raise ValueError(f"{words[0]}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


def mirror():
    """Where this machine has its own packages from."""
    for line in run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages").splitlines():
        uri, suite = line.split()
        if suite == this_suite():
            return uri
    raise ValueError("apt knows no packages: apt-get update")


def this_suite():
    return re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(encoding="utf-8")).group(1)


def unpacked(folder: pathlib.Path, suite, packages):
    """The files of `packages` of `suite`, as a root folder; apt works there by itself and knows nothing of what is installed here."""
    root, debs = folder / "root", folder / "debs"
    for part in ("lists/partial", "cache/archives/partial", "root", "debs"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYS}] {mirror()} {suite} main\n", encoding="utf-8")
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::SourceList={folder}/sources.list", "-o", "Dir::Etc::SourceParts=-", "-o", f"Dir::State={folder}",
           "-o", f"Dir::State::status={folder}/status", "-o", f"Dir::Cache={folder}/cache", "-o", "APT::Sandbox::User=root",
           "-o", "Acquire::Languages=none"]
    run(*apt, "update")
    run(*apt, "download", *packages, cwd=debs)
    for deb in debs.glob("*.deb"):
        run("dpkg-deb", "-x", deb, root)
    return root


def put_glibc(root: pathlib.Path, over: pathlib.Path):
    """Another glibc in the place of the root's; one of its authors' own making looks into lib64, and for the OpenCL loader as well."""
    here = next(root.glob("lib/*/libc.so.6")).parent
    shutil.rmtree(here)
    shutil.rmtree(root / "lib64")
    (root / "lib64").mkdir()
    loaders = list(root.glob("usr/lib/*/libOpenCL.so*"))
    for one in [*sorted((over / "lib64").iterdir()), *loaders]:
        if LIBRARIES.match(one.name):
            shutil.copy2(one, root / "lib64" / one.name, follow_symlinks=False)


def files_of(root: pathlib.Path, wanted=None):
    """What images.layout takes."""
    files = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            files[name] = os.readlink(path)
        elif path.is_dir():
            files[name] = None
        elif stat.S_ISREG(path.stat().st_mode) and (wanted is None or wanted.match(path.name)):
            files[name] = path.read_bytes()
    return files


def old(folder: pathlib.Path, program: pathlib.Path):
    """(image docker.io/local/old:1 with an old glibc, an OpenCL loader and `program`, the glibc's version)."""
    root = unpacked(folder, OLD, OLD_PACKAGES)
    if over := os.environ.get("FLEXAI_OLD_GLIBC"):
        put_glibc(root, pathlib.Path(over))
    library = next(path for path in (*root.glob("lib/*/libc.so.6"), root / "lib64" / "libc.so.6") if path.is_symlink())
    version = re.fullmatch(r"libc-(2\.\d+)\.so", os.readlink(library)).group(1)
    files = {**files_of(root, LIBRARIES), "bin": None, "tmp": None, f"bin/{program.name}": program.read_bytes()}
    return images.layout("docker.io/local/old:1", files, [f"/bin/{program.name}"]), version


def musl(folder: pathlib.Path):
    """Image docker.io/local/musl:1: what Alpine has, a shell and musl."""
    files = files_of(unpacked(folder, this_suite(), ["musl"]))
    shell = {"bin": None, "bin/busybox": images.busybox(), "bin/sh": "busybox", "bin/sleep": "busybox"}
    return images.layout("docker.io/local/musl:1", {**files, **shell}, ["/bin/sh"])
