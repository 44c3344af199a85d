#!/usr/bin/env python3
"""What docs/kubernetes.md tells who tries Flexai on Kubernetes, as it stands there, from a fresh clone in a home of its own.

usage: first_user_test.py BUILD [CASE...]      needs root, and no other full cluster on this machine"""
import atexit
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[3]
sys.path[:0] = [str(HERE.parents[1] / "remote"), str(HERE.parents[2] / "cluster")]
import main as door  # noqa: E402
from cases import expect, run_cases  # noqa: E402

LINKS = [pathlib.Path("/usr/local/bin") / name for name in ("kubectl", "kubectl-flexai")]


def commands():
    """The lines of the page's block "Try it", without what is said about them."""
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    block = re.search(r"^## Try it\n.*?^```\n(.*?)^```", page, re.M | re.S).group(1)
    return [line.split("  #")[0].strip() for line in block.splitlines()]


class FirstUserTest:
    def __init__(self, build):
        self.place = pathlib.Path(build).resolve() / "first-user"
        shutil.rmtree(self.place, ignore_errors=True)
        self.clone, self.home = self.place / "flexai", self.place / "home"
        self.home.mkdir(parents=True)
        for link in LINKS:
            expect(not os.path.lexists(link), f"{link} is there; a cluster of another run? ./dev cluster down")
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.clone)], check=True)
        # The compiler's and the servers' caches are the machine's; nothing else is.
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + str(pathlib.Path(shutil.which("go") or "/").parent),
                    "HOME": str(self.home), "FLEXAI_CACHE": str(door.default_cache()),
                    **{key: os.environ[key] for key in ("LANG", "LC_ALL", "CCACHE_DIR", "CCACHE_BASEDIR", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS") if key in os.environ}}
        atexit.register(self.shell, "./dev cluster down", None)

    def shell(self, line, code=0, seconds=3600):
        done = subprocess.run(["bash", "-c", line], cwd=self.clone, env=self.env, capture_output=True, text=True, check=False, timeout=seconds)
        expect(code is None or done.returncode == code, f"{line}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def until(self, what, condition, seconds=120):
        end = time.monotonic() + seconds
        while not (found := condition()):
            expect(time.monotonic() < end, f"waited {seconds} s in vain until {what}: {self.shell('kubectl get pods -A -o wide', None)}")
            time.sleep(0.3)
        return found

    def case_try_it(self):
        """Ends with a pod on the node without cards computing on the other's, and shows it; `down` leaves nothing."""
        expect(len(commands()) >= 4 and commands()[-1].endswith("cluster down"), f"{commands()}")
        told = ""
        for line in commands()[:-1]:
            begun = time.monotonic()
            told = self.shell(line)
            print(f"      {line}: {time.monotonic() - begun:.0f} s", flush=True)
        # The last one showed it: kubectl flexai top.
        expect(re.search(r"^default\s+remote\s+plain\s+card\s", told, re.M), told)
        pod = json.loads(self.shell("kubectl get pod remote -o json"))
        expect(pod["spec"]["nodeName"] == "plain" and pod["status"]["phase"] == "Running", f"{pod['spec'].get('nodeName')}: {pod['status']}")
        self.until("it computes", lambda: "pi is 3.1415" in self.shell("kubectl logs remote", None))
        expect("flexai-worker" not in self.shell("./dev cluster on plain ps -e", None), "a worker runs on the node without cards")
        expect("flexai-worker" in self.shell("./dev cluster on card ps -e", None), "no worker runs on the card's node")
        self.shell(commands()[-1])
        left = [str(path) for path in (*LINKS, self.home / ".kube" / "config") if os.path.lexists(path)]
        expect(not left, f"left behind: {left}")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("first_user_test.py: a cluster with nodes needs root")
    run_cases(FirstUserTest)
