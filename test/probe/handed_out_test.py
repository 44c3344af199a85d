"""Every function that an installed driver hands out by name must have an entry in the Spec: what it
does not list is refused, and a refusal should be a decision.

usage: handed_out_test.py SPEC
"""
import ctypes
import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

SPEC = tomllib.loads(pathlib.Path(sys.argv[1]).read_text())
DRIVERS = ("libpocl.so.2.10.0", "libRusticlOpenCL.so.1", "/usr/lib/oclgrind/liboclgrind-rt-icd.so")
MAPS = r"/\S+/lib(?:pocl|Rusticl|oclgrind)\S*"


def finder(driver):
    """Asks the driver for a function by name, in the old and the new way."""
    old = driver.clGetExtensionFunctionAddress
    old.restype, old.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    new = getattr(driver, "clGetExtensionFunctionAddressForPlatform", None)
    if new is None:
        return old
    new.restype, new.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
    get_platforms = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
                                     ctypes.c_void_p)(old(b"clIcdGetPlatformIDsKHR"))
    platform = ctypes.c_void_p()
    get_platforms(1, ctypes.byref(platform), None)
    return lambda name: old(name) or new(platform, name)


def handed_out(library):
    """Names in the library's text for which it gives a pointer."""
    driver = ctypes.CDLL(library)
    find = finder(driver)
    mapped = set(re.findall(MAPS, pathlib.Path("/proc/self/maps").read_text()))
    text = b"".join(pathlib.Path(p).read_bytes() for p in mapped)
    # Tables of names may lie without separators (Rust), so a longer run is also cut at each "cl".
    names = {n for run in re.findall(rb"cl[A-Z][A-Za-z0-9]{3,60}", text)
             for n in (run, *re.findall(rb"cl[A-Z](?:(?!cl[A-Z])[A-Za-z0-9])+", run))}
    return sorted(n.decode() for n in names if find(n))


class HandedOutTest(unittest.TestCase):
    def test_every_driver(self):
        ran = 0
        for library in DRIVERS:
            # A process of its own for each: drivers of one process see each other's symbols.
            done = subprocess.run([sys.executable, "-B", __file__, sys.argv[1], library],
                                  capture_output=True, text=True, timeout=60, check=False)
            if "cannot open shared object" in done.stderr:
                print(f"{library}: not installed, skipped")
                continue
            self.assertEqual(done.returncode, 0, done.stderr)
            names = done.stdout.split()
            self.assertIn("clIcdGetPlatformIDsKHR", names, library)
            self.assertEqual([n for n in names if n not in SPEC["fn"]], [], library)
            ran += 1
        if ran == 0:
            self.skipTest("no driver is installed")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print("\n".join(handed_out(sys.argv[2])))
        sys.exit(0)
    unittest.main(argv=sys.argv[:1])
