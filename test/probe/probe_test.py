"""flexai-probe-opencl against the drivers of this host and against broken ones.

usage: probe_test.py PROBE LOADER_KEYS CRASHING_DRIVER
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROBE, LOADER_KEYS, CRASHING = (pathlib.Path(p) for p in sys.argv[1:4])
OCLGRIND = pathlib.Path("/usr/lib/oclgrind/liboclgrind-rt-icd.so")
VENDORS = pathlib.Path("/etc/OpenCL/vendors")


def run(*args, **env):
    return subprocess.run([str(a) for a in args], env={**os.environ, **env}, timeout=60,
                          capture_output=True, text=True, check=False)


def cards(icd, **env):
    done = run(PROBE, "--icd", icd, **env)
    if done.returncode != 0:
        raise AssertionError(f"{icd}: rc {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def loader_keys(icd, **env):
    return run(LOADER_KEYS, OCL_ICD_VENDORS=str(icd), **env).stdout.splitlines()


class DriverTest(unittest.TestCase):
    def need(self, path):
        if not path.exists():
            self.skipTest(f"{path} is not installed")
        return path

    def check(self, icd, prefix, **env):
        found = cards(icd, **env)
        self.assertTrue(found)
        keys = [card["key"] for card in found]
        self.assertEqual(len(set(keys)), len(keys))
        self.assertEqual(keys, [card["key"] for card in cards(icd, **env)])
        self.assertEqual(keys, loader_keys(icd, **env))
        for card in found:
            self.assertEqual(card["id"], prefix)
            self.assertTrue(card["healthy"])
            self.assertGreater(card["memory_bytes"], 0)
            self.assertGreater(card["compute_units"], 0)
            for file in card["driver_files"]:
                self.assertEqual(file, os.path.realpath(file))
        return found

    def test_pocl(self):
        self.check(self.need(VENDORS / "pocl.icd"), "pocl", POCL_DEVICES="pthread")

    def test_pocl_with_three_devices(self):
        found = self.check(self.need(VENDORS / "pocl.icd"), "pocl",
                           POCL_DEVICES="pthread pthread basic")
        self.assertEqual(len(found), 3)

    def test_rusticl(self):
        self.check(self.need(VENDORS / "rusticl.icd"), "rusticl", RUSTICL_ENABLE="llvmpipe")

    def test_rusticl_without_devices(self):
        self.assertEqual(cards(self.need(VENDORS / "rusticl.icd"), RUSTICL_ENABLE=""), [])

    def test_oclgrind_names_its_companion(self):
        self.need(OCLGRIND)
        with tempfile.TemporaryDirectory() as folder:
            icd = pathlib.Path(folder) / "oclgrind.icd"
            icd.write_text(f"{OCLGRIND}\n")
            found = self.check(icd, "oclgrind")
        self.assertEqual(len(found[0]["driver_files"]), 2)

    def test_list(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("b.icd", "a.icd", "c.txt"):
                (pathlib.Path(folder) / name).write_text("x")
            done = run(PROBE, "--list", OCL_ICD_VENDORS=folder)
            names = [pathlib.Path(p).name for p in json.loads(done.stdout)]
        self.assertEqual(names, ["a.icd", "b.icd"])


class BrokenTest(unittest.TestCase):
    def probe(self, text):
        with tempfile.TemporaryDirectory() as folder:
            icd = pathlib.Path(folder) / "x.icd"
            icd.write_text(text)
            return run(PROBE, "--icd", icd)

    def test_missing_library_is_one_line(self):
        done = self.probe("libflexai-missing.so\n")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("libflexai-missing.so", done.stderr)

    def test_library_that_is_no_driver(self):
        done = self.probe("libm.so.6\n")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("not an OpenCL driver", done.stderr)

    def test_crashing_driver_ends_only_the_probe_and_leaves_stdout_clean(self):
        done = self.probe(f"{CRASHING}\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")

    def test_wrong_usage(self):
        for args in ((), ("--icd",), ("--nothing",), ("--list", "x")):
            done = run(PROBE, *args)
            self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
