"""test/gpu/run works before a card is there to run it on: over PoCL, from a build and from a pack; what it cannot do it says.

gpu_test.py BUILD
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

RUN = str(pathlib.Path(__file__).resolve().parent / "run")
BUILD = ""
POCL = "/etc/OpenCL/vendors/pocl.icd"


def run(*arguments):
    return subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=200, check=False)


class GpuRun(unittest.TestCase):
    def measured(self, build, *arguments):
        done = run("--build", build, "--icd", POCL, "--quick", "--only", "devices,layer,limit", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(told["not_measured"], {})
        self.assertTrue(all(figure["holds"] for figure in told["figures"]), told["figures"])
        names = [figure["name"] for figure in told["figures"]]
        self.assertIn("memory got in a slice of 128 MiB", names)
        self.assertIn("launches metered, of those the program made", names)
        return told

    def test_measures_over_a_driver_that_is_here(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "figures.json"
            told = self.measured(BUILD, "--json", str(path))
            self.assertEqual(json.loads(path.read_text()), told)

    def test_a_pack_is_all_that_another_machine_needs(self):
        with tempfile.TemporaryDirectory() as folder:
            pack = os.path.join(folder, "pack")
            done = run("--build", BUILD, "--pack", pack)
            self.assertEqual(done.returncode, 0, done.stderr)
            told = self.measured(pack)
            self.assertTrue(told["loader"].startswith(pack), told["loader"])  # not the machine's own

    def test_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            for arguments, said in [
                    (["--build", folder], "no bin/flexai in it"),
                    (["--build", BUILD, "--library", "/nowhere/libx.so"], "/nowhere/libx.so: no such library"),
                    (["--build", BUILD, "--icd", "/nowhere/x.icd"], "/nowhere/x.icd: no such file"),
                    (["--build", BUILD, "--only", "nonsense"], 'unknown part "nonsense"')]:
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(said, done.stderr)

    @unittest.skipIf(os.path.exists("/dev/nvidiactl"), "this machine has a card")
    def test_without_a_card_it_says_so(self):
        done = run("--build", BUILD, "--quick")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no libnvidia-opencl.so.1 on this machine", done.stderr)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
