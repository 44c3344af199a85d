"""Unmodified programs whose card is behind a worker: same results as natively, whatever happens to the wire.

usage: served_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time

from cases import expect, run_cases
from served import CARRIERS, DRIVER, POCL, Worker

ROOT = pathlib.Path(__file__).resolve().parents[3]
PYTHON = str(ROOT / ".venv" / "bin" / "python")
PROGRAMS = ROOT / "test" / "programs"
FULL = bool(os.environ.get("FLEXAI_FULL"))
NATIVE = {**os.environ, **DRIVER, "OCL_ICD_VENDORS": POCL}


class Agent:
    """flexaid with folders of its own."""

    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="flexai-")
        place = self.folder.name
        self.env = {**NATIVE, "FLEXAI_SOCKET": f"{place}/run/flexai.sock", "TMPDIR": place}
        self.log = open(f"{place}/log", "w")  # noqa: closed with the agent
        self.command = [f"{build}/bin/flexaid", "--state", f"{place}/state", "--runtime", f"{place}/run", "--lock-folder", f"{place}/lock"]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, env=NATIVE, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        for _ in range(300):
            if os.path.exists(self.env["FLEXAI_SOCKET"]) or self.process.poll() is not None:
                break
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        self.folder.cleanup()


class Tests:
    def __init__(self, build):
        self.build = build

    def tool(self, name):
        return f"{self.build}/bin/{name}"

    def run(self, command, carrier="unix", timeout=240, **worker):
        with Worker(self.build, carrier, **worker) as worker:
            return subprocess.run(command, env=worker.env, capture_output=True, text=True, timeout=timeout, check=False)

    def same(self, command, read=lambda out: out, carrier="unix"):
        native = subprocess.run(command, env=NATIVE, capture_output=True, text=True, timeout=240, check=False)
        served = self.run(command, carrier)
        expect(native.returncode == 0, f"native run failed: {native.stderr[-300:]}")
        expect(served.returncode == 0, f"exit {served.returncode}: {served.stdout[-200:]}{served.stderr[-300:]}")
        expect(read(native.stdout) == read(served.stdout), f"native {read(native.stdout)!r}, served {read(served.stdout)!r}")

    def counter(self, worker, *options):
        return subprocess.Popen([self.tool("opencl-counter"), *options], env=worker.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    # Programs.

    def case_clinfo(self):
        out = self.run(["clinfo", "-l"]).stdout
        expect("Platform #0: Flexai" in out and out.count("Device #") == 1, out)

    def case_carriers(self):
        for carrier in CARRIERS:
            self.same([self.tool("opencl-counter"), "--mib", "8"], carrier=carrier)

    def programs(self):
        """Name: the command, and what of its output must be as natively."""
        def but_shared_memory(out):
            return re.sub("^shared_virtual_memory: .*$", "", out, flags=re.M)
        return {
            "gemm": ([self.tool("gemm-clblast"), "--n", "192", "--repeat", "5"], lambda out: json.loads(out)["max_error"]),
            "fft": ([self.tool("fft-clfft")], str),
            "hashcat": (["hashcat", "-m", "0", "-a", "3", "-D", "1", "--potfile-disable", "--logfile-disable", "-O", "--quiet",
                         "7a68f09bd992671bb3b19a5e70b7827e", "?l?l?l?l?l"], str),
            "pyopencl": ([PYTHON, str(PROGRAMS / "pyopencl_tour.py")], but_shared_memory),
            "printf": ([PYTHON, str(PROGRAMS / "pyopencl_printf.py")], str),
            "tinygrad": ([PYTHON, str(PROGRAMS / "train_tinygrad.py"), "--steps", "12", "--json"], lambda out: json.loads(out)["losses"]),
        }

    def case_programs(self):
        """Each over one carrier and, TLS and a millisecond each way between, over a network; in the full form over every carrier."""
        usual = {"fft": "shm", "hashcat": "tcp", "pyopencl": "shm"}
        for name, (command, read) in self.programs().items():
            for carrier in CARRIERS if FULL else (usual.get(name, "unix"), "far"):
                start = time.monotonic()
                self.same(command, read, carrier)
                print(f"      {name} over {carrier}: {time.monotonic() - start:.1f} s with the native run", flush=True)

    def case_clpeak(self):
        out = self.run(["clpeak", "--kernel-latency"])
        expect("Kernel launch latency" in out.stdout, out.stdout + out.stderr)

    def case_run(self):
        """flexai run --isolation served: the memory and the time of the slice, no driver in the program."""
        with Agent(self.build) as agent:
            run = [self.tool("flexai"), "run", "--isolation", "served", "--compute", "50%", "--memory", "256MiB", "--"]
            def ran(*command):
                return subprocess.run([*run, *command], env=agent.env, capture_output=True, text=True, timeout=120, check=False)
            out = ran("clinfo", "--raw")
            expect(re.search(r"CL_DEVICE_GLOBAL_MEM_SIZE\s+268435456", out.stdout), out.stdout[-300:] + out.stderr)
            out = ran(self.tool("opencl-counter"), "--mib", "4")
            expect("carried 4 MiB" in out.stdout and out.returncode == 0, out.stdout + out.stderr)
            out = ran("sh", "-c", f"{self.tool('opencl-counter')} & {self.tool('opencl-counter')}; wait")
            expect(out.stdout.count("carried") == 2, out.stdout + out.stderr)
            out = ran("sh", "-c", "grep -c pocl /proc/self/maps; echo $FLEXAI_GRANT-$OPENCL_LAYERS; exit 7")
            expect(out.stdout == "0\n-\n" and out.returncode == 7, f"exit {out.returncode}: {out.stdout}")
            expect(not [f for f in os.listdir(agent.folder.name) if f.startswith("flexai-")], "the door's folder was left")

    # What goes wrong.

    def case_agent_killed_before_a_program(self):
        """A program whose first call comes while nobody answers for its slice waits for the agent that is started again."""
        for isolation in ("direct", "served"):
            with Agent(self.build) as agent:
                go = pathlib.Path(agent.folder.name, "go")
                program = subprocess.Popen(
                    [self.tool("flexai"), "run", "--isolation", isolation, "--compute", "50%", "--memory", "256MiB", "--", "sh", "-c",
                     f"echo here; while [ ! -e {go} ]; do sleep 0.02; done; exec {self.tool('opencl-counter')} --mib 4"],
                    env=agent.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                expect(program.stdout.readline() == "here\n", "the program did not start")
                agent.kill()
                go.touch()
                time.sleep(1)
                agent.start()
                out, errors = program.communicate(timeout=60)
                expect("carried 4 MiB" in out and program.returncode == 0, f"{isolation}: exit {program.returncode}: {out}{errors}")

    def cut(self, how, times, pause):
        """A program under a link that is cut again and again counts right."""
        chance = random.Random(7)
        with Worker(self.build, "tcp") as worker:
            relay = subprocess.Popen([self.tool("flexai-link-relay"), "--listen", "tcp:127.0.0.1:0", "--to", worker.endpoint],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            worker.env["FLEXAI_WORKER"] = relay.stdout.readline().strip().split()[-1]
            program = self.counter(worker, "--launches", "3000", "--pause-us", "300", "--mib", "16")
            for _ in range(times):
                time.sleep(pause * chance.uniform(0.5, 1.5))
                relay.stdin.write(f"cut {how}\n")
                relay.stdin.flush()
            out, errors = program.communicate(timeout=120)
            relay.kill()
            relay.wait()
        expect("counted 11994, carried 16 MiB" in out, f"exit {program.returncode}: {out}{errors}")

    def case_cut_fin(self):
        self.cut("fin", 12, 0.1)

    def case_cut_rst(self):
        self.cut("rst", 12, 0.1)

    def case_cut_silence(self):
        self.cut("silence", 1, 0.4)

    def case_stopped(self):
        """Two ends that were stopped for longer than a silent peer is waited for go on where they were."""
        for carrier in ("shm", "tcp"):
            with Worker(self.build, carrier) as worker:
                program = self.counter(worker, "--launches", "4000", "--pause-us", "300", "--mib", "16")
                time.sleep(0.4)
                for end in (worker.process, program):
                    end.send_signal(signal.SIGSTOP)
                time.sleep(6)
                for end in (worker.process, program):
                    end.send_signal(signal.SIGCONT)
                out, errors = program.communicate(timeout=60)
                expect("carried 16 MiB" in out, f"{carrier}: exit {program.returncode}: {out}{errors}")

    def case_worker_killed(self):
        """Whoever waits then is told within a second, and what follows is told at once; nobody hangs or dies."""
        for carrier in ("unix", "shm", "tcp"):
            with Worker(self.build, carrier) as worker:
                program = self.counter(worker, "--launches", "100000", "--pause-us", "200")
                time.sleep(1)
                worker.process.kill()
                out, errors = program.communicate(timeout=20)
            found = re.fullmatch(r"error -2 of \w+ after (\d+) ms\n", out)
            expect(found and int(found[1]) <= 1000 and program.returncode == 3, f"{carrier}: exit {program.returncode}: {out}{errors}")
            expect("the card is gone" in errors, errors)

    def case_client_killed(self):
        for carrier in ("unix", "shm"):
            with Worker(self.build, carrier) as worker:
                program = self.counter(worker, "--launches", "100000", "--pause-us", "200")
                time.sleep(0.7)
                program.kill()
                program.communicate()
                worker.process.wait(1.5)
                expect("the client's process has ended" in worker.said(), worker.said())

    def case_forked(self):
        """A forked child has no card: each call says so and none waits; the parent goes on."""
        for carrier in ("unix", "shm", "tcp"):
            out = self.run([self.tool("opencl-forked-child"), "20"], carrier=carrier)
            expect("20 children, 0 wrong; the parent counted right" in out.stdout and out.returncode == 0,
                   f"{carrier}: exit {out.returncode}: {out.stdout}{out.stderr}")

    def case_context_callback(self):
        """When the card is gone the callbacks of the contexts that are left hear it once, with the reason."""
        with Worker(self.build, "unix") as worker:
            program = subprocess.Popen([self.tool("opencl-listener")], env=worker.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            expect(program.stdout.readline() == "works\n", "it does not work")
            worker.process.kill()
            program.wait(30)  # by itself: its input stays open
            out, errors = program.communicate()
        heard = sorted(line for line in out.splitlines() if "heard" in line)
        expect([line.split(": ")[0] for line in heard] == ["first heard (0 bytes)", "third heard (0 bytes)"]
               and all("the card is gone: " in line for line in heard), out + errors)
        expect("the last call said -2" in out, out)
        # Where nothing goes wrong, nothing is heard.
        with Worker(self.build, "unix") as worker:
            program = subprocess.Popen([self.tool("opencl-listener")], env=worker.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            program.stdout.readline()
            out, _ = program.communicate(timeout=30)
            expect(out == "the last call said 0\nover\n", out)

    def case_no_worker(self):
        """Without one there is a line that says why, and no card."""
        env = {**os.environ, "OCL_ICD_VENDORS": f"{self.build}/lib/libflexai_opencl.so"}
        for where, word in ((None, "flexai run"), ("unix:/nowhere/worker", "unix:/nowhere/worker"), ("pigeon:1", "pigeon")):
            if where:
                env["FLEXAI_WORKER"] = where
            done = subprocess.run([self.tool("opencl-counter")], env=env, capture_output=True, text=True, timeout=20, check=False)
            expect("error -1001" in done.stdout and word in done.stderr, f"{where}: {done.stdout}{done.stderr}")

    def case_second_client(self):
        """A worker is for one program."""
        with Worker(self.build, "unix") as worker:
            first = self.counter(worker, "--launches", "2000", "--pause-us", "500")
            time.sleep(0.5)
            second = self.counter(worker)
            out, errors = second.communicate(timeout=20)
            expect("this worker has its client" in errors, out + errors)
            expect("carried" in first.communicate(timeout=60)[0], "the first one was disturbed")


if __name__ == "__main__":
    run_cases(Tests)
