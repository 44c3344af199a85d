"""What every bench needs: an agent of its own in a temporary folder, slices, tenants that run side by side, figures.

Nothing here knows what is measured. Times are CLOCK_MONOTONIC nanoseconds, shared by all processes of the host.
"""
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

MS = 1_000_000  # nanoseconds
ROOT = pathlib.Path(__file__).resolve().parents[2]


def build_dir():
    if "FLEXAI_BUILD" in os.environ:
        return pathlib.Path(os.environ["FLEXAI_BUILD"])
    return ROOT / "build" / os.environ.get("FLEXAI_PRESET", "dev")


def tool(name):
    return str(build_dir() / "bin" / name)


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def children_of(pid):
    """Of its main thread; none when it has ended."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(child) for child in f.read().split()]
    except OSError:
        return []


def note(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Agent:
    """A flexaid of our own: own folder, own sockets, one PoCL card."""

    def __init__(self, env=None, vendors=("pocl",)):
        self.dir = tempfile.mkdtemp(prefix="flexai-bench-")
        self.env = dict(os.environ, POCL_MEMORY_LIMIT="4", XDG_RUNTIME_DIR=self.dir, XDG_STATE_HOME=self.dir,
                        OCL_ICD_VENDORS=self._vendors(vendors))
        self.env.setdefault("POCL_CACHE_DIR", str(pathlib.Path(tempfile.gettempdir()) / "flexai-pocl-cache"))
        os.makedirs(self.env["POCL_CACHE_DIR"], exist_ok=True)
        self.env.update(env or {})
        self.process = None

    def _vendors(self, words):
        """A folder with the .icd files of these drivers only, so that the host's other cards stay out of it."""
        folder = pathlib.Path(self.dir) / "vendors"
        folder.mkdir()
        for icd in pathlib.Path("/etc/OpenCL/vendors").glob("*.icd"):
            if any(word in icd.name for word in words):
                shutil.copy(icd, folder / icd.name)
        return str(folder)

    def __enter__(self):
        self.start()
        return self

    def start(self):
        run_dir = os.path.join(self.dir, "flexai")
        self.socket = os.path.join(run_dir, "flexai.sock")
        self.log = open(os.path.join(self.dir, "flexaid.log"), "ab")
        self.process = subprocess.Popen([tool("flexaid"), "--embedded", "--idle-exit", "0", "--lock-folder",
                                         os.path.join(self.dir, "locks")], env=self.env, stdout=self.log,
                                        stderr=self.log, start_new_session=True)
        self.env["FLEXAI_SOCKET"] = self.socket
        deadline = time.time() + 30
        while time.time() < deadline:
            if self.cli("devices", "--json", check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit("the agent did not start; see " + self.log.name)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def cli(self, *args, check=True):
        done = subprocess.run([tool("flexai"), *args], env=self.env, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise SystemExit(f"flexai {' '.join(args)}: {done.stderr.strip()}")
        return done

    def card(self):
        return json.loads(self.cli("devices", "--json").stdout)["devices"][0]["id"]

    def use(self):
        """What `flexai top` knows of each slice, by name."""
        return {row["name"]: row for row in json.loads(self.cli("top", "--once", "--json").stdout)["slices"]}

    def slice(self, name, compute, **options):
        args = ["slice", "create", name, "--card", options.pop("card", None) or self.card(), "--memory",
                options.pop("memory", "512MiB")]
        if compute:
            args += ["--compute", compute]
        for key, value in options.items():
            args += ["--" + key, value]
        self.cli(*args)

    def drop(self, *names):
        """Deletes slices; a run whose last process has just ended may take a moment to be gone."""
        for name in names:
            for _ in range(50):
                if self.cli("slice", "delete", name, check=False).returncode == 0:
                    break
                time.sleep(0.1)
            else:
                self.cli("slice", "delete", name)

    def popen(self, slice_name, command, **kw):
        """Starts a command inside a slice, or natively when there is none."""
        prefix = [] if slice_name is None else [tool("flexai"), "run", "--slice", slice_name, "--"]
        return subprocess.Popen(prefix + command, env=self.env, text=True, **kw)


class Load:
    """One run of flexai-load-opencl: started, later collected."""

    def __init__(self, agent, slice_name, args, seconds, start):
        self.trace = tempfile.mktemp(prefix="trace-", dir=agent.dir)
        self.process = agent.popen(slice_name, [tool("flexai-load-opencl"), *args, "--seconds", str(seconds), "--start",
                                                str(start), "--trace", self.trace], stdout=subprocess.PIPE)

    def collect(self):
        out, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise SystemExit(f"load failed with {self.process.returncode}: {out}")
        points = []
        with open(self.trace) as f:
            for line in f:
                t, work = line.split()
                points.append((int(t), int(work)))
        os.unlink(self.trace)
        return points


def work_between(points, begin, end):
    return sum(work for t, work in points if begin <= t < end)


def together(agent, tenants, seconds, lead=1.5):
    """Runs [(slice or None, load args)] side by side; returns their points and the common window (begin, end)."""
    start = now_ns() + int(lead * 1e9)
    loads = [Load(agent, name, args, seconds, start) for name, args in tenants]
    points = [load.collect() for load in loads]
    settle = int(0.3e9)
    return points, start + settle, start + int(seconds * 1e9)


def loops_for(agent, microseconds):
    """The most of three: whatever else runs on the machine makes kernels look longer than they are."""
    def once():
        out = subprocess.run([tool("flexai-load-opencl"), "--calibrate", str(microseconds)], env=agent.env, capture_output=True,
                             text=True, check=True)
        return json.loads(out.stdout)["loops"]
    return max(once() for _ in range(3))


def median(values):
    return statistics.median(values)


def spread(values):
    """Half the distance between the quartiles."""
    if len(values) < 4:
        return (max(values) - min(values)) / 2 if values else 0.0
    q = statistics.quantiles(values, n=4)
    return (q[2] - q[0]) / 2


class Figures:
    def __init__(self, bench):
        self.bench, self.figures, self.facts = bench, [], {}

    def add(self, name, value, unit, target, holds, **more):
        self.figures.append({"name": name, "value": round(value, 4), "unit": unit, "target": target, "holds": bool(holds), **more})
        note(f"{'ok  ' if holds else 'MISS'} {name}: {value:.4g} {unit} (target {target}) {more if more else ''}")

    def finish(self, path):
        text = json.dumps({"bench": self.bench, **self.facts, "figures": self.figures}, indent=1)
        if path:
            pathlib.Path(path).write_text(text + "\n")
        print(text)
        return 0 if all(f["holds"] for f in self.figures) else 1
