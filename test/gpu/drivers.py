"""The driver that is measured: its OpenCL library, an .icd file that names it, the loader between it and programs."""
import ctypes
import ctypes.util
import os
import pathlib
import subprocess
import sys

NVIDIA = "libnvidia-opencl.so.1"
FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/nvidia/lib64",
           "/usr/local/nvidia/lib", "/usr/lib/wsl/lib", "/run/nvidia/driver/usr/lib/x86_64-linux-gnu"]


def give_up(text):
    print(f"test/gpu/run: {text}", file=sys.stderr)
    raise SystemExit(2)


def linked(name):
    """Where the dynamic linker would find `name`, by its own list."""
    try:
        listing = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, env=dict(os.environ, PATH=os.environ.get(
            "PATH", "") + ":/sbin:/usr/sbin"), check=False).stdout
    except OSError:
        return []
    return [line.rsplit("=> ", 1)[1].strip() for line in listing.splitlines() if line.strip().startswith(name + " ")]


def nvidia_library():
    searched = [*filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")), *FOLDERS]
    candidates = linked(NVIDIA) + [f"{folder}/{NVIDIA}" for folder in searched]
    return next((c for c in candidates if os.path.exists(c)), None)


def vendors_folder(folder, icd, library):
    """A folder for OCL_ICD_VENDORS with one .icd file in it."""
    if icd:
        if not os.path.isfile(icd):
            give_up(f"{icd}: no such file; --icd takes an .icd file, such as one of /etc/OpenCL/vendors")
        library = pathlib.Path(icd).read_text().strip()
    library = library or nvidia_library()
    if library is None:
        cards = [p for p in os.listdir("/dev") if p.startswith("nvidia")]
        give_up(f"no {NVIDIA} on this machine ({'a card, but no OpenCL part of its driver' if cards else 'and no NVIDIA card'}); "
                "install the driver's OpenCL library, name it by --library, or measure another driver by --icd")
    if "/" in library and not os.path.exists(library):
        give_up(f"{library}: no such library")
    vendors = folder / "vendors"
    vendors.mkdir()
    (vendors / (pathlib.Path(icd).name if icd else "nvidia.icd")).write_text(library + "\n")
    return vendors


def loader_knows_layers():
    """Whether libOpenCL.so.1, as programs here would load it, has the interface that layers need."""
    try:
        ctypes.CDLL("libOpenCL.so.1")
    except OSError:
        give_up("no libOpenCL.so.1: install ocl-icd-libopencl1, or use a pack, which brings one along")
    path = next((line.split()[-1] for line in open("/proc/self/maps") if "libOpenCL.so" in line), "")
    if b"OPENCL_LAYERS" not in pathlib.Path(path).read_bytes():
        give_up(f"{path} knows no layers (OPENCL_LAYERS), so nothing can be limited; use Debian's ocl-icd-libopencl1 or a pack")
    return path
