"""./dev demo: three unmodified programs share one card at 10, 30 and 60 %; then a live resize, an idle tenant whose
share an elastic one picks up, and a tenant that asks for too much memory. Ends with a table and a chart.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from harness import ROOT, Agent, median, now_ns, tool  # noqa: E402
import chart  # noqa: E402

PASSWORD_HASH = "f5bb0c8de146c67b44babbf4e6584cc0"  # of an eight-digit number, found by trying them all


def say(text=""):
    print(text, flush=True)


def tinygrad(seconds):
    return [str(ROOT / ".venv/bin/python"), str(ROOT / "test/programs/train_tinygrad.py"), "--hidden", "512", "--batch", "512",
            "--seconds", str(seconds), "--json"]


def hashcat(seconds):
    return ["hashcat", "-m", "0", "-a", "3", "-D", "1", "--potfile-disable", "--logfile-disable", "--restore-disable", "-O", "-w", "2",
            f"--runtime={int(seconds)}", "--status", "--status-timer", "1", "--status-json", PASSWORD_HASH, "?a?a?a?a?a?a?a?a"]


def gemm(seconds):
    return [tool("gemm-clblast"), "--n", "256", "--seconds", str(seconds)]


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def speeds(text):
    return [json.loads(line)["devices"][0]["speed"] for line in text.splitlines() if line.startswith("{")]


# name, command, its own speed from its output, unit
PROGRAMS = [
    ("tinygrad", tinygrad, lambda out: 1000 / last_json(out)["step_ms_median"], "steps/s"),
    ("hashcat", hashcat, lambda out: median([s for s in speeds(out)[1:] if s > 0]) / 1e6, "MH/s"),
    ("CLBlast", gemm, lambda out: last_json(out)["gflops"], "GFLOPS"),
]


class Recorder(threading.Thread):
    """Follows `flexai top --json` and keeps each slice's share of the last second."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.begin = time.monotonic()
        self.series, self.rows = {}, []
        self.process = subprocess.Popen([tool("flexai"), "top", "--json", "--interval", "0.5"], env=agent.env, text=True,
                                        stdout=subprocess.PIPE)
        self.start()

    def run(self):
        for line in self.process.stdout:
            t = time.monotonic() - self.begin
            for row in json.loads(line)["slices"]:
                self.series.setdefault(row["name"], []).append((t, row["got_1s"] * 100))

    def now(self):
        return time.monotonic() - self.begin

    def mean(self, name, since, until):
        points = [p for t, p in self.series.get(name, []) if since <= t < until]
        return sum(points) / len(points) if points else 0.0

    def stop(self):
        self.process.terminate()


def run_all(agent, seconds, where):
    """The three programs side by side; their own speeds."""
    started = [(name, read, agent.popen(where(name), command(seconds), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
               for name, command, read, _ in PROGRAMS]
    return {name: read(process.communicate()[0]) for name, read, process in started}


def alone(agent, seconds):
    result = {}
    for name, command, read, unit in PROGRAMS:
        subprocess.run(command(2), env=agent.env, capture_output=True, text=True)  # kernels into the driver's cache
        out = subprocess.run(command(seconds), env=agent.env, capture_output=True, text=True).stdout
        result[name] = read(out)
        say(f"    {name:9} {result[name]:8.1f} {unit}")
    return result


def share(agent, recorder, native, seconds, table):
    promised = {"tinygrad": 10, "hashcat": 30, "CLBlast": 60}
    slices = {"tinygrad": "train", "hashcat": "crack", "CLBlast": "gemm"}
    for name, percent in promised.items():
        agent.slice(slices[name], f"{percent}%", qos="fixed", memory="1GiB")
    begin = recorder.now()
    got = run_all(agent, seconds, slices.get)
    end = recorder.now()
    for name, percent in promised.items():
        device = recorder.mean(slices[name], begin + 3, end - 2)
        table.append((name, percent, device, got[name], native[name], PROGRAMS_UNITS[name]))
    agent.drop(*slices.values())


PROGRAMS_UNITS = {name: unit for name, _, _, unit in PROGRAMS}


def resize(agent, recorder, marks, table):
    agent.slice("crack", "30%", qos="fixed")
    process = agent.popen("crack", hashcat(14), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(7)
    agent.cli("slice", "set", "crack", "--compute", "60%")
    marks.append((recorder.now(), "resize to 60%"))
    at = recorder.now()
    process.wait()
    end = recorder.now()
    table.append(("before the resize", 30, recorder.mean("crack", at - 4, at)))
    table.append(("after the resize", 60, recorder.mean("crack", at + 1.5, end - 2)))
    agent.drop("crack")


def idle(agent, recorder, marks, table):
    agent.slice("steady", "40%", qos="elastic", memory="1GiB")
    agent.slice("comes-and-goes", "60%", qos="elastic", memory="1GiB")
    steady = agent.popen("steady", gemm(14), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    other = agent.popen("comes-and-goes", gemm(6), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begin = recorder.now()
    other.wait()
    at = recorder.now()
    marks.append((at, "neighbour goes idle"))
    steady.wait()
    end = recorder.now()
    table.append(("elastic, beside a busy neighbour", 40, recorder.mean("steady", begin + 2, at)))
    table.append(("elastic, neighbour idle", 100, recorder.mean("steady", at + 1.5, end - 1)))
    agent.drop("steady", "comes-and-goes")


def too_much(agent):
    agent.slice("small", "20%", memory="64MiB")
    done = subprocess.run([tool("flexai"), "run", "--slice", "small", "--", tool("gemm-clblast"), "--n", "4096", "--repeat", "1"],
                          env=agent.env, capture_output=True, text=True)
    agent.drop("small")
    return done


def main():
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--seconds", type=float, default=20, help="how long the three programs run side by side")
    parser.add_argument("--chart", default=str(ROOT / "build" / "demo.svg"))
    options = parser.parse_args()
    with Agent() as agent:
        say(agent.cli("devices").stdout.rstrip())
        say("\n1. Each program alone on the card, without Flexai:")
        native = alone(agent, 8)
        recorder, marks, shares, others = Recorder(agent), [], [], []
        say("\n2. All three at once in fixed slices of 10, 30 and 60 % ...")
        marks.append((recorder.now(), "10/30/60 fixed"))
        share(agent, recorder, native, options.seconds, shares)
        say("3. hashcat in a slice that is resized while it runs ...")
        marks.append((recorder.now(), "fixed 30%"))
        resize(agent, recorder, marks, others)
        say("4. Two elastic slices, one of which goes idle ...")
        marks.append((recorder.now(), "two elastic"))
        idle(agent, recorder, marks, others)
        say("5. A program that asks for more memory than its slice has:")
        refused = too_much(agent)
        for line in refused.stderr.strip().splitlines():
            say("    " + line)
        recorder.stop()
    say("\nprogram                            promised   measured       own speed     alone")
    for name, percent, device, got, alone_speed, unit in shares:
        say(f"{name:33} {percent:8} % {device:8.1f} %  {got:9.1f} {unit:7} {alone_speed:7.1f}")
    for name, percent, device in others:
        say(f"{name:33} {percent:8} % {device:8.1f} %")
    path = pathlib.Path(options.chart)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(chart.svg(recorder.series, marks, "Share of one card's time, each slice, last second"))
    say(f"\nmeasured: share of the card's time, by the agent. Chart: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
    wrong = [row[0] for row in shares if abs(row[2] - row[1]) > 5] + [row[0] for row in others if abs(row[2] - row[1]) > 8]
    if refused.returncode == 0:
        wrong.append("the memory limit")
    if wrong:
        sys.exit("demo: not as promised: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
