"""Slices of another host's card: an agent that listens for other hosts, certificates, `flexai run --host`.

usage: network_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

from cases import expect, run_cases
from group import TRAIN, Apart, Group, free_port


def say(relay, line):
    relay.stdin.write(line + "\n")
    relay.stdin.flush()


def counted(launches):
    return f"counted {sum(i % 7 + 1 for i in range(launches))},"


def children_of(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def end(program):
    """The program below a `flexai run`, which then ends too."""
    os.kill(children_of(program.pid)[-1], signal.SIGKILL)
    program.communicate(timeout=20)


LONG = ("--launches", "100000", "--pause-us", "200")


def card_gone(program, at_most_ms=1000):
    """The program is told within a second, and why."""
    out, errors = program.communicate(timeout=30)
    found = re.fullmatch(r"error -2 of \w+ after (\d+) ms\n", out)
    expect(found and int(found[1]) <= at_most_ms and program.returncode == 3, f"exit {program.returncode}: {out}{errors}")
    return errors


class Tests:
    def __init__(self, build):
        self.build = build

    def case_run(self):
        """A program on a host without a card or a driver: the slice's memory, no driver in the process, its exit code."""
        with Group(self.build) as group:
            out = group.run(["clinfo", "--raw"])
            expect(re.search(r"CL_DEVICE_GLOBAL_MEM_SIZE\s+268435456", out.stdout), out.stdout[-300:] + out.stderr)
            out = group.run([group.tool("opencl-counter"), "--mib", "4"])
            expect("carried 4 MiB" in out.stdout and out.returncode == 0, out.stdout + out.stderr)
            out = group.run(["sh", "-c", f"{group.tool('opencl-counter')} & {group.tool('opencl-counter')}; wait"])
            expect(out.stdout.count("carried") == 2, out.stdout + out.stderr)
            out = group.run(["sh", "-c", "grep -c pocl /proc/self/maps; echo $FLEXAI_GRANT-$OPENCL_LAYERS; exit 7"])
            expect(out.stdout == "0\n-\n" and out.returncode == 7, f"exit {out.returncode}: {out.stdout}{out.stderr}")
            group.nothing_left(2)
            expect(not os.listdir(group.place / "tmp"), "something was left in the folder for temporary files")
            expect(not [f for f in os.listdir(group.place / "run" / "s")], "something of a session was left")

    def case_layer_not_loaded(self):
        """A loader goes on without a layer that it cannot load; a worker does not, or nothing would hold its slice to its share."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([f"{self.build}/bin/flexai-worker", "--listen", f"unix:{folder}/worker"], capture_output=True, text=True, timeout=60,
                                  check=False, env={**os.environ, "OPENCL_LAYERS": f"{folder}/no-layer.so"})
        expect(done.returncode != 0 and "did not load the layer" in done.stderr and "no-layer.so" in done.stderr, f"{done.returncode}: {done.stderr}")

    def case_views(self):
        with Group(self.build) as group:
            out = group.cli("devices", "--host", group.host()).stdout
            expect("pocl-0" in out and "ok" in out, out)
            program = group.counter(*LONG)
            session = group.working()
            expect(session["host"] == "desk" and "opencl-counter" in session["command"], str(session))
            out = group.cli("sessions", "--host", group.host())
            expect("desk" in out.stdout and "working" in out.stdout, out.stdout + out.stderr)
            out = group.cli("top", "--once", "--host", group.host())
            expect(session["slices"][0] in out.stdout, out.stdout + out.stderr)
            end(program)
            out = group.cli("net", "test", group.host(), "--megabytes", "8", "--json")
            expect(out.returncode == 0, out.stderr)
            figures = json.loads(out.stdout)
            expect(0 < figures["round_trip_us"] <= figures["round_trip_p99_us"] and figures["up_bytes_per_second"] > 1e6, str(figures))
            expect("round trip" in group.cli("net", "test", group.host(), "--megabytes", "1").stdout, "no text")
            # Another host learns of slices, and may not touch them.
            session_end = group.cli("slice", "list").stderr
            expect("no agent" in session_end or session_end == "", session_end)

    def case_cut(self):
        """A link that is cut and restored in the middle of a training changes no loss."""
        with Group(self.build) as group:
            relay = group.relay()
            there = group.run([*TRAIN, "--steps", "12"], port=relay.port)  # kernels are built, losses to compare with
            expect(there.returncode == 0, there.stderr[-300:])
            program = group.popen([*TRAIN, "--steps", "600"], port=relay.port)
            group.working()
            time.sleep(3)
            for how in ("rst", "fin"):
                say(relay, "refuse on")
                say(relay, f"cut {how}")
                time.sleep(1)
                say(relay, "refuse off")
                time.sleep(1)
            out, errors = program.communicate(timeout=200)
            relay.kill()
            relay.communicate()
            expect(program.returncode == 0, errors[-300:])
            native = subprocess.run([*TRAIN, "--steps", "600"], env=group.card_env, capture_output=True, text=True, timeout=200, check=False)
            mine, theirs = json.loads(out)["losses"], json.loads(native.stdout)["losses"]
            expect(mine == theirs and mine[:12] == json.loads(there.stdout)["losses"][:12], f"{mine[:3]} {theirs[:3]}")

    def case_namespace(self):
        """From a network namespace without a driver; the cable is pulled for 3 s in the middle."""
        if not Apart.possible():
            print("note  namespace: needs root, ip and network namespaces, left out", flush=True)
            return
        with Apart() as apart, Group(self.build, listen="0.0.0.0") as group:
            def words(*command):
                return apart.inside([group.tool("flexai"), "run", "--host", f"{apart.NEAR}:{group.port}", "--compute", "50%", "--memory",
                                     "256MiB", "--", *command])
            bare = subprocess.run(apart.inside(["clinfo", "-l"]), env=group.home, capture_output=True, text=True, timeout=60, check=False)
            expect("Platform" not in bare.stdout, bare.stdout)
            program = subprocess.Popen(words(group.tool("opencl-counter"), "--launches", "8000", "--pause-us", "400"), env=group.env,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            group.working()
            time.sleep(0.5)
            apart.pull(3)
            out, errors = program.communicate(timeout=100)
            expect(counted(8000) in out, out + errors)
            group.nothing_left(3)

    # Who ends what.

    def case_slice_deleted(self):
        with Group(self.build) as group:
            program = group.counter(*LONG)
            name = group.working()["slices"][0]
            refused = group.cli("slice", "delete", name, env=group.card_env)
            expect("`flexai run` on desk" in refused.stderr and refused.returncode == 8, refused.stderr)
            done = group.cli("slice", "delete", name, "--force", env=group.card_env)
            expect(done.returncode == 0, done.stderr)
            errors = card_gone(program)
            expect(f"slice {name} was deleted" in errors, errors)
            group.nothing_left(2)

    def case_worker_killed(self):
        with Group(self.build) as group:
            program = group.counter(*LONG)
            session = group.working()
            os.kill(session["worker"], signal.SIGKILL)
            errors = card_gone(program)
            expect("ended by signal 9" in errors, errors)
            group.nothing_left(5)

    def case_client_killed(self):
        """kill -9 of the program alone, then of it together with its `flexai run`: freed at once."""
        for both in (False, True):
            with Group(self.build) as group:
                program = group.counter(*LONG)
                group.working()
                child = children_of(program.pid)[-1]
                if both:
                    program.kill()
                os.kill(child, signal.SIGKILL)
                program.communicate()
                group.nothing_left(3)

    def case_run_killed(self):
        """Without `flexai run` a program goes on, and what it had is freed when it ends."""
        with Group(self.build) as group:
            program = group.counter("--launches", "6000", "--pause-us", "500")
            group.working()
            program.kill()
            time.sleep(1)
            expect(group.sessions(), "the program did not go on")
            out, _ = program.communicate(timeout=60)
            expect(counted(6000) in out, out)
            group.nothing_left(3)

    def case_agent_killed(self):
        """kill -9 of the card's agent: sessions go on, and the next agent knows them."""
        with Group(self.build) as group:
            relay = group.relay()
            program = group.counter("--launches", "12000", "--pause-us", "400", port=relay.port)
            before = group.working()
            group.stop(signal.SIGKILL)
            time.sleep(0.5)
            group.start()
            after = group.sessions()
            expect([s["name"] for s in after] == [before["name"]], f"{before} {after}")
            say(relay, "cut rst")  # it finds its worker through the new agent
            out, errors = program.communicate(timeout=100)
            relay.kill()
            relay.communicate()
            expect(counted(12000) in out, out + errors)
            group.nothing_left(3)

    def case_silence(self):
        """A host that is not heard of any more: after the grace everything is free, and the program knows."""
        with Group(self.build, "--grace", "3") as group:
            relay = group.relay()
            program = group.counter(*LONG, port=relay.port)
            group.working()
            say(relay, "refuse on")
            say(relay, "cut silence")
            group.nothing_left(20)
            say(relay, "refuse off")
            out, errors = program.communicate(timeout=40)
            relay.kill()
            relay.communicate()
            expect("error -2" in out and program.returncode == 3, out + errors)

    def case_silence_of_a_quiet_program(self):
        """The same where nothing was due: a connection may end in the middle with both of its ends alive."""
        with Group(self.build, "--grace", "3") as group:
            relay = group.relay()
            program = group.counter("--launches", "2", "--pause-us", "60000000", port=relay.port)
            group.working()
            time.sleep(10)
            expect(group.sessions(), "a program that is quiet was given up")
            say(relay, "refuse on")
            say(relay, "cut silence")
            group.nothing_left(30)
            end(program)
            relay.kill()
            relay.communicate()

    def case_lease(self):
        """Leases are renewed while the agent lives; without it they run out, and then nothing goes on for ever."""
        with Group(self.build, "--lease", "3") as group:
            program = group.counter(*LONG)
            group.working()
            time.sleep(6)
            expect(program.poll() is None, "the lease was not renewed")
            group.stop(signal.SIGKILL)
            out, errors = program.communicate(timeout=20)
            expect("error -2" in out and "lease has expired" in errors, out + errors)

    # Bad input.

    def refused(self, group, word, code, **env):
        done = subprocess.run(group.run_words(["true"]), env={**group.env, **env}, capture_output=True, text=True, timeout=30, check=False)
        expect(done.returncode == code and word in done.stderr and done.stderr.count("\n") == 1, f"exit {done.returncode}: {done.stderr}")

    def case_strangers(self):
        """A certificate of another authority, none, one of another host, a revoked one: no slice, no worker, a clear line."""
        with Group(self.build) as group:
            (group.place / "other").mkdir(mode=0o700)
            group.authority("pki", "init", f"--authority={group.place}/other")
            group.authority("host", "enroll", "desk", "--out", str(group.place / "stranger"), f"--authority={group.place}/other")
            self.refused(group, "certificate", 5, FLEXAI_PKI=str(group.place / "stranger"))
            shutil.copy(group.place / "desk" / "ca.crt", group.place / "stranger" / "ca.crt")
            self.refused(group, "not signed by this authority", 5, FLEXAI_PKI=str(group.place / "stranger"))
            self.refused(group, "flexai host enroll", 3, FLEXAI_PKI="/nowhere")
            os.chmod(group.place / "desk" / "host.key", 0o644)
            self.refused(group, "chmod 600", 5)
            os.chmod(group.place / "desk" / "host.key", 0o600)
            done = group.cli("devices", "--host", f"localhost:{group.port}")
            expect(done.returncode == 5 and "hostname mismatch" in done.stderr, done.stderr)
            self.refused_revoked(group)
            expect(not group.sessions() and not group.slices(), "somebody got something")

    def refused_revoked(self, group):
        expect(group.cli("devices", "--host", group.host()).returncode == 0, "desk is not welcome")
        group.authority("host", "revoke", "desk")
        shutil.copy(group.place / "authority" / "ca.crl", group.place / "gpu1" / "ca.crl")
        self.refused(group, "does not accept this host's certificate", 5)
        group.enroll("desk2")
        done = group.cli("devices", "--host", group.host(), "--pki", str(group.place / "desk2"))
        expect(done.returncode == 0, done.stderr)

    def case_listen(self):
        """Without a certificate nothing listens; nor where no address of this host is meant."""
        group = Group(self.build)
        with contextlib.closing(group.log):
            shutil.rmtree(group.place / "gpu1")
            for words, text in ((["--listen", f"0.0.0.0:{group.port}"], "flexai host enroll"), (["--listen", "gpu one"], "gpu one")):
                done = subprocess.run([group.tool("flexaid"), "--state", str(group.place / "state"), "--runtime", str(group.place / "run"),
                                       "--lock-folder", str(group.place / "locks"), "--pki", str(group.place / "gpu1"), *words],
                                      env=group.card_env, capture_output=True, text=True, timeout=60, check=False)
                expect(done.returncode == 1 and text in done.stderr, done.stderr)

    def case_no_room(self):
        with Group(self.build) as group:
            done = group.run(["true"], "--compute", "100%", "--memory", "900GiB")
            expect(done.returncode != 0 and "lower --memory" in done.stderr, done.stderr)
            group.here("slice", "create", "most", "--compute", "80%")
            done = group.run(["true"])
            expect(done.returncode == 4 and "20% compute left" in done.stderr, done.stderr)
            group.cli("slice", "delete", "most", env=group.card_env)
            done = group.run(["true"], "--card", "none-3", "--compute", "10%")
            expect(done.returncode == 3 and "none-3" in done.stderr, done.stderr)
            done = subprocess.run([group.tool("flexai"), "run", "--host", f"127.0.0.1:{free_port()}", "--compute", "10%", "--", "true"],
                                  env=group.env, capture_output=True, text=True, timeout=30, check=False)
            expect(done.returncode == 6 and "flexaid --listen" in done.stderr, done.stderr)
            done = subprocess.run([group.tool("flexai"), "run", "--host", group.host(), "--slice", "x", "--", "true"],
                                  env=group.env, capture_output=True, text=True, timeout=30, check=False)
            expect(done.returncode == 2 and "--slice" in done.stderr, done.stderr)
            expect(not group.slices(), "a slice was left")

    def case_worker_user(self):
        """Workers as a user of their own: the same results, and nothing of root's."""
        if os.geteuid() != 0:
            print("note  worker_user: needs root, left out", flush=True)
            return
        with tempfile.TemporaryDirectory(prefix="fxn-") as cache:
            os.chmod(cache, 0o777)
            group = Group(self.build, "--worker-user", "nobody")
            os.chmod(group.place, 0o755)
            group.card_env["POCL_CACHE_DIR"] = cache
            with group:
                program = group.counter(*LONG)
                status = pathlib.Path(f"/proc/{group.working()['worker']}/status").read_text()
                expect(re.search(r"Uid:\t(\d+)\t\1\t\1\t\1", status)[1] == str(pwd.getpwnam("nobody").pw_uid), status)
                end(program)
                group.nothing_left(3)
                out = group.run([group.tool("opencl-counter"), "--mib", "2"])
                expect("carried 2 MiB" in out.stdout, out.stdout + out.stderr)

    def case_served_here(self):
        """The same host: the agent starts the workers, and they end with their programs."""
        with Group(self.build) as group:
            words = [group.tool("flexai"), "run", "--isolation", "served", "--compute", "50%", "--memory", "256MiB", "--"]
            program = subprocess.Popen([*words, group.tool("opencl-counter"), *LONG], env=group.card_env, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            session = group.working()
            expect(session["host"] == "", str(session))
            status = pathlib.Path(f"/proc/{session['worker']}/status").read_text()
            expect("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, status)
            os.kill(session["worker"], signal.SIGKILL)
            card_gone(program)
            group.nothing_left(3)


if __name__ == "__main__":
    run_cases(Tests)
