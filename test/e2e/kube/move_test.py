"""Pods whose slices go to a card of another node while they compute, on the real test cluster with two nodes that have cards and one that
has none.

usage: move_test.py BUILD [CASE ...]      needs root; builds the servers when they are not built"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))

from cases import expect, run_cases
from dra_cluster import DRIVER
from ladder_cluster import COUNTER, LAUNCHES, LONG, LadderCluster
from network_test import counted

CARDS = ("card", "second")
MOVABLE = {"move": True}
AGAIN = 4000  # of a second program in the same container


class MoveTest(LadderCluster):
    def __init__(self, build):
        super().__init__(build, "move-test", ("card", "plain", "second"))
        self.until("both cards are published", lambda: len([one for one in self.get("resourceslices")["items"]
                                                            if one["spec"]["driver"] == DRIVER and one["spec"].get("devices")]) == 2)

    def at_work(self, name, command=COUNTER, **more):
        """A pod of the node without cards, with its memory on a card: (the card's node, the other one, its slice)."""
        self.start(name, command, 400, "low", MOVABLE, node="plain", **more)
        self.running(name)
        self.until("its lease says Running", lambda: self.status_of(name).get("phase") == "Running")
        here, part = self.lease_of(name)["spec"]["pool"], self.slice_of(name)
        self.until("it has memory on the card", lambda: self.used_on(here, part) > 0)
        return here, next(one for one in CARDS if one != here), part

    def used_on(self, node, name):
        told = json.loads(self.flexai(node, "top", "--once", "--json"))
        return next((one["memory_used_bytes"] for one in told["slices"] if one["name"] == name), 0)

    def push(self, name, node):
        """One that needs nearly all of that node's card, and is worth more."""
        self.start(name, LONG, 900, "high", {"reach": "local"}, node=node)

    def goes(self, name, here, there, part):
        self.until(f"its lease is about a card of {there}", lambda: self.lease_of(name)["spec"]["pool"] == there)
        self.until("it says Running there", lambda: self.status_of(name).get("phase") == "Running")
        lease = self.lease_of(name)
        expect("target" not in lease["spec"] and lease["status"]["slice"] == part, f"{lease}")
        expect(part not in self.slices(here), f"its slice is on {here} still: {self.slices(here)}")
        expect(part in self.slices(there), f"its slice is not on {there}: {self.slices(there)}")
        expect(self.phase(name) == "Running", f"the pod did not go on: {self.phase(name)}")

    def ends(self, name, launches=LAUNCHES):
        expect(counted(launches) in self.output(name, 240), f"it counted wrong: {self.kubectl('logs', name)}")

    def case_a_pod_goes_to_another_card_while_it_computes(self):
        """One of higher priority needs the room; the claim goes on to say the first card, the lease the second."""
        here, there, part = self.at_work("low")
        self.push("high", here)
        self.running("high")
        self.goes("low", here, there, part)
        expect(self.used_on(there, part) > 0, "it has no memory there")
        given = self.get("resourceclaim", "low")["status"]["allocation"]["devices"]["results"][0]
        expect(given["pool"] == here, f"the claim was written: {given}")
        expect("Moved" not in json.dumps(self.get("xpuleases")), "a lease is half moved")
        self.ends("low")
        self.until("its events say it", lambda: {"XpuMoving", "XpuMoved"} <= self.reasons("low"))
        self.remove("low", "high")
        self.nothing_left()

    def case_its_next_program_and_new_agents_find_it_there(self):
        """After the move all three agents are killed: the program counts on, and the next one in its container gets a session there."""
        second = " ".join([*COUNTER[:2], str(AGAIN), *COUNTER[3:]])
        here, there, part = self.at_work("low", ["/bin/sh", "-c", f"{' '.join(COUNTER)} && {second}"])
        self.push("high", here)
        self.running("high")
        self.goes("low", here, there, part)
        for node in (there, here, "plain"):
            self.kill_agent(node)
            self.start_agent(node)
        time.sleep(3)
        self.goes("low", here, there, part)
        self.ends("low")
        expect(counted(AGAIN) in self.kubectl("logs", "low"), self.kubectl("logs", "low"))
        self.remove("low", "high")
        self.nothing_left()

    def case_its_agent_is_killed_on_the_way(self):
        """Whatever had happened by then, it is on one card afterwards, and counts right or ends with an error; nothing is left."""
        for pause in (0, 0.15, 0.4):
            here, there, part = self.at_work("low")
            self.push("high", here)
            self.until("it is on its way", lambda: self.lease_of("low")["spec"].get("target") or self.lease_of("low")["spec"]["pool"] == there)
            time.sleep(pause)
            self.kill_agent(here)
            self.start_agent(here)
            self.until("it came to its end", lambda: "target" not in self.lease_of("low")["spec"]
                       and self.status_of("low").get("phase") == "Running", 90)
            on = self.lease_of("low")["spec"]["pool"]
            held = [node for node in CARDS if part in self.slices(node)]
            expect(held == [on], f"the lease says {on}, the slice is on {held}")
            self.running("high")
            self.ends("low")
            self.remove("low", "high")
            self.nothing_left()

    def aimed(self, name, node):
        """As the hi-scheduler writes it."""
        lease = self.lease_of(name)
        device = next(one["spec"]["devices"][0]["name"] for one in self.get("resourceslices")["items"] if one["spec"]["nodeName"] == node)
        self.kubectl("patch", "xpulease", lease["metadata"]["name"], "--type=merge", "-p",
                     json.dumps({"spec": {"target": {"pool": node, "device": device}}}))

    def case_one_of_the_cards_own_node_stays_and_says_why(self):
        self.start("low", COUNTER, 400, "low", MOVABLE, node="card")
        self.running("low")
        self.until("its lease says Running", lambda: self.status_of("low").get("phase") == "Running")
        self.aimed("low", "second")
        self.until("the agent says why not", lambda: "stays" in self.events("low") or "stays" in json.dumps(self.status_of("low"))
                   or "stays" in self.flexai("card", "events"))
        self.until("it is taken back", lambda: "target" not in self.lease_of("low")["spec"] and self.status_of("low").get("phase") == "Running")
        self.ends("low")
        self.remove("low")
        self.nothing_left()

    def case_a_pod_that_ends_on_its_way_leaves_nothing(self):
        for _ in range(2):
            here, _, _ = self.at_work("low")
            self.push("high", here)
            self.until("it is to move", lambda: self.lease_of("low")["spec"].get("target") or self.phase("high") == "Running")
            self.remove("low")
            self.running("high")
            self.remove("high")
            self.nothing_left()
            self.until("no lease is left", lambda: not self.get("xpuleases")["items"])


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("move_test.py: a cluster with nodes needs root")
    run_cases(MoveTest)
