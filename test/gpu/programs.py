"""The programs that measure: from a build folder, built here, or carried along in a pack."""
import os
import pathlib
import shutil
import subprocess
import sys

from drivers import give_up

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = ["flexai", "flexaid", "flexai-keeper", "flexai-probe-opencl", "flexai_opencl_layer", "flexai-load-opencl",
           "flexai-latency-opencl", "flexai-memory-opencl", "flexai-hot-path"]
PROGRAMS = [t for t in TARGETS if "-" in t or t in ("flexai", "flexaid")]
LAYER = "lib/libflexai_opencl_layer.so"
# Of the system itself: never carried along.
SYSTEM = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "libstdc++.so", "libgcc_s.so")


def missing(build):
    wanted = [f"bin/{name}" for name in PROGRAMS] + [LAYER, "share/flexai/inject/opencl.json"]
    return [name for name in wanted if not (build / name).exists()]


def find(named):
    """The build folder to use; builds the release preset when none is named."""
    build = pathlib.Path(named).resolve() if named else ROOT / "build" / "release"
    lacks = missing(build)
    if named:
        if lacks:
            give_up(f"{build}: no {lacks[0]} in it; give a folder of the project's build, or one made by --pack")
        return build
    if lacks or shutil.which("ninja"):
        make(build)
    return build


def make(build):
    print("test/gpu/run: building the release preset", file=sys.stderr)
    for tool in ("cmake", "ninja", "g++", "pkg-config"):
        if shutil.which(tool) is None:
            without_build(f"{tool} is not installed")
    if not (build / "build.ninja").exists():
        done = subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            why = next((line.strip() for line in done.stderr.splitlines() if "not find" in line or "not found" in line), "")
            shutil.rmtree(build / "CMakeFiles", ignore_errors=True)
            (build / "CMakeCache.txt").unlink(missing_ok=True)
            without_build(f"cmake: {why or done.stderr.strip()[-300:]}")
    done = subprocess.run(["cmake", "--build", str(build), "--target", *TARGETS], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        without_build(f"the build failed:\n{done.stdout[-2000:]}")


def without_build(why):
    packages = " ".join(line for line in (ROOT / "tools/packages.txt").read_text().splitlines() if not line.startswith("#"))
    give_up(f"{why}\nWith network: ./dev setup installs what is needed ({packages}).\n"
            "Without: run test/gpu/run --pack FOLDER where Flexai is built, bring FOLDER here, give it by --build FOLDER.")


def use(build):
    """Lets the bench modules and everything they start use `build`."""
    os.environ["FLEXAI_BUILD"] = str(build)
    carried = build / "lib" / "needed"
    if carried.is_dir():
        own = os.environ.get("LD_LIBRARY_PATH")
        os.environ["LD_LIBRARY_PATH"] = str(carried) + (":" + own if own else "")
        if os.environ.get("FLEXAI_GPU_LINKED") is None:  # the linker reads LD_LIBRARY_PATH at a program's start only
            os.environ["FLEXAI_GPU_LINKED"] = "1"
            os.execv(sys.executable, [sys.executable, *sys.argv])


def needed(path):
    """Libraries beyond the system's that `path` is linked with: name -> file."""
    listing = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listing.splitlines():
        words = line.split()
        if "=>" in words and len(words) >= 3 and words[2].startswith("/") and not words[0].startswith(SYSTEM):
            found[words[0]] = words[2]
    return found


def pack(build, folder):
    if folder.exists() and any(folder.iterdir()):
        give_up(f"{folder} is not empty")
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "needed").mkdir(parents=True)
    libraries = {}
    for name in [f"bin/{p}" for p in PROGRAMS] + [LAYER]:
        shutil.copy(build / name, folder / name)
        subprocess.run(["strip", str(folder / name)], check=False)
        libraries.update(needed(build / name))
    for name, file in libraries.items():
        shutil.copy(file, folder / "lib" / "needed" / name)
    shutil.copytree(build / "share", folder / "share")
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    print(f"{folder}: {len(PROGRAMS)} programs, the layer, {len(libraries)} libraries, {size / 1e6:.1f} MB")
    return 0
