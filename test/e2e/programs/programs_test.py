"""Real, unmodified programs give the same results inside a slice as without; what they must not do they cannot.

usage: programs_test.py [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from harness import ROOT, Agent, Load, now_ns, together, tool, work_between  # noqa: E402

PYTHON = str(ROOT / ".venv" / "bin" / "python")
PROGRAMS = ROOT / "test" / "programs"
FULL = bool(os.environ.get("FLEXAI_FULL"))


class Different(AssertionError):
    pass


def expect(ok, text):
    if not ok:
        raise Different(text)


def run(agent, command, where=(), timeout=240, **env):
    """Runs natively, or with `where` as options of `flexai run`."""
    prefix = [tool("flexai"), "run", *where, "--"] if where else []
    return subprocess.run(prefix + command, env=dict(agent.env, **env), capture_output=True, text=True, timeout=timeout)


def same(agent, command, where, read=lambda out: out):
    native, sliced = run(agent, command), run(agent, command, where)
    expect(native.returncode == 0, f"native run failed: {native.stderr[-300:]}")
    expect(sliced.returncode == 0, f"exit {sliced.returncode} in the slice: {sliced.stderr[-300:]}")
    expect(read(native.stdout) == read(sliced.stdout), f"native {read(native.stdout)!r}, slice {read(sliced.stdout)!r}")
    return sliced.stdout


HALF = ("--compute", "50%", "--memory", "1GiB")


def case_clinfo(agent):
    out = same(agent, ["clinfo", "-l"], HALF)
    expect("Device #0" in out, out)
    sizes = run(agent, ["clinfo", "--raw"], HALF).stdout
    expect(re.search(r"CL_DEVICE_GLOBAL_MEM_SIZE\s+1073741824", sizes), "the memory size is not the slice's")


def case_gemm(agent):
    same(agent, [tool("gemm-clblast"), "--n", "192", "--repeat", "5"], HALF, lambda out: json.loads(out)["max_error"])


def case_fft(agent):
    same(agent, [tool("fft-clfft")], HALF)


def case_hashcat(agent):
    out = same(agent, ["hashcat", "-m", "0", "-a", "3", "-D", "1", "--potfile-disable", "--logfile-disable", "-O", "--quiet",
                       "7a68f09bd992671bb3b19a5e70b7827e", "?l?l?l?l?l"], HALF)
    expect(":testa" in out, "the password was not found: " + out)


def case_pyopencl(agent):
    """By the loader that the PyPI wheel bundles."""
    same(agent, [PYTHON, str(PROGRAMS / "pyopencl_tour.py")], HALF)
    limited = run(agent, [PYTHON, str(PROGRAMS / "pyopencl_tour.py"), "--limits"], HALF)
    expect("limits: refused" in limited.stdout, "memory beyond the slice was given: " + limited.stdout[-200:])
    expect(re.search(r"out of memory: asked 256MiB, used \S+ of 1GiB", limited.stderr), "no line that says why: " + limited.stderr)


def case_tinygrad(agent):
    same(agent, [PYTHON, str(PROGRAMS / "train_tinygrad.py"), "--steps", "12", "--json"], HALF, lambda out: json.loads(out)["losses"])


def case_clpeak(agent):
    agent.slice("peak", "50%")
    out = run(agent, ["clpeak", "--kernel-latency"], ("--slice", "peak"))
    metered = agent.use()["peak"]["launches"]
    agent.drop("peak")
    expect("Kernel launch latency" in out.stdout, out.stdout + out.stderr)
    expect(metered >= 20000, f"only {metered} launches were metered")


def case_ffmpeg(agent):
    if not shutil.which("ffmpeg"):
        return "not run: no ffmpeg (90 packages, 157 MB: ./dev test --full installs it)"
    same(agent, ["ffmpeg", "-v", "error", "-init_hw_device", "opencl=g", "-filter_hw_device", "g", "-f", "lavfi", "-i",
                 "testsrc=size=320x240:rate=30:duration=1", "-vf", "format=rgba,hwupload,avgblur_opencl=sizeX=5,hwdownload,format=rgba",
                 "-f", "md5", "-"], HALF)


def case_trace(agent):
    """FLEXAI_TRACE prints the calls as the program sees them, limits included, and nothing of it on standard output."""
    small = ("--compute", "50%", "--memory", "48MiB")
    command = [tool("flexai-memory-opencl"), "--chunk-mib", "16"]
    plain = run(agent, command, small)
    path = pathlib.Path(agent.dir) / "calls"
    traced = run(agent, command, small, FLEXAI_TRACE=str(path))
    expect(traced.returncode == 0 and traced.stdout == plain.stdout, f"standard output changed: {traced.stdout}")
    expect("clCreateBuffer" not in traced.stderr, "calls on standard error as well")
    refused = re.findall(r"^clCreateBuffer\(.*size=16777216.* = null, \*errcode_ret=-4$", path.read_text(), re.M)
    expect(len(refused) == 1, f"{len(refused)} refused buffers in the trace")
    load = [tool("flexai-load-opencl"), "--loops", "100", "--seconds", "0.1", "--mode", "buffer"]
    traced = run(agent, load, small, FLEXAI_TRACE="1")
    expect(re.search(r"^clBuildProgram\(.*\) = 0$", traced.stderr, re.M), "no calls on standard error: " + traced.stderr[-300:])
    expect(re.search(r"^clEnqueueCommandBufferKHR\(.*\) = 0", traced.stderr, re.M), "a function found by name is not in the trace")
    json.loads(traced.stdout)
    expect("clBuildProgram" not in run(agent, load, small, FLEXAI_TRACE="0").stderr, "printed although it is off")
    lost = run(agent, load, small, FLEXAI_TRACE="/nowhere/calls")
    expect(lost.returncode == 0 and "FLEXAI_TRACE=/nowhere/calls cannot be written" in lost.stderr, lost.stderr)


def case_gated(agent):
    """10,000 commands that cannot start, by two tenants at once; neither blocks an enqueue or the other."""
    command = [tool("flexai"), "run", *HALF[:2], "--memory", "64MiB", "--", tool("opencl-gated"), "5000"]
    both = [subprocess.Popen(command, env=agent.env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        out = one.communicate(timeout=400)[0]
        expect(one.returncode == 0 and "done" in out, out)


def case_churn(agent):
    n = "10000" if FULL else "3000"
    native = int(run(agent, [tool("opencl-churn"), n]).stdout)
    agent.slice("churn", "50%", memory="64MiB")
    sliced = int(run(agent, [tool("opencl-churn"), n], ("--slice", "churn")).stdout)
    left = used(agent, "churn")
    agent.drop("churn")
    expect(sliced - native < 1024, f"grew by {sliced} KiB in the slice, {native} KiB without")
    expect(left == 0, f"{left} bytes left in the account")


def case_fork(agent):
    expect("children right, parent right" in run(agent, [tool("opencl-forked")], HALF).stdout, "wrong results after fork")


def case_kills(agent):
    """kill -9 at random moments: every byte comes back and the neighbour goes on."""
    agent.slice("victim", "40%", memory="64MiB")
    for i in range(40 if FULL else 8):
        victim = agent.popen("victim", [tool("opencl-churn"), "100000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.25 + 0.037 * i % 0.2)
        for pid in descendants(victim.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        victim.wait()
    deadline = time.time() + 30  # how fast is the bench's business
    while time.time() < deadline and used(agent, "victim") != 0:
        time.sleep(0.05)
    left = used(agent, "victim")
    agent.drop("victim")
    expect(left == 0, f"{left} bytes lost")


def case_force(agent):
    """slice delete --force stops a program at work and says what came back; the rest of the card is as it was."""
    before, whole = devices(agent)[0]["free_memory_bytes"], 4096 * 64 * 4
    agent.slice("gone", "40%", memory="64MiB")
    load = agent.popen("gone", [tool("flexai-load-opencl"), "--groups", "4096", "--seconds", "120"], stderr=subprocess.PIPE)
    deadline = time.time() + 60
    while used(agent, "gone") != whole and time.time() < deadline:
        time.sleep(0.05)
    told = json.loads(agent.cli("slice", "delete", "gone", "--force", "--json").stdout)
    expect(told["returned_bytes"] == whole and told["stopped"][0].startswith("flexai-load"), str(told))
    error = load.communicate()[1]
    expect(load.returncode == 137 and "slice gone was deleted with --force" in error, f"exit {load.returncode}: {error}")
    expect(devices(agent)[0]["free_memory_bytes"] == before, "memory of the card is missing")


def kill_agent(agent):
    """One measurement: longest gap in ms before the agent's death and after it, and work without it in parts of that before."""
    kernels = ["--loops", "400", "--depth", "4"]
    agent.slice("a", "30%", qos="fixed")
    start = now_ns() + int(1.5e9)
    load = Load(agent, "a", kernels, 6, start)
    time.sleep(3.5)
    os.kill(agent.process.pid, signal.SIGKILL)
    killed = now_ns()
    agent.process.wait()
    time.sleep(1.5)
    agent.start()
    points = load.collect()
    gaps = [(b, (b - a) / 1e6) for (a, _), (b, _) in zip(points, points[1:])]
    usual = max(gap for end, gap in gaps if end <= killed - 50_000_000)
    stall = max(gap for end, gap in gaps if end > killed - 50_000_000)
    alone = work_between(points, killed + int(0.2e9), killed + int(1.4e9)) / 1.2
    before = work_between(points, killed - int(1.5e9), killed - int(0.1e9)) / 1.4
    expect("a" in agent.use(), "the slice was lost")
    agent.drop("a")
    return usual, stall, alone / before if before > 0 else 0


def case_agent_killed(agent):
    """The agent dies under load: programs go on at their guarantee, do not stall, and re-attach when it is back."""
    # A busy host spoils a measurement now and then; a program that stalls or runs free does so every time.
    for _ in range(4):
        usual, stall, part = kill_agent(agent)
        told = f"at {part:.2f} of its rate without the agent, longest gap {stall:.0f} ms, before {usual:.0f} ms"
        if stall < 100 and 0.5 < part < 1.5:
            return told
    raise Different(told)


def case_paused(agent):
    """A paused slice does nothing on the card, not even while the agent is dead, and goes on as if nothing had been."""
    kernels = ["--loops", "400", "--depth", "4"]
    agent.slice("still", "40%")
    agent.slice("beside", "40%")
    start, seconds = now_ns() + int(1.5e9), 8
    loads = [Load(agent, name, kernels, seconds, start) for name in ("still", "beside")]
    time.sleep(3)
    told = json.loads(agent.cli("slice", "pause", "still", "--json").stdout)
    paused = now_ns()
    expect(told["paused"] and told["idle_after_ms"] < 1000, str(told))
    expect(agent.use()["still"]["paused"], "top does not know")
    # A program that comes during the pause waits like the others.
    late = agent.popen("still", [tool("gemm-clblast"), "--n", "256"], stdout=subprocess.PIPE)
    time.sleep(1)
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.process.wait()
    time.sleep(0.5)
    agent.start()
    time.sleep(0.5)
    expect(agent.use()["still"]["paused"], "forgotten by the next agent")
    expect(late.poll() is None, "a program ran in a paused slice")
    resumed = now_ns()
    agent.cli("slice", "resume", "still")
    out = late.communicate(timeout=60)[0]
    expect(late.returncode == 0, f"exit {late.returncode} after the pause: {out}")
    still, beside = [load.collect() for load in loads]
    agent.drop("still", "beside")
    expect(work_between(still, paused + 20_000_000, resumed) == 0, "work in a paused slice")
    expect(work_between(still, resumed, start + int(seconds * 1e9)) > 0, "no work after the pause")
    expect(work_between(beside, paused, resumed) > 0, "the neighbour stood still")
    return f"free of it after {told['idle_after_ms']:.1f} ms"


def case_several_cards(agent):
    """Cards of other vendors where their drivers run here; each sees only its own."""
    with Agent({"RUSTICL_ENABLE": "llvmpipe", "POCL_DEVICES": "pthread basic"}, vendors=("pocl", "rusticl")) as other:
        cards = [d["id"] for d in devices(other)]
        expect({"pocl-0", "pocl-1"} <= set(cards), f"cards {cards}")
        for card in cards:
            done = run(other, ["clinfo", "-l"], ("--card", card, "--compute", "20%", "--memory", "64MiB"))
            expect(done.stdout.count("Device #") == 1, f"on {card}: {done.stdout}{done.stderr}")
        if "rusticl-0" in cards:
            out = run(other, [PYTHON, str(PROGRAMS / "pyopencl_tour.py")], ("--card", "rusticl-0", "--compute", "50%", "--memory", "256MiB"))
            expect("arrays: (49995000" in out.stdout, out.stdout + out.stderr[-300:])


def devices(agent):
    return json.loads(agent.cli("devices", "--json").stdout)["devices"]


def used(agent, name):
    return agent.use()[name]["memory_used_bytes"]


def descendants(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def main():
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}
    chosen = sys.argv[1:] or list(cases)
    failed = 0
    with Agent() as agent:
        for name in chosen:
            t = time.monotonic()
            try:
                note = cases[name](agent) or ""
                print(f"ok    {name} ({time.monotonic() - t:.1f} s) {note}", flush=True)
            except (Different, subprocess.TimeoutExpired, StopIteration, ValueError) as e:
                failed += 1
                print(f"FAIL  {name}: {e}", flush=True)
                agent.drop(*agent.use())  # nothing of a failed case stays for the next one
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
