"""The Debian package and the image, made from this build: what they hold, and that it works where they put it.

package_test.py BUILD [CASE...]"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "e2e" / "kube"))
import old_images  # noqa: E402

PROGRAMS = ("flexai", "flexaid", "flexai-webhook", "hi-scheduler", "hi-sim", "kubectl-flexai", "kubectl_complete-flexai")
PAGES = ("man/man1/flexai.1", "man/man1/kubectl-flexai.1", "man/man8/flexaid.8")
COMPLETIONS = ("bash-completion/completions/flexai", "bash-completion/completions/kubectl-flexai", "zsh/site-functions/_flexai",
               "zsh/site-functions/_kubectl-flexai", "fish/vendor_completions.d/flexai.fish", "fish/vendor_completions.d/kubectl-flexai.fish")
# An agent of its own, started by the first command, that neither sees nor disturbs the host's.
ALONE = "export HOME=/tmp XDG_RUNTIME_DIR=/tmp/run XDG_STATE_HOME=/tmp/state; mkdir -pm700 /tmp/run; flexai devices"


def run(*words, seconds=300, **how):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=seconds, **how)
    if done.returncode != 0:
        raise AssertionError(f"{words}: exit {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def stacked(folder, script):
    """`script` in a machine like this one whose every change goes to `folder`. None where file systems cannot be stacked."""
    for part in ("upper", "work", "all"):
        (folder / part).mkdir()
    probe = f"mount -t tmpfs none {folder}/upper && mkdir {folder}/upper/up {folder}/upper/work && " \
            f"mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper/up,workdir={folder}/upper/work {folder}/all"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "sh", "-c", probe], capture_output=True, check=False).returncode != 0:
        return None
    # Not /run: whoever runs there is the host's.
    whole = f"{probe} && mount -t tmpfs none {folder}/all/tmp && mount -t tmpfs none {folder}/all/run && mount -t proc none {folder}/all/proc && " \
            f"mount --rbind /dev {folder}/all/dev && cp {folder}/*.deb {folder}/all/tmp/ && exec chroot {folder}/all sh -ec '{script}'"
    return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", whole)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fxd-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "made", cwd=BUILD)
        found = list((cls.folder / "made").glob("*.deb"))
        assert len(found) == 1, found
        cls.deb = cls.folder / found[0].name
        found[0].rename(cls.deb)
        shutil.rmtree(cls.folder / "made")
        cls.root = cls.folder / "root"
        run("dpkg-deb", "-x", cls.deb, cls.root)

    def field(self, name):
        return run("dpkg-deb", "-f", self.deb, name).strip()

    def test_control(self):
        version = re.search(r"project\(flexai VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")).group(1)
        machine = run("dpkg", "--print-architecture").strip()
        self.assertEqual((self.field("Package"), self.field("Version"), self.field("Architecture")), ("flexai", version, machine))
        self.assertEqual(self.deb.name, f"flexai_{version}_{machine}.deb")
        needs = self.field("Depends")
        for name in ("libc6 (>= 2.3", "libstdc++6", "ocl-icd-libopencl1", "libnghttp2-14", "libsqlite3-0"):
            self.assertIn(name, needs)
        run("dpkg-deb", "-e", self.deb, self.folder / "control")
        for script in ("postinst", "prerm", "postrm"):
            run("sh", "-n", self.folder / "control" / script)
            self.assertTrue(os.access(self.folder / "control" / script, os.X_OK))

    def test_files(self):
        self.assertEqual(os.listdir(self.root), ["usr"])
        usr = self.root / "usr"
        for name in [*(f"bin/{one}" for one in PROGRAMS), *(f"share/{one}" for one in (*PAGES, *COMPLETIONS)), "libexec/flexai/flexai-worker",
                     "libexec/flexai/flexai-keeper", "lib/flexai/libflexai_opencl.so", "lib/flexai/libflexai_opencl_layer.so", "lib/flexai/flexai-image-check",
                     "lib/sysusers.d/flexai.conf", "lib/tmpfiles.d/flexai.conf", "share/flexai/inject/opencl.json"]:
            self.assertGreater((usr / name).stat().st_size, 0, name)
        self.assertIn("ExecStart=/usr/bin/flexaid\n", (usr / "lib/systemd/system/flexaid.service").read_text())
        for line in run("dpkg-deb", "-c", self.deb).splitlines():
            self.assertRegex(line, r" root/root ")
            self.assertNotRegex(line.split()[0], r"^[^l].*(w.$|[sS])", line)

    def test_completion_of_the_plugin_is_its_own(self):
        script = (self.root / "usr/share/bash-completion/completions/kubectl-flexai").read_text()
        run("bash", "-n", self.root / "usr/share/bash-completion/completions/kubectl-flexai")
        self.assertIn("complete -F _kubectl_flexai kubectl-flexai\n", script)
        self.assertNotIn("_flexai flexai\n", script.replace("_kubectl_flexai", ""))
        told = run(self.root / "usr/bin/kubectl_complete-flexai", "de")
        self.assertEqual(told, "devices\n:4\n")

    def test_pages_are_pages(self):
        for page in PAGES:
            self.assertEqual(run("man", "--warnings", "-l", "-Tutf8", self.root / "usr/share" / page, env={**os.environ, "MANPAGER": "cat"})[:6].strip(" \n")[:4],
                             page.rsplit("/", 1)[1][:4].upper())

    def test_devices_from_the_unpacked_package(self):
        env = {"PATH": f"{self.root}/usr/bin:/usr/bin:/bin", "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder / "run"),
               "XDG_STATE_HOME": str(self.folder / "state"), "POCL_CACHE_DIR": str(self.folder / "pocl")}
        (self.folder / "run").mkdir(mode=0o700)
        agent = subprocess.Popen(["flexaid", "--embedded", "--idle-exit", "0", "--lock-folder", str(self.folder / "locks")], env=env,
                                 executable=str(self.root / "usr/bin/flexaid"), stderr=subprocess.DEVNULL)
        try:
            env["FLEXAI_SOCKET"] = str(self.folder / "run" / "flexai" / "flexai.sock")
            for _ in range(300):
                done = subprocess.run(["flexai", "devices"], env=env, executable=str(self.root / "usr/bin/flexai"), capture_output=True,
                                      text=True, check=False)
                if done.returncode == 0 or agent.poll() is not None:
                    break
                subprocess.run(["sleep", "0.1"], check=True)
            self.assertIn("pocl-0", done.stdout, done.stderr)
            # It is this package that looked for cards, not an installation elsewhere.
            self.assertEqual(os.readlink(f"/proc/{agent.pid}/exe"), str(self.root / "usr/bin/flexaid"))
        finally:
            agent.terminate()
            agent.wait()

    def test_dpkg_installs_and_purges_it(self):
        """By dpkg with its scripts, in a stack over this machine."""
        place = self.folder / "machine"
        place.mkdir()
        shutil.copy(self.deb, place)
        script = f"dpkg -i /tmp/{self.deb.name} >/dev/null && getent group flexai && dpkg -V flexai && {ALONE} && flexai version && " \
                 f"(flexai agent stop 2>/dev/null || true) && dpkg -P flexai >/dev/null && test ! -e /usr/bin/flexai && " \
                 f"test ! -e /usr/lib/flexai && echo purged"
        told = stacked(place, script)
        if told is None:
            self.skipTest("needs root and a file system that can be stacked on")
        self.assertIn("pocl-0", told)
        self.assertTrue(told.endswith("purged\n"), told)


@unittest.skipUnless(os.environ.get("FLEXAI_FULL") and os.geteuid() == 0, "a whole Debian is fetched: FLEXAI_FULL=1, as root")
class BareDebian(unittest.TestCase):
    """A Debian 12 with nothing in it but what every one has, made by debootstrap."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fxb-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "made", cwd=BUILD)
        cls.root = cls.folder / "root"
        run("debootstrap", "--variant=minbase", "bookworm", cls.root, old_images.mirror(), seconds=900)
        shutil.copy(next((cls.folder / "made").glob("*.deb")), cls.root / "flexai.deb")
        shutil.copy("/etc/resolv.conf", cls.root / "etc/resolv.conf")

    def inside(self, script):
        """In a machine of its own: what it starts ends with it. PoCL finds memory and processors in /sys."""
        mounts = f"mount -t proc none {self.root}/proc && mount --rbind /sys {self.root}/sys && mount --rbind /dev {self.root}/dev && mount -t tmpfs none {self.root}/run"
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", f"{mounts} && exec chroot {self.root} sh -ec '{script}'",
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}, seconds=900)

    def test_apt_installs_it_and_it_limits_a_program(self):
        self.inside("apt-get update -qq && apt-get install -y -qq --no-install-recommends /flexai.deb && getent group flexai")
        # A card, and a program that uses one: PoCL makes one of the CPU.
        self.inside("apt-get install -y -qq --no-install-recommends pocl-opencl-icd clinfo")
        told = self.inside(f"{ALONE} && flexai run --compute 10% --memory 256MiB -- clinfo --raw && kubectl-flexai --help")
        self.assertIn("pocl-0", told)
        self.assertRegex(told, r"CL_DEVICE_GLOBAL_MEM_SIZE\s+268435456")
        self.assertIn("explain", told)
        told = self.inside("apt-get purge -y -qq flexai >/dev/null && ls -d /usr/bin/flexai* /usr/lib/flexai /usr/libexec/flexai /var/lib/flexai 2>/dev/null || true")
        self.assertEqual(told, "")


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fxi-", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        run(sys.executable, "-B", ROOT / "tools" / "image.py", "--build", BUILD, "--out", cls.folder / "image.tar", "--name", "example.org/flexai:7",
            "--rootfs", cls.folder / "rootfs")
        with tarfile.open(cls.folder / "image.tar") as tar:
            cls.parts = {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}

    def blob(self, about):
        content = self.parts["blobs/" + about["digest"].replace(":", "/")]
        self.assertEqual((len(content), "sha256:" + hashlib.sha256(content).hexdigest()), (about["size"], about["digest"]))
        return content

    def test_layout(self):
        about = json.loads(self.parts["index.json"])["manifests"][0]
        self.assertEqual(about["annotations"]["io.containerd.image.name"], "example.org/flexai:7")
        manifest = json.loads(self.blob(about))
        config = json.loads(self.blob(manifest["config"]))
        layer = gzip.decompress(self.blob(manifest["layers"][0]))
        self.assertEqual(config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(layer).hexdigest()])
        self.assertEqual(config["config"]["Cmd"], ["/opt/flexai/bin/flexai", "version"])
        names = tarfile.open(fileobj=io.BytesIO(layer)).getnames()
        for name in ("flexaid", "hi-scheduler", "flexai-webhook"):
            self.assertIn(f"opt/flexai/bin/{name}", names)
        self.assertFalse([name for name in names if name.endswith(("/sh", "/bash"))])

    def test_the_check_of_images_needs_nothing_of_the_node(self):
        program = self.folder / "rootfs" / "opt/flexai/lib/flexai/flexai-image-check"
        self.assertIn("statically linked", run("ldd", program))

    def test_all_that_deploy_starts_is_in_it(self):
        for path in (ROOT / "deploy" / "kustomize").glob("*.yaml"):
            for program in re.findall(r"/opt/flexai/\w+/[\w-]+", path.read_text(encoding="utf-8")):
                self.assertTrue((self.folder / "rootfs" / program.lstrip("/")).exists(), program)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to change the root folder")
    def test_it_starts_with_nothing_else(self):
        env = {"PATH": "/opt/flexai/bin", "LD_LIBRARY_PATH": "/opt/flexai/lib/needed"}
        told = run("/usr/sbin/chroot", self.folder / "rootfs", "/opt/flexai/bin/flexai", "version", env=env)
        self.assertTrue(told.startswith("flexai "), told)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
