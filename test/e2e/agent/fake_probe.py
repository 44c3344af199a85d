#!/usr/bin/env python3
"""A probe of an API that does not exist, for tests: what it finds is in the JSON file FAKE_CARDS.

{"drivers": {"NAME": {"devices": [...]} | {"crash": true} | {"hang": true} | {"text": "..."}}}
"slow": seconds beside any of these delays the answer.
"""
import json
import os
import signal
import sys
import time

with open(os.environ["FAKE_CARDS"]) as f:
    drivers = json.load(f)["drivers"]
if sys.argv[1] == "--list":
    print(json.dumps(list(drivers)))
    sys.exit(0)
driver = drivers[sys.argv[2]]
if driver.get("crash"):
    print("about to crash", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
time.sleep(driver.get("slow", 0))
if driver.get("hang"):
    time.sleep(1000)
if "text" in driver:
    print(driver["text"])
    sys.exit(0)
print(json.dumps(driver["devices"]))
