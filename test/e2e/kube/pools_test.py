"""Named sets of cards on a real control plane and kube-scheduler; nodes and cards are objects. Part of the full form.

usage: pools_test.py BUILD [CASE...]
"""
import time

import hi_test
from hi_test import Case, setUpModule, tearDownModule  # noqa: unittest looks for the two
from scheduling import DRIVER, GI, XPU, slice_of, wait


class Pools(Case):
    def cluster(self):
        self.node("one", {"brand": "Acme"}, {"brand": "Other"}, labels={"rack": "a"})
        self.node("two", {"brand": "Acme"}, labels={"rack": "b"})

    def pool(self, name, **spec):
        self.api.create(f"{XPU}/xpupools", {"apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuPool", "metadata": {"name": name}, "spec": spec})
        self.addCleanup(self.api.delete, f"{XPU}/xpupools/{name}")

    def told(self, name, **wanted):
        return wait(lambda: (one := self.api.get(f"{XPU}/xpupools/{name}").get("status", {})) and {key: one[key] for key in wanted} == wanted and one, 10)

    def test_a_pool_says_what_it_has_and_claims_keep_to_it(self):
        self.run_pod("early", slice_of(300, GI, {"pool": "acme"}))
        wait(lambda: self.why("early") == "NotFound: claim early: pool acme is not there", 5)
        self.pool("acme", selectors=[{"cel": {"expression": f'device.attributes["{DRIVER}"].brand == "Acme"'}}])
        self.pool("rack-b", nodeSelector={"rack": "b"})
        self.bound("early")
        self.run_pod("p", slice_of(400, GI, {"pool": "rack-b"}))
        self.bound("p")
        self.assertEqual(self.results("p")[0]["pool"], "two")
        status = self.told("rack-b", nodes=1, cards=1, slices=len([lease for lease in self.leases() if lease["spec"]["pool"] == "two"]))
        self.assertEqual((status["used"] + status["free"], status["compute"], status["largest"]), (1000, 1000, status["free"]))
        self.assertEqual(status["models"], [{"model": "Titan", "cards": 1}])
        self.told("acme", nodes=2, cards=2, used=700, slices=2)
        self.run_pod("more", slice_of(900, GI, {"pool": "rack-b"}))
        wait(lambda: "0/2 nodes" in self.why("more"), 5)
        self.api.merge("/api/v1/nodes/two", {"metadata": {"labels": {f"{DRIVER}/drained": "true"}}})
        status = self.told("rack-b", drained=1, free=0, largest=0)
        self.assertEqual([(one["type"], one["status"], one["reason"]) for one in status["conditions"]], [("Ready", "False", "NoCardTakesWork")])
        self.api.merge("/api/v1/nodes/two", {"metadata": {"labels": {f"{DRIVER}/drained": None}}})
        for name in ("early", "p"):
            self.remove(name)
        self.bound("more")
        self.told("acme", used=900, free=1100, largest=1000, slices=1)
        writes = self.api.get(f"{XPU}/xpupools/acme")["metadata"]["resourceVersion"]
        time.sleep(3)
        self.assertEqual(self.api.get(f"{XPU}/xpupools/acme")["metadata"]["resourceVersion"], writes, "written though nothing happens")

    def test_how_cards_are_linked_is_told_and_can_be_asked_for(self):
        root = "resource.kubernetes.io/pcieRoot"
        links = [{root: name, "link": speed, "network": 100000} for name, speed in (("pci0000:40", 252061), ("pci0000:80", 252061), ("pci0000:40", 126030),
                                                                                  ("pci0000:80", 252061))]
        self.node("four", *links, labels={"rack": "c"})
        self.pool("rack-c", nodeSelector={"rack": "c"})
        self.pool("rack-a", nodeSelector={"rack": "a"})
        self.told("rack-c", links={"roots": 2, "together": 2, "slowest": 126030, "network": 100000})
        self.told("rack-a", links={"roots": 0, "together": 0, "slowest": 0, "network": 0})
        self.run_pod("first", slice_of(300, GI, {"pool": "rack-c"}))
        self.bound("first")
        pair = slice_of(1000, GI, {"pool": "rack-c"})
        pair["requests"][0]["exactly"]["count"] = 2
        self.run_pod("pair", {**pair, "constraints": [{"matchAttribute": root}]})
        self.bound("pair")
        below = {name: {links[int(one["device"].removeprefix("card-"), 16)][root] for one in self.results(name)} for name in ("first", "pair")}
        self.assertEqual((len(self.results("pair")), len(below["pair"])), (2, 1))
        self.assertFalse(below["first"] & below["pair"])

    def test_what_makes_no_sense_is_told_or_refused(self):
        self.pool("wrong", selectors=[{"cel": {"expression": "device.what("}}])
        status = wait(lambda: self.api.get(f"{XPU}/xpupools/wrong").get("status"), 10)
        self.assertIn("character", status["conditions"][0]["message"])
        self.assertEqual(status["conditions"][0]["reason"], "Wrong")
        self.pool("none", nodeSelector={"no": "where"})
        self.assertEqual(wait(lambda: self.api.get(f"{XPU}/xpupools/none").get("status"), 10)["conditions"][0]["reason"], "Empty")
        for name, spec, part in (("a.b", {}, "the name of a pool"), ("ok", {"selectors": [{}]}, "selectors[0].cel"),
                                 ("ok", {"nodeSelector": {"a": 1}}, "nodeSelector.a")):
            answer = self.api.call("POST", f"{XPU}/xpupools", {"apiVersion": f"{DRIVER}/v1alpha1", "kind": "XpuPool", "metadata": {"name": name},
                                                               "spec": spec}, expect=False)
            self.assertEqual(answer[0], 422, answer)
            self.assertIn(part, str(answer[1]))


if __name__ == "__main__":
    hi_test.main()
