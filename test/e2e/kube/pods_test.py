"""What pods do with their slices, on the real test cluster: PROGRAM BUILD [NAME ...]. Needs root, and the Python environment of `./dev test`."""
import atexit
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))

from cases import expect, run_cases
from dra_cluster import NODES, ROOT, DraCluster
from group import PYTHON
from served import POCL

TRAIN = [PYTHON, str(ROOT / "test" / "programs" / "train_tinygrad.py"), "--steps", "12", "--json"]
LOAD = ["/flexai/flexai-load-opencl", "--loops", "20000", "--seconds"]
POINTS = 5  # that a share of the work may be off


class PodsTest(DraCluster):
    def __init__(self, build):
        super().__init__(build, "pods-test")
        self.door("build", seconds=3600)
        self.door("down")
        atexit.register(self.door, "down")
        self.up()
        self.install()
        for node in NODES:
            self.start_agent(node)
        self.device()

    def case_a_training_on_a_node_without_a_card(self):
        """An unmodified program: the losses are those of this host's own driver, to the last digit."""
        natively = subprocess.run(TRAIN, env={**os.environ, "OCL_ICD_VENDORS": POCL}, capture_output=True, text=True, timeout=300, check=True)
        python = pathlib.Path(PYTHON).resolve().parents[1]
        folders = [ROOT / ".venv", ROOT / "test", *([] if python == pathlib.Path("/usr") else [python])]
        self.claim("train")
        self.pod("train", TRAIN, env={"XDG_CACHE_HOME": "/dev/shm"}, folders=folders)
        self.allocate("train", "train", "plain", compute=500, memory="1Gi")
        self.ungate("train")
        losses = json.loads(self.output("train", 300))["losses"]
        expect(losses == json.loads(natively.stdout)["losses"] and losses[-1] < losses[0], f"{losses}; natively {natively.stdout}")
        self.remove("train")
        self.nothing_left()

    def case_shares_of_three_pods_on_one_card(self):
        """10, 30 and 60 %, of both nodes, while all work."""
        shares = {"ten": (100, "plain"), "thirty": (300, "card"), "sixty": (600, "plain")}
        for name, (compute, node) in shares.items():
            self.run(name, node, [*LOAD, "45"], compute=compute, memory="256Mi", config={"qos": "fixed"})
        for name in shares:
            self.running(name)
        self.until("all three work", lambda: len(self.working()) == 3)
        before = self.working()
        self.until("they have worked for a while", lambda: sum(self.charged(before).values()) > 15e9, 120)
        did = self.charged(before)
        whole = sum(did.values())
        parts = {name: 100 * did[self.slice_of(name)] / whole for name in shares}
        print("      " + ", ".join(f"{name}: {part:.1f} % of the card's time" for name, part in parts.items()))
        for name, (compute, _) in shares.items():
            expect(abs(parts[name] - compute / 10) < POINTS, f"{parts}")
        for name in shares:
            self.output(name)
        self.remove(*shares)
        self.nothing_left()

    def working(self):
        """Of each slice that has worked: the card's time, nanoseconds."""
        told = json.loads(self.flexai("card", "top", "--once", "--json"))["slices"]
        return {one["name"]: one["charged_ns"] for one in told if one["charged_ns"] > 0}

    def charged(self, before):
        return {name: value - before[name] for name, value in self.working().items() if name in before}

    def case_whole_cards_and_parts(self):
        """A whole card waits until the parts are gone, and parts until the whole is."""
        self.run("part", "plain", [*LOAD, "8"], compute=200, memory="256Mi")
        self.running("part")
        self.run("whole", "card", [*LOAD, "2"], compute=1000, memory="256Mi")
        self.until("the whole is told what is missing", lambda: "80%" in self.events("whole"), 60)
        self.output("part")
        self.remove("part")
        self.output("whole", 180)
        self.remove("whole")
        self.run("part", "card", [*LOAD, "1"], compute=200, memory="256Mi")
        self.output("part")
        self.remove("part")
        self.nothing_left()


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("pods_test.py: a cluster with nodes needs root")
    run_cases(PodsTest)
