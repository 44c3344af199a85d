"""Claims at random, of all that dynamic resource allocation lets one ask for."""
from scheduling import DRIVER, GI

SELECTORS = [
    f'device.driver == "{DRIVER}"', f'device.attributes["{DRIVER}"].brand == "A"', f'device.attributes["{DRIVER}"].brand != "A"',
    f'device.attributes["{DRIVER}"].slot < 2', f'device.attributes["{DRIVER}"].slot % 2 == 1', f'!device.attributes["{DRIVER}"].sick',
    f'device.capacity["{DRIVER}"].memory.compareTo(quantity("10Gi")) > 0', f'device.capacity["{DRIVER}"].memory.isLessThan(quantity("20Gi"))',
    f'device.attributes["{DRIVER}"].slot in [0, 3]', f'has(device.attributes["{DRIVER}"].nothing)',
    f'cel.bind(a, device.attributes["{DRIVER}"], a.brand == "A" ? a.slot == 1 : a.slot == 2)',
    f'device.attributes["{DRIVER}"].model.matches("^T.t")', f'"brand" in device.attributes["{DRIVER}"]', 'device.allowMultipleAllocations',
    f'device.attributes["other.io"].x == 1', f'"x" in device.attributes["other.io"] || device.attributes["{DRIVER}"].slot == 0',
]
COMPUTE = ["1", "100", "333", "0.5", "500", "999", "1000", "1k", "1001"]
MEMORY = ["1", "1Mi", "1500Ki", "1Gi", "7.9Gi", "8Gi", "16Gi", "17Gi", "32Gi", "33Gi"]
ATTRIBUTES = [f"{DRIVER}/brand", f"{DRIVER}/slot", f"{DRIVER}/sick", f"{DRIVER}/nothing", f"{DRIVER}/model"]


def way(chance, of):
    request = {"deviceClassName": of}
    if chance.random() < 0.6:
        request["selectors"] = [{"cel": {"expression": chance.choice(SELECTORS)}} for _ in range(chance.choice([1, 1, 2]))]
    asked = {}
    if chance.random() < 0.7:
        asked["compute"] = chance.choice(COMPUTE)
    if chance.random() < 0.7:
        asked["memory"] = chance.choice(MEMORY)
    if chance.random() < 0.04:
        asked["nothing"] = "1"
    if asked:
        request["capacity"] = {"requests": asked}
    if chance.random() < 0.2:
        request["allocationMode"] = "All"
    elif chance.random() < 0.4:
        request["count"] = chance.choice([1, 2, 3, 4, 5])
    if chance.random() < 0.3:
        request["tolerations"] = [chance.choice([{"operator": "Exists"}, {"key": "t", "operator": "Equal", "value": "v"},
                                                 {"key": "t", "operator": "Equal", "value": "w"}])]
    return request


def random_claim(chance, of):
    requests = []
    for number in range(chance.choice([1, 1, 1, 2, 3])):
        name = f"r{number}"
        if chance.random() < 0.2:
            requests.append({"name": name, "firstAvailable": [{"name": f"s{i}", **way(chance, of)} for i in range(chance.choice([1, 2, 3]))]})
        else:
            requests.append({"name": name, "exactly": way(chance, of)})
    spec = {"requests": requests}
    if chance.random() < 0.4:
        kind = chance.choice(["matchAttribute", "distinctAttribute"])
        one = {kind: chance.choice(ATTRIBUTES)}
        if chance.random() < 0.3:
            one["requests"] = [chance.choice(requests)["name"]]
        spec["constraints"] = [one]
    return spec
