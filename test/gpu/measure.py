"""What is measured on a card. Each part adds its figures; one that fails is named in the result and the others go on."""
import contextlib
import json
import os
import platform
import re
import subprocess
import traceback

import changes
import shares
from drivers import loader_knows_layers
from harness import Agent, Figures, Load, loops_for, median, note, now_ns, spread, tool

MIB = 1 << 20


def devices(agent, figures, _):
    cards = json.loads(agent.cli("devices", "--json").stdout)["devices"]
    figures.facts["cards"] = cards
    healthy = [card for card in cards if card["healthy"]]
    figures.add("cards found and healthy", len(healthy), "cards", ">= 1", healthy, why=[c["health"] for c in cards if not c["healthy"]])


def layer(agent, figures, _):
    """The layer loads and every launch goes through it; the program sees the vendor's name and the slice's memory."""
    native = memory(agent, None, 1)
    agent.slice("layer", "50%", memory="256MiB")
    inside = memory(agent, "layer", 1)
    load = Load(agent, "layer", ["--loops", "100", "--depth", "4"], 1, now_ns() + int(0.5e9))
    launches = len(load.collect())
    metered = agent.use()["layer"]["launches"]
    agent.drop("layer")
    figures.add("launches metered, of those the program made", metered / max(launches, 1) * 100, "%", ">= 100", metered >= launches > 0,
                launches=launches)
    figures.add("memory the program is told", inside["reported_bytes"] / MIB, "MiB", "256", inside["reported_bytes"] == 256 * MIB)
    figures.add("model is the vendor's own name", float(native["model"] == inside["model"]), "", "1", native["model"] == inside["model"],
                model=inside["model"])


def memory(agent, name, most):
    done = agent.popen(name, [tool("flexai-memory-opencl"), "--most-mib", str(most), "--chunk-mib", "8" if most > 8 else "1"],
                       stdout=subprocess.PIPE)
    out = done.communicate()[0]
    if done.returncode != 0:
        raise RuntimeError(f"flexai-memory-opencl in slice {name}: exit {done.returncode} {out}")
    return json.loads(out)


def limit(agent, figures, _):
    agent.slice("small", "20%", memory="128MiB")
    got = memory(agent, "small", 1024)
    left = agent.use()["small"]["memory_used_bytes"]
    agent.drop("small")
    mib = got["got_bytes"] / MIB
    figures.add("memory got in a slice of 128 MiB", mib, "MiB", "112..128, then refused", 112 <= mib <= 128 and got["error"] != 0,
                error=got["error"])
    figures.add("bytes charged after the program's end", left, "bytes", "0", left == 0)


def latency(agent, figures, quick):
    """Launch of a short kernel, alone on the card: without and with a slice, in turn."""
    command = [tool("flexai-latency-opencl"), "--loops", "10", "--count", "2000" if quick else "10000", "--every-us", "0"]
    agent.slice("alone", "50%")
    got = {(where, what): [] for where in (None, "alone") for what in ("start_us", "enqueue_us")}
    pairs = 3 if quick else 11
    for i in range(pairs):
        for where in ([None, "alone"] if i % 2 == 0 else ["alone", None]):
            told = json.loads(agent.popen(where, command, stdout=subprocess.PIPE).communicate()[0])
            for what, values in told.items():
                got[where, what].append(median(values))
    agent.drop("alone")
    for what, name in (("start_us", "request to end less the kernel"), ("enqueue_us", "enqueue call")):
        differences = [b - a for a, b in zip(got[None, what], got["alone", what])]
        figures.add(f"launch, {name}, added", median(differences), "us", "<= 0.3", median(differences) <= 0.3,
                    native=round(median(got[None, what]), 2), spread=round(spread(differences), 2), pairs=pairs)
    clpeak(agent, figures, pairs)


def clpeak(agent, figures, pairs):
    try:
        subprocess.run(["clpeak", "--version"], capture_output=True, check=False)
    except OSError:
        figures.facts["clpeak"] = "not installed"
        return
    agent.slice("alone", "50%")
    differences = []
    for _ in range(pairs):
        pair = []
        for where in (None, "alone"):
            out = agent.popen(where, ["clpeak", "--kernel-latency"], stdout=subprocess.PIPE).communicate()[0]
            pair.append(float(re.search(r"latency\s*:\s*([\d.]+)", out).group(1)))
        differences.append(pair[1] - pair[0])
    agent.drop("alone")
    figures.add("launch, clpeak, added", median(differences), "us", "<= 0.3", median(differences) <= 0.3, spread=round(spread(differences), 2))


def has_command_buffers(agent, loops):
    done = agent.popen(None, [tool("flexai-load-opencl"), "--loops", str(loops[100]), "--mode", "buffer", "--seconds", "0.1"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    done.communicate()
    return done.returncode == 0


def share_errors(agent, figures, quick):
    loops = figures.loops
    wanted = shares.CONFIGURATIONS
    if not has_command_buffers(agent, loops):
        figures.facts["command buffers"] = "not offered by the driver; plain launches took their place"
        wanted = [[(share, "1ms" if kind == "buffer" else kind) for share, kind in tenants] for tenants in wanted]
    if quick:
        wanted = [wanted[0], wanted[-2]]
    shares.CONFIGURATIONS[:] = wanted
    shares.measure(agent, figures, loops, 1 if quick else 9, 3 if quick else 10)


def switch(agent, figures, quick):
    changes.switch(agent, figures, figures.loops, 100 if quick else 1000)


def resize(agent, figures, quick):
    changes.resize(agent, figures, figures.loops, 1 if quick else 11)


def idle(agent, figures, quick):
    changes.idle_reuse(agent, figures, figures.loops, 1 if quick else 11)


def kill(agent, figures, quick):
    changes.kill_holder(agent, figures, figures.loops, 2 if quick else 30)


PARTS = {"devices": devices, "layer": layer, "limit": limit, "latency": latency, "shares": share_errors, "switch": switch,
         "resize": resize, "idle": idle, "kill": kill}
WITH_LOOPS = {"shares", "switch", "resize", "idle", "kill"}


def host():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    facts = {"kernel": platform.release(), "cpus": os.cpu_count(), "cpu": model}
    try:
        said = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_mode", "--format=csv,noheader"],
                              capture_output=True, text=True, timeout=60, check=False)
        facts["nvidia-smi"] = said.stdout.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired):
        pass
    return facts


def all_parts(parts, vendors, quick, path):
    figures = Figures("gpu")
    figures.facts = {"host": host(), "loader": loader_knows_layers(), "quick": quick,
                     "driver": [icd.read_text().strip() for icd in vendors.glob("*.icd")], "not_measured": {}}
    with Agent({"OCL_ICD_VENDORS": str(vendors)}) as agent:
        if WITH_LOOPS & set(parts):
            figures.loops = {us: loops_for(agent, us) for us in (100, 1000, 10000)}
            note(f"loops for 0.1, 1, 10 ms: {figures.loops}")
        for name in parts:
            note(name)
            try:
                PARTS[name](agent, figures, quick)
            except (Exception, SystemExit) as e:  # the others are still worth having
                figures.facts["not_measured"][name] = f"{type(e).__name__}: {e}"
                note(f"{name} could not be measured: {e}\n{traceback.format_exc()}")
                with contextlib.suppress(Exception, SystemExit):
                    agent.drop(*agent.use())
    return max(figures.finish(path), 2 if figures.facts["not_measured"] else 0)
