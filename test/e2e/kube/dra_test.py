"""The agent as DRA driver on the real test cluster: PROGRAM BUILD [NAME ...]. Needs root; builds the servers when they are not built."""
import atexit
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "remote"))

from cases import expect, run_cases
from dra_cluster import DRIVER, NODES, DraCluster

GEMM = ["/flexai/gemm-clblast", "--n", "128", "--repeat", "3"]
LONG = ["/flexai/gemm-clblast", "--n", "128", "--seconds", "600"]


class DraTest(DraCluster):
    def __init__(self, build):
        super().__init__(build, "dra-test")
        self.door("build", seconds=3600)
        self.door("down")
        atexit.register(self.door, "down")
        self.up()
        self.install()
        for node in NODES:
            self.start_agent(node)

    def case_a_pod_on_the_card_s_node_computes(self):
        device = self.device()
        expect(device["allowMultipleAllocations"] and device["attributes"]["api"]["string"] == "opencl", f"{device}")
        self.run("local", "card", GEMM)
        expect(json.loads(self.output("local"))["max_error"] < 1e-3, "wrong result")
        self.remove("local")
        self.nothing_left()

    def case_a_pod_on_the_plain_node_computes_on_the_other_s_card(self):
        self.run("far", "plain", GEMM)
        expect(json.loads(self.output("far"))["max_error"] < 1e-3, "wrong result")
        self.remove("far")
        self.nothing_left()

    def case_memory_and_share_hold(self):
        for name, node in (("near", "card"), ("far", "plain")):
            self.run(name, node, ["/flexai/flexai-memory-opencl", "--most-mib", "512"], memory="128Mi")
            told = json.loads(self.output(name))
            expect(told["reported_bytes"] == 128 << 20 and told["got_bytes"] <= 128 << 20 and told["error"] != 0, f"{node}: {told}")
            self.remove(name)
        load = ["/flexai/flexai-load-opencl", "--loops", "20000", "--seconds"]
        # Two fixed slices, one of each node, on the one card: each gets what it was promised, no more.
        self.run("one", "card", [*load, "25"], compute=600, config={"qos": "fixed"})
        self.run("two", "plain", [*load, "25"], compute=200, config={"qos": "fixed"})
        done = {name: json.loads(self.output(name))["work"] for name in ("one", "two")}
        ratio = done["one"] / done["two"]
        print(f"      600 to 200 did {ratio:.2f} to 1")
        expect(2.3 < ratio < 3.9, f"{done}")
        self.remove("one", "two")
        self.nothing_left()

    def case_a_killed_agent_changes_nothing_for_pods(self):
        for name, node in (("near", "card"), ("far", "plain")):
            self.run(name, node, ["sh", "-c", "sleep 6; /flexai/gemm-clblast --n 64 --seconds 14 && /flexai/gemm-clblast --n 64 --repeat 2"])
        for name in ("near", "far"):
            self.running(name)
        for node in NODES:
            self.kill_agent(node)
        for node in NODES:
            self.start_agent(node)
        for name in ("near", "far"):
            lines = [json.loads(line) for line in self.output(name).splitlines()]
            expect(len(lines) == 2 and all(one["max_error"] < 1e-3 for one in lines), f"{name}: {lines}")
        # Again, with the pods being deleted while nobody is there.
        self.remove("near", "far")
        self.run("near", "card", LONG)
        self.run("far", "plain", LONG)
        for name in ("near", "far"):
            self.running(name)
        for node in NODES:
            self.kill_agent(node)
        self.kubectl("delete", "pod", "near", "far", "--wait=false")
        for node in NODES:
            self.start_agent(node)
        self.remove("near", "far")
        self.nothing_left()

    def case_a_restarted_kubelet_finds_the_driver_again(self):
        self.run("before", "card", LONG)
        self.running("before")
        for node in NODES:
            self.door("kill", f"kubelet-{node}")
        self.door("up")
        self.run("after", "plain", GEMM)
        self.output("after")
        expect(self.phase("before") == "Running", "the pod ended with the kubelet")
        self.remove("before", "after")
        self.nothing_left()

    def case_what_cannot_be_is_refused_with_the_reason(self):
        wrong = {"unknown": ({"device": "card-00000000"}, "has no device card-00000000"),
                 "nowhere": ({"pool": "nobody", "device": "card-00000000"}, "node nobody"),
                 "direct": ({"config": {"isolation": "direct"}}, "direct is not there yet"),
                 "odd": ({"config": {"colour": "red"}}, 'unknown field "colour"'),
                 "near": ({"config": {"reach": "local"}, "node": "plain"}, "wants a card of its node")}
        for name, (given, text) in wrong.items():
            self.run(name, command=GEMM, **({"node": "card"} | given))
            self.until(f"{name} is told: {text}: {self.events(name)}", lambda name=name, text=text: text in self.events(name), 60)
        self.remove(*wrong)
        # Too much of the card: what the first has stays, the second is told what is free.
        self.run("much", "card", LONG, compute=800)
        self.running("much")
        self.run("more", "plain", GEMM, compute=300)
        self.until("the second is told", lambda: "20%" in self.events("more"), 60)
        expect(self.phase("much") == "Running", "the first was disturbed")
        self.remove("much", "more")
        self.nothing_left()

    def case_what_is_deallocated_is_taken_back(self):
        for name, node in (("near", "card"), ("far", "plain")):
            self.run(name, node, ["sh", "-c", "/flexai/gemm-clblast --n 64 --seconds 600; sleep 600"])
            self.running(name)
            self.until("its slice is there", lambda name=name: self.slice_of(name) in self.slices("card"))
            self.until("it works", lambda: self.on("card", "pidof", "flexai-worker", code=None).split())
            slice_name = self.slice_of(name)
            # reservedFor first: a reserved claim keeps its allocation.
            self.kubectl("patch", "resourceclaim", name, "--subresource=status", "--type=merge", "-p",
                         '{"status": {"reservedFor": null, "allocation": null}}')
            self.until("its slice is gone", lambda slice_name=slice_name: slice_name not in self.slices("card"))
            self.until("its worker is gone", lambda: not self.on("card", "pidof", "flexai-worker", code=None).split())
        self.remove("near", "far")
        self.nothing_left()

    def case_a_lease_is_followed_and_let_go(self):
        self.claim("led")
        self.pod("led", LONG)
        result = self.allocate("led", "led", "plain")
        claim, pod = self.get("resourceclaim", "led"), self.get("pod", "led")
        name = f"{claim['metadata']['uid']}-0"
        self.create({"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "XpuLease",
                     "metadata": {"name": name, "finalizers": ["xpu.flexai.io/slice"], "ownerReferences": [
                         {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "name": "led", "uid": claim["metadata"]["uid"]}]},
                     "spec": {"claim": {"name": "led", "uid": claim["metadata"]["uid"]}, "pod": {"name": "led", "uid": pod["metadata"]["uid"]},
                              "node": "plain", "pool": "card", "device": result["device"], "shareID": result["shareID"], "compute": 300,
                              "memory": 512 << 20, "queue": "default", "state": "Running"}})
        self.ungate("led")
        self.running("led")

        def status():
            return self.get("xpulease", name).get("status", {})

        def change(**spec):
            self.kubectl("patch", "xpulease", name, "--type=merge", "-p", json.dumps({"spec": spec}))
        self.until("the lease says Running", lambda: status().get("phase") == "Running")
        expect(status()["slice"] == self.slice_of("led") and status()["compute"] == 300, f"{status()}")
        condition = status()["conditions"][0]
        expect(condition["type"] == "Granted" and condition["status"] == "True", f"{condition}")
        change(compute=150)
        self.until("it is smaller", lambda: status().get("compute") == 150)
        expect(self.slices("card")[self.slice_of("led")]["compute_milli"] == 150, f"{self.slices('card')}")
        for state in ("Suspended", "Shared", "Running"):
            change(state=state)
            self.until(f"it is {state}", lambda state=state: status().get("phase") == state)
        expect(self.slices("card")[self.slice_of("led")]["compute_milli"] == 150, f"{self.slices('card')}")
        writes = self.get("xpulease", name)["metadata"]["resourceVersion"]
        time.sleep(5)
        expect(self.get("xpulease", name)["metadata"]["resourceVersion"] == writes, "a lease is written though nothing happens")
        self.remove("led")
        self.until("the lease is gone", lambda: name not in self.kubectl("get", "xpuleases", "-o", "name"))
        self.nothing_left()

    def case_a_claim_says_what_became_of_its_devices(self):
        def devices(name):
            return self.get("resourceclaim", name).get("status", {}).get("devices", [])

        def condition(name):
            return next(iter(devices(name)), {}).get("conditions", [{}])[0]
        for name, node in (("near", "card"), ("far", "plain")):
            result = self.run(name, node, LONG)
            self.running(name)
            self.until("its device is told", lambda name=name: devices(name))
            device = devices(name)[0]
            expect([device[key] for key in ("driver", "pool", "device", "shareID")] == [DRIVER, "card", result["device"], result["shareID"]], f"{device}")
            expect((condition(name)["type"], condition(name)["status"], condition(name)["reason"]) == ("Ready", "True", "Prepared"), f"{device}")
            expect(device["data"] == {"slice": self.slice_of(name), "lease": f"{self.get('resourceclaim', name)['metadata']['uid']}-0", "host": "card",
                                      "remote": node == "plain", "compute": 300, "memory": 512 << 20}, f"{device}")
        before = self.get("resourceclaim", "near")["metadata"]["resourceVersion"]
        time.sleep(3)
        expect(self.get("resourceclaim", "near")["metadata"]["resourceVersion"] == before, "it is told again though nothing has changed")
        self.remove("near", "far")
        self.run("wrong", "card", LONG, config={"isolation": "direct"})
        self.until("the refusal is told", lambda: condition("wrong").get("reason") == "NotPrepared")
        expect("isolation direct is not there yet" in condition("wrong")["message"], f"{devices('wrong')}")
        self.remove("wrong")
        expect("devices of a claim not told" not in self.log("card") + self.log("plain"), "a write was refused")
        self.nothing_left()

    def case_an_agent_may_no_more_than_its_part(self):
        plain = self.config_of("plain")

        def denied(text, *words, given=None):
            said = self.kubectl(*words, code=None, given=given, config=plain)
            expect(text in said, f"{words}: {said}")
        mine = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "foreign"}, "spec": {
            "driver": DRIVER, "nodeName": "card", "pool": {"name": "card", "generation": 9, "resourceSliceCount": 1}, "devices": []}}
        denied("must be plain, the node of this agent", "create", "-f", "-", given=json.dumps(mine))
        mine["spec"]["nodeName"] = "plain"
        denied("must be plain, the node of this agent", "create", "-f", "-", given=json.dumps(mine))
        mine["spec"] |= {"driver": "else.io", "pool": {"name": "plain", "generation": 1, "resourceSliceCount": 1}}
        denied("of the driver xpu.flexai.io only", "create", "-f", "-", given=json.dumps(mine))
        theirs = next(one["metadata"]["name"] for one in self.get("resourceslices")["items"] if one["spec"]["nodeName"] == "card")
        denied("must be plain, the node of this agent", "delete", "resourceslice", theirs)
        self.claim("free")
        denied("forbidden", "patch", "resourceclaim", "free", "--type=merge", "-p", '{"metadata": {"labels": {"a": "b"}}}')
        denied("forbidden", "patch", "resourceclaim", "free", "--subresource=status", "--type=merge", "-p", '{"status": {"reservedFor": null}}')
        denied("forbidden", "get", "secrets", "-A")
        denied("forbidden", "get", "pods", "-A")
        self.create({"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "XpuLease", "metadata": {"name": "abc-0", "finalizers": ["xpu.flexai.io/slice"]},
                     "spec": {"claim": {"name": "x", "uid": "abc"}, "node": "card", "pool": "card", "device": "card-1", "shareID": "0" * 36,
                              "compute": 1, "memory": 1, "state": "Running"}})
        denied("about a card of card", "patch", "xpulease", "abc-0", "--type=merge", "-p", '{"metadata": {"finalizers": []}}')
        denied("about a card of card", "patch", "xpulease", "abc-0", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Released"}}')
        own = self.kubectl("patch", "xpulease", "abc-0", "--type=merge", "-p", '{"spec": {"compute": 5}}', code=None, config=self.config_of("card"))
        expect("status of a lease" in own, own)
        own = self.kubectl("patch", "xpulease", "abc-0", "--type=merge", "-p", '{"metadata": {"finalizers": []}}', code=None, config=self.config_of("card"))
        expect("stays until the lease is deleted" in own, own)
        # A token that is bound to no pod names no node.
        loose = self.kubectl("create", "token", "flexai-agent", "-n", "flexai-system").strip()
        mine["spec"]["driver"] = DRIVER
        said = self.kubectl("--token", loose, "create", "-f", "-", given=json.dumps(mine), code=None, config=self.no_user())
        expect("names no node" in said, said)
        self.kubectl("delete", "xpulease", "abc-0", "--timeout=30s")
        self.kubectl("delete", "resourceclaim", "free")

    def no_user(self):
        path = self.state / "nobody.kubeconfig"
        body = json.loads(self.config_of("plain").read_text())
        body["users"][0]["user"] = {}
        path.write_text(json.dumps(body), encoding="utf-8")
        return path

    def case_a_card_is_lent_to_the_node_of_its_pod_alone(self):
        """The agent of `plain` asks for what belongs to a pod of `card`: as a taken node would."""
        self.run("near", "card", LONG)
        self.running("near")
        claim = self.get("resourceclaim", "near")
        result = claim["status"]["allocation"]["devices"]["results"][0]

        def ask(**other):
            body = {"namespace": "default", "name": "near", "uid": claim["metadata"]["uid"], "index": 0, "share": result["shareID"],
                    "device": result["device"]} | other
            pki = self.state / "pki-plain"
            return self.on("plain", "curl", "-sS", "--cacert", str(pki / "ca.crt"), "--cert", str(pki / "host.crt"), "--key", str(pki / "host.key"),
                           "-X", "POST", "-d", json.dumps(body), f"https://{self.addresses['card']}:7700/v1/claims")
        expect("no pod that is bound to node plain" in ask(), ask())
        expect("was not given share" in ask(share="0" * 36), ask(share="0" * 36))
        expect("was not given share" in ask(device="card-00000000"), "another device")
        expect("another one now" in ask(uid="1234"), "another uid")
        expect("error" in ask(name="../pods"), "a crooked name")
        # The agent of a later release may say more than this one knows: it is told what.
        expect("release" in ask(release="2") and "unknown" in ask(release="2"), ask(release="2"))
        expect(self.phase("near") == "Running", "the pod was disturbed")
        expect("not found" in ask(name="none"), "no such claim")
        self.remove("near")
        self.nothing_left()

    def case_what_is_published_is_kept_right_and_no_more(self):
        self.run("near", "card", LONG)
        self.running("near")
        before = self.get("resourceslices")["items"][0]
        time.sleep(5)
        expect(self.get("resourceslices")["items"][0]["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"],
               "the cards are published again though nothing has changed")
        self.kubectl("delete", "resourceslice", before["metadata"]["name"])
        self.until("the cards are published again", lambda: self.get("resourceslices")["items"])
        broken = self.get("resourceslices")["items"][0]
        broken["spec"]["devices"] = []
        broken["spec"]["pool"]["generation"] += 1
        self.kubectl("replace", "-f", "-", given=json.dumps(broken))
        self.until("what somebody changed is put right", lambda: self.get("resourceslices")["items"][0]["spec"].get("devices"))
        now = self.get("resourceslices")["items"][0]["spec"]["pool"]["generation"]
        expect(now > broken["spec"]["pool"]["generation"], f"generation {now}")
        expect(self.phase("near") == "Running", "the pod was disturbed")
        self.remove("near")
        self.nothing_left()

    def case_several_claims_of_a_pod_are_several_devices(self):
        for name in ("left", "right"):
            self.claim(name)
        self.pod("both", ["sh", "-c", "clinfo -l; clinfo | grep -c 'Device Name'; /flexai/gemm-clblast --n 64 --repeat 2"], claims=["left", "right"])
        for name in ("left", "right"):
            self.allocate(name, "both", "plain", compute=200)
        self.ungate("both")
        shown = self.output("both")
        expect(shown.count("Device #") == 2 and "Platform #0: Flexai" in shown and "Platform #1" not in shown, shown)
        self.kubectl("delete", "pod", "both", "--force", "--grace-period=0")
        self.remove("left", "right")
        self.nothing_left()

    def case_pods_that_share_a_claim_share_its_slice(self):
        self.claim("shared")
        for name in ("first", "second"):
            self.pod(name, LONG, claims=["shared"])
        self.allocate("shared", "first", "card")
        claim, second = self.get("resourceclaim", "shared"), self.get("pod", "second")
        reserved = [*claim["status"]["reservedFor"], {"resource": "pods", "name": "second", "uid": second["metadata"]["uid"]}]
        self.kubectl("patch", "resourceclaim", "shared", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"reservedFor": reserved}}))
        for name in ("first", "second"):
            self.ungate(name)
        for name in ("first", "second"):
            self.running(name)
        self.until("both have a worker", lambda: len(self.on("card", "pidof", "flexai-worker", code=None).split()) == 2)
        expect(list(self.slices("card")) == [self.slice_of("shared")], f"{self.slices('card')}")
        self.kubectl("delete", "pod", "first", "--force", "--grace-period=0")
        time.sleep(3)
        expect(self.phase("second") == "Running" and self.slices("card"), "the second lost what it shared")
        self.remove("second", "shared")
        self.nothing_left()

    def case_a_claim_is_prepared_again_for_the_next_pod(self):
        """A claim that outlives its pods, on the other's card."""
        self.claim("kept")
        self.pod("one", GEMM, claims=["kept"])
        self.allocate("kept", "one", "plain")
        self.ungate("one")
        self.output("one")
        self.kubectl("delete", "pod", "one", "--force", "--grace-period=0")
        self.until("the slice is gone", lambda: not self.slices("card"))
        self.pod("two", GEMM, claims=["kept"])
        # The claim controller has deallocated it, or will in a moment.
        self.until("the claim is free", lambda: "allocation" not in self.get("resourceclaim", "kept").get("status", {}))
        self.allocate("kept", "two", "plain")
        self.ungate("two")
        expect(json.loads(self.output("two"))["max_error"] < 1e-3, "wrong result")
        self.kubectl("delete", "pod", "two", "--force", "--grace-period=0")
        self.remove("kept")
        self.nothing_left()

    def case_other_users_of_the_node_do_not_reach_a_door(self):
        self.run("near", "card", LONG)
        self.running("near")
        door = f"/run/flexai/doors/{self.slice_of('near')}/door"
        expect(self.on("card", "test", "-S", door, code=0) == "", "no door")
        as_other = self.on("card", "setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "sh", "-c", f"test -e {door} && echo reached",
                           code=None)
        expect("reached" not in as_other, "whoever has a shell on the node reaches the pod's slice")
        self.remove("near")
        self.nothing_left()

    def case_the_process_for_the_kubelet_is_killed(self):
        for node in NODES:
            self.on(node, "kill", "-9", *self.on(node, "pidof", "flexai-dra").split())
        for node in NODES:
            self.until("it is there again", lambda node=node: self.on(node, "pidof", "flexai-dra", code=None).split())
        self.run("far", "plain", GEMM)
        self.output("far")
        self.remove("far")
        self.nothing_left()

    def case_an_agent_waits_for_the_api_server(self):
        self.run("near", "card", LONG)
        self.running("near")
        name = self.slice_of("near")
        self.door("stop", "kube-apiserver")
        self.kill_agent("card")
        self.start_agent("card")
        time.sleep(5)
        expect(name in self.slices("card"), "a slice was given up because nobody answered")
        self.door("up")
        self.until("the node is published again", lambda: self.get("resourceslices")["items"])
        self.running("near")
        self.run("next", "card", GEMM)
        self.output("next")
        self.remove("near", "next")
        self.nothing_left()

    def case_an_agent_that_is_stopped_leaves_the_registry(self):
        self.kill_agent("plain", "-15")
        expect("xpu" not in self.on("plain", "ls", "/var/lib/kubelet/plugins_registry"), "its socket is left")
        self.start_agent("plain")
        self.run("far", "plain", GEMM)
        self.output("far")
        self.remove("far")
        self.nothing_left()

    def case_a_sick_card_has_a_taint(self):
        cards = self.state / "cards.json"
        cards.write_text(json.dumps({"drivers": {"Broken": {"crash": True}}}), encoding="utf-8")
        probe = self.state / "flexai-probe-fake"
        fake = pathlib.Path(__file__).resolve().parents[1] / "agent" / "fake_probe.py"
        probe.write_text(f"#!/bin/sh\nFAKE_CARDS={cards} exec {sys.executable} {fake} \"$@\"\n", encoding="utf-8")
        probe.chmod(0o755)
        self.kill_agent("plain")
        self.options["plain"] = ["--probe", str(probe)]
        self.start_agent("plain")

        def taints():
            slices = [one["spec"] for one in self.get("resourceslices")["items"] if one["spec"]["nodeName"] == "plain"]
            return [taint for one in slices for device in one.get("devices", []) for taint in device.get("taints", [])]
        try:
            found = self.until("the sick card is tainted", taints)
            expect(found[0]["key"] == f"{DRIVER}/unhealthy" and found[0]["effect"] == "NoSchedule" and found[0]["value"], f"{found}")
        finally:
            self.kill_agent("plain")
            self.options["plain"] = []
            self.start_agent("plain")
        self.until("its slice goes with the card", lambda: len(self.get("resourceslices")["items"]) == 1)

    def case_figures(self):
        for name, node in (("near", "card"), ("far", "plain")):
            for turn in range(5):
                self.run(f"{name}{turn}", node, ["true"])
                self.output(f"{name}{turn}")
                self.remove(f"{name}{turn}")
            took = sorted(int(line.rsplit("us=", 1)[1].strip('"')) / 1000 for line in self.log(node).splitlines()
                          if "msg=prepared" in line and f"default/{name}" in line)
            print(f"      prepared on {node}: {took[len(took) // 2]:.1f} ms, at most {took[-1]:.1f}")
        for node in NODES:
            words = ("flexaid", "flexai-dra", "flexai-keeper")
            found = {one: self.resident(node, one) for one in words}
            print(f"      on {node}: {found} kB")
            expect(sum(found.values()) < 60 << 10, f"{found}")

    def resident(self, node, program):
        pid = self.on(node, "pidof", "-s", program).strip()
        lines = self.on(node, "cat", f"/proc/{pid}/status").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("dra_test.py: a cluster with nodes needs root")
    run_cases(DraTest)
