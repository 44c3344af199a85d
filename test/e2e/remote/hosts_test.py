"""One program on the cards of three hosts: `flexai run --host gpu1,gpu2,gpu3`.

usage: hosts_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import difflib
import os
import re
import signal
import subprocess

from cases import expect, run_cases
from group import PYTHON, ROOT, Several, free_port, wait_until
from served import POCL

PARALLEL = [PYTHON, str(ROOT / "test" / "programs" / "train_parallel.py")]


def nothing_left(group):
    wait_until("everything is freed", lambda: not any(one.sessions() or one.slices() for one in group.hosts()), 5)


class Tests:
    def __init__(self, build):
        self.build = build

    def natively(self, group, *words):
        """The same with three cards in this host, as PoCL makes of one."""
        env = {**group.home, "OCL_ICD_VENDORS": POCL, "POCL_DEVICES": "pthread pthread pthread", "POCL_MEMORY_LIMIT": "4"}
        done = subprocess.run([group.tool(words[0]), *words[1:]], env=env, capture_output=True, text=True, timeout=100, check=False)
        expect(done.returncode == 0, f"natively: exit {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}")
        return done.stdout

    def case_tour(self):
        """A context over three hosts does what one over three devices does."""
        with Several(self.build) as group:
            native = self.natively(group, "wide-tour")
            done = group.run([group.tool("wide-tour")])
            changed = "\n".join(list(difflib.unified_diff(native.splitlines(), done.stdout.splitlines(), "native", "hosts", lineterm="", n=0))[:20])
            expect(done.stdout == native and done.returncode == 0, f"exit {done.returncode}: {changed}\n{done.stderr[-500:]}")
            nothing_left(group)

    def case_devices(self):
        """One platform with the cards in the order of the command line, each with its slice's memory."""
        with Several(self.build) as group:
            out = group.run(["clinfo", "--raw"]).stdout
            expect(len(re.findall(r"\[FLEXAI/[012]\]\s+CL_DEVICE_GLOBAL_MEM_SIZE\s+268435456", out)) == 3, out[-300:])
            expect(len(re.findall(r"\[FLEXAI/\*\]\s+CL_PLATFORM_NAME", out)) == 1, out[-300:])
            nothing_left(group)

    def case_refused(self):
        """A host that cannot be reached or has no room: the reason with its name, and the others have theirs back."""
        with Several(self.build) as group:
            nobody = f"127.0.0.1:{free_port()}"
            hosts = [f"127.0.0.1:{one.port}" for one in group.hosts()]
            for list_, expected in (((hosts[0], hosts[1], nobody), nobody), ((hosts[0], hosts[0]), "named twice"), ((hosts[0], ""), "empty name")):
                words = [group.tool("flexai"), "run", "--host", ",".join(list_), "--compute", "50%", "--", "true"]
                done = subprocess.run(words, env=group.env, capture_output=True, text=True, timeout=60, check=False)
                expect(done.returncode != 0 and expected in done.stderr, f"exit {done.returncode}: {done.stderr}")
                expect(done.stderr.count("\n") == 1, done.stderr)
                nothing_left(group)
            with subprocess.Popen([group.tool("flexai"), "run", "--host", hosts[1], "--compute", "80%", "--", "sleep", "60"], env=group.env) as other:
                wait_until("the card is taken", lambda: group.others[0].slices())
                done = group.run(["true"])
                expect(done.returncode != 0 and hosts[1] in done.stderr, f"exit {done.returncode}: {done.stderr}")
                expect(not group.slices() and not group.others[1].slices(), "the others keep what they gave")
                other.send_signal(signal.SIGTERM)
            nothing_left(group)

    def killed(self, *options):
        with Several(self.build) as group:
            with group.popen([group.tool("wide-loop"), "3000", *options]) as program:
                expect(program.stdout.readline() == "running\n", "it runs")
                os.kill(group.others[0].sessions()[0]["worker"], signal.SIGKILL)
                out, errors = program.communicate(timeout=60)
            expect(program.returncode == 0, f"exit {program.returncode}: {out}{errors}")
            expect(out.splitlines() == ["device 0: went on", "device 1: error -2", "device 2: went on"], out + errors)
            expect(errors.count("\n") == 1 and f"127.0.0.1:{group.others[0].port}: the card is gone" in errors, errors)
            nothing_left(group)

    def case_killed(self):
        """A worker is killed in the middle: its device is not available, the others go on."""
        self.killed()

    def case_killed_in_one_context(self):
        self.killed("together")

    def case_gemm(self):
        """Matrices that no slice has room for, multiplied by parts on three cards."""
        with Several(self.build) as group:
            done = group.run([group.tool("gemm-sharded"), "1536"], "--compute", "50%", "--memory", "16MiB")
            expect(done.returncode == 0 and "right" in done.stdout, f"exit {done.returncode}: {done.stdout}{done.stderr}")
            nothing_left(group)

    def case_training(self):
        """Data-parallel training on three cards: the losses of one card, up to the order of the sums of the gradients."""
        with Several(self.build) as group:
            losses = []
            for devices, hosts in ((3, None), (1, group.port)):
                done = group.run([*PARALLEL, "--devices", str(devices)], port=hosts)
                expect(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-800:]}")
                losses.append([float(word) for word in done.stdout.split()])
            expect(len(losses[0]) == len(losses[1]) == 6 and losses[0][-1] < losses[0][0], str(losses))
            worst = max(abs(a - b) for a, b in zip(*losses))
            expect(worst < 1e-4, f"{worst}: {losses}")
            nothing_left(group)


if __name__ == "__main__":
    run_cases(Tests)
