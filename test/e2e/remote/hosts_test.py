"""One program on the cards of three hosts: `flexai run --host gpu1,gpu2,gpu3`.

usage: hosts_test.py BUILD [CASE ...]      one line a case, closing line "N passed, N failed"
"""
import contextlib
import difflib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from cases import expect, run_cases
from group import PYTHON, ROOT, Group, Several, free_port, wait_until
from network_test import say
from served import POCL

PARALLEL = [PYTHON, str(ROOT / "test" / "programs" / "train_parallel.py")]


def stats(relay):
    """What has passed, of all its connections."""
    say(relay, "stats")
    words = relay.stdout.readline().split()
    return dict(zip(words[::2], map(int, words[1::2])))


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


    # Bytes that go straight from host to host. The hosts are reached through relays, which count.

    @contextlib.contextmanager
    def relayed(self, count=2):
        with Several(self.build) as group:
            relays = [group.relay(one.port) for one in group.hosts()[:count]]
            try:
                yield group, relays
            finally:
                for one in relays:
                    one.kill()
                    one.communicate()

    @staticmethod
    def moving(group, relays, *words, env=None):
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in relays)
        command = [group.tool("flexai"), "run", "--host", hosts, "--compute", "50%", "--memory", "256MiB", "--",
                   group.tool("wide-move"), *map(str, words)]
        return subprocess.Popen(command, env={**group.env, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def down(relays):
        """Bytes that came from the hosts to the program: every link brings its own up to its target."""
        return sum(stats(one)["bytes_down"] for one in relays)

    @staticmethod
    def ended(program, result="right", says=""):
        out, errors = program.communicate(timeout=150)
        expect(program.returncode == 0 and out.splitlines()[-1] == result, f"exit {program.returncode}: {out[-500:]}{errors}")
        expect(errors.count("\n") == (1 if says else 0) and says in errors, errors)
        return out

    def case_straight(self):
        """What one host has and another needs does not pass through the program's host."""
        with self.relayed(3) as (group, relays):
            program = self.moving(group, relays, 16, 20)
            self.ended(program)
            up, down = sum(stats(one)["bytes_up"] for one in relays), self.down(relays)
            expect(up > 200 << 20 and down < 4 << 20, f"{up} bytes up, {down} down")
            nothing_left(group)

    def case_strangers(self):
        """Hosts that do not let each other in: the program's host brings the bytes, and says so once for each way."""
        with self.relayed() as (group, relays):
            for name, other in (("gpu1", "gpu2"), ("gpu2", "gpu1")):
                group.authority("host", "revoke", other)
                shutil.move(group.place / "authority" / "ca.crl", group.place / name / "ca.crl")
            out, errors = (program := self.moving(group, relays, 16, 10)).communicate(timeout=150)
            expect(program.returncode == 0 and out.splitlines()[-1] == "right", out + errors)
            expect(errors.count("\n") == errors.count("go through this host") == 2, errors)
            expect(self.down(relays) > 100 << 20, str(self.down(relays)))
            nothing_left(group)

    def cut(self, how):
        with self.relayed() as (group, relays):
            program = self.moving(group, relays, 24, 60, 20)
            expect(program.stdout.readline() == "running\n", "it runs")
            for _ in range(8):
                time.sleep(0.15)
                for one in relays:
                    say(one, f"cut {how}")
            self.ended(program)
            nothing_left(group)

    def case_cut(self):
        """Everything is cut in the middle, again and again: the bytes are right."""
        self.cut("fin")

    def case_reset(self):
        self.cut("rst")

    def case_silence(self):
        with self.relayed() as (group, relays):
            program = self.moving(group, relays, 24, 30, 20)
            expect(program.stdout.readline() == "running\n", "it runs")
            time.sleep(0.2)
            for one in relays:
                say(one, "cut silence")
            self.ended(program)
            nothing_left(group)

    def ask(self, group, one, path, body, who="desk"):
        """What a host with a certificate of the group is answered."""
        pki = group.place / who
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "host.crt", pki / "host.key")
        link = http.client.HTTPSConnection("127.0.0.1", one.port, context=context, timeout=30)
        with contextlib.closing(link):
            link.request("POST", path, json.dumps(body))
            answer = link.getresponse()
            return answer.status, answer.read().decode()

    def case_no_relay(self):
        """An agent connects to nobody for somebody else: neither for a host that has no run here nor to a port that is none of the group's."""
        with Several(self.build) as group, socket.create_server(("127.0.0.1", 0)) as stranger:
            group.enroll("desk2")
            here, there = group.hosts()[:2]
            with group.popen([group.tool("wide-loop"), "100000"]) as program, contextlib.ExitStack() as always:
                always.callback(program.terminate)
                expect(program.stdout.readline() == "running\n", "it runs")
                session, other = here.sessions()[0], there.sessions()[0]
                to, run = f"127.0.0.1:{there.port}", session["run"]
                good = {"session": session["name"], "to": to, "name": other["name"], "key": "5a" * 32}

                def asked(expected, words, who="desk", **change):
                    status, text = self.ask(group, here, f"/v1/runs/{run}/links", {**good, **change}, who)
                    expect(status == expected and words in text, f"{change}: {status} {text}")

                asked(404, "no run", who="desk2")
                asked(404, "of this run", session=other["name"])
                asked(400, "32 bytes", key="5a")
                asked(400, "a host", to="gpu2:port")
                asked(404, "no such session", name="0" * 32)
                # Of a right session with a key that its program has not told there.
                asked(403, "does not have the key")
                accepted = []
                threading.Thread(target=lambda: accepted.append(stranger.accept()[0].close()), daemon=True).start()
                asked(503, "as one of its group", to=f"127.0.0.1:{stranger.getsockname()[1]}")
                asked(503, "as one of its group", to=f"127.0.0.1:{free_port()}")
                expect(len(accepted) == 1, "it asks nobody twice")
                for body, who, expected in (({"session": other["name"], "host": "desk2"}, "desk2", 404),
                                            ({"session": other["name"], "host": ""}, "gpu1", 404), ({"session": "x", "host": "desk"}, "gpu1", 404),
                                            ({"session": other["name"], "host": "desk"}, "gpu1", 200)):
                    status, text = self.ask(group, there, "/v1/links", body, who)
                    expect(status == expected, f"{body}: {status} {text}")
                answers = [self.ask(group, here, f"/v1/runs/{run}/links", {**good, "name": "0" * 32})[0] for _ in range(90)]
                expect(409 in answers and set(answers) <= {404, 409}, f"{set(answers)}: as often as it likes")
            nothing_left(group)

    def source_killed(self, which, expected):
        with self.relayed() as (group, relays):
            program = self.moving(group, relays, 24, 200, 5)
            expect(program.stdout.readline() == "running\n", "it runs")
            time.sleep(0.3)
            os.kill(group.hosts()[which].sessions()[0]["worker"], signal.SIGKILL)
            out, errors = program.communicate(timeout=100)
            expect(program.returncode == 0 and out.splitlines()[-1].startswith(expected), out[-300:] + errors)
            nothing_left(group)

    def case_one_killed(self):
        """A worker is killed while bytes go from or to it: the API's error, never wrong bytes."""
        for which in (0, 1):
            self.source_killed(which, "error")

    def case_agents_killed(self):
        """The agents are not in the way of links that are there."""
        with self.relayed() as (group, relays):
            program = self.moving(group, relays, 16, 60, 20)
            expect(program.stdout.readline() == "running\n", "it runs")
            wait_until("links are there", lambda: sum(stats(one)["bytes_up"] for one in relays) > 60 << 20)
            before = self.down(relays)
            for one in group.hosts():
                one.stop(signal.SIGKILL)
            for one in group.hosts():
                type(one).start(one) if one is not group else Group.start(group)
            self.ended(program)
            expect(self.down(relays) - before < 4 << 20, "bytes went through the program's host")
            nothing_left(group)


if __name__ == "__main__":
    run_cases(Tests)
