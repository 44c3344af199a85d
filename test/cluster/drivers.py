"""Which drivers and cards a node sees. The plain one sees none; the card's has PoCL alone, whatever else is installed here."""
import glob
import pathlib

from machine import Machine
from say import Failed

VENDORS = pathlib.Path("/etc/OpenCL/vendors")
LIBRARIES = ("/usr/lib/*/{}", "/usr/lib/{}", "/usr/local/lib/{}")
CARDS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/davinci*")
POCL = "pocl.icd"


def libraries_of(icd: str):
    """The files that the text of an .icd file names."""
    found = set()
    for line in icd.splitlines():
        name = line.strip()
        patterns = [name] if name.startswith("/") else [pattern.format(glob.escape(name)) for pattern in LIBRARIES] if name else []
        found |= {str(pathlib.Path(path).resolve()) for pattern in patterns for path in glob.glob(pattern)}
    return sorted(found)


def give_pocl(machine: Machine, place: pathlib.Path):
    if not (VENDORS / POCL).exists():
        raise Failed("PoCL, which gives the card, is not installed: apt-get install pocl-opencl-icd")
    place.mkdir(parents=True, exist_ok=True)
    (place / POCL).write_bytes((VENDORS / POCL).read_bytes())
    machine.run("mount", "--bind", place, VENDORS)


def hide_all(machine: Machine, empty: pathlib.Path):
    """An empty file in the place of each driver's library, nothing in the place of each card."""
    empty.mkdir(parents=True, exist_ok=True)
    for icd in VENDORS.glob("*.icd"):
        for library in libraries_of(icd.read_text(encoding="utf-8", errors="replace")):
            machine.run("mount", "--bind", "/dev/null", library)
    if VENDORS.exists():
        machine.run("mount", "--bind", empty, VENDORS)
    for card in (path for pattern in CARDS for path in glob.glob(pattern)):
        machine.run("mount", "--bind", empty if pathlib.Path(card).is_dir() else "/dev/null", card)
