"""An installation in a folder of its own is complete: it finds its cards and limits a program, with nothing of the build folder.

install_test.py BUILD CMAKE
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, CMAKE = sys.argv[1:3]


class Installation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fxi-", dir="/tmp"))
        cls.prefix = cls.folder / "prefix"
        subprocess.run([CMAKE, "--install", BUILD, "--prefix", str(cls.prefix)], check=True, stdout=subprocess.DEVNULL)
        vendors = cls.folder / "vendors"
        vendors.mkdir()
        shutil.copy("/etc/OpenCL/vendors/pocl.icd", vendors)
        cache = pathlib.Path(tempfile.gettempdir()) / "flexai-pocl-cache"
        cache.mkdir(exist_ok=True)
        cls.env = {"PATH": f"{cls.prefix}/bin:/usr/bin:/bin", "HOME": str(cls.folder), "XDG_RUNTIME_DIR": str(cls.folder / "run"),
                   "XDG_STATE_HOME": str(cls.folder / "state"), "OCL_ICD_VENDORS": str(vendors), "POCL_MEMORY_LIMIT": "4",
                   "POCL_CACHE_DIR": str(cache)}
        (cls.folder / "run").mkdir(mode=0o700)
        # An agent with locks of its own, so that it does not meet the host's.
        cls.agent = subprocess.Popen(["flexaid", "--embedded", "--idle-exit", "0", "--lock-folder", str(cls.folder / "locks")], env=cls.env,
                                     executable=str(cls.prefix / "bin" / "flexaid"), stderr=subprocess.DEVNULL)
        cls.env["FLEXAI_SOCKET"] = str(cls.folder / "run" / "flexai" / "flexai.sock")
        for _ in range(300):
            if subprocess.run(["flexai", "devices"], env=cls.env, executable=str(cls.prefix / "bin" / "flexai"),
                              capture_output=True, check=False).returncode == 0:
                return
            if cls.agent.poll() is not None:
                break
            subprocess.run(["sleep", "0.1"], check=True)
        raise AssertionError("the installed agent does not serve")

    @classmethod
    def tearDownClass(cls):
        cls.agent.terminate()
        cls.agent.wait()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def flexai(self, *arguments):
        done = subprocess.run([str(self.prefix / "bin" / "flexai"), *arguments], env=self.env, capture_output=True, text=True,
                              timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_devices(self):
        self.assertIn("pocl-0", self.flexai("devices"))

    def test_run_limits_a_program(self):
        out = self.flexai("run", "--compute", "10%", "--memory", "256MiB", "--", "clinfo", "--raw")
        self.assertRegex(out, r"CL_DEVICE_GLOBAL_MEM_SIZE\s+268435456")

    def test_layer_is_the_installed_one(self):
        out = self.flexai("run", "--compute", "10%", "--memory", "256MiB", "--", "sh", "-c", "echo $OPENCL_LAYERS")
        self.assertEqual(out.strip(), str(self.prefix / "lib" / "flexai" / "libflexai_opencl_layer.so"))

    def test_files_of_the_system(self):
        unit = (self.prefix / "lib/systemd/system/flexaid.service").read_text()
        self.assertIn(f"ExecStart={self.prefix}/bin/flexaid\n", unit)
        for name in ["lib/sysusers.d/flexai.conf", "lib/tmpfiles.d/flexai.conf", "share/flexai/openapi.json", "share/flexai/inject/opencl.json",
                     "share/bash-completion/completions/flexai", "share/zsh/site-functions/_flexai",
                     "share/fish/vendor_completions.d/flexai.fish"]:
            self.assertGreater((self.prefix / name).stat().st_size, 0, name)

    def test_man_pages(self):
        for name, word in [("man1/flexai.1", "slice create"), ("man8/flexaid.8", "reset-state")]:
            text = subprocess.run(["man", "-l", str(self.prefix / "share/man" / name)], capture_output=True, text=True, check=True,
                                  env={**self.env, "MANPAGER": "cat", "MANWIDTH": "200"}).stdout
            self.assertIn(word, text)

    def test_agent_page_has_every_option(self):
        page = (self.prefix / "share/man/man8/flexaid.8").read_text().replace("\\-", "-")
        said = subprocess.run([str(self.prefix / "bin" / "flexaid"), "--help"], capture_output=True, text=True, check=True).stdout
        for option in set(re.findall(r"--[a-z-]+", said)):
            self.assertRegex(page, rf"(?m)^\.BI? {option}\b", f"{option} is not in flexaid.8")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
