#!/usr/bin/env python3
"""A program of a slice, as far as the agent can tell: maps a driver, attaches, holds, re-attaches.

attach_client.py [--map FILE] [--no-attach] [--hold SECONDS] [--print] [--exec ARGS...]
Prints one JSON line for every attach: slices with id, slot, name, card key.
"""
import argparse
import json
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import time

REQUEST = struct.Struct("<II33s15sII4x")  # known, then padding to the slots
SLOT = struct.Struct("<QII")
REPLY = struct.Struct("<IIII256s")
SLICE = struct.Struct("<QII64s256s")
MAGIC = 0x46584131


def request(grant, api, known):
    head = struct.pack("<II33s15sI4x", MAGIC, 1, grant.encode(), api.encode(), len(known))
    slots = b"".join(SLOT.pack(i, s, 0) for i, s in known)
    return head + slots.ljust(16 * SLOT.size, b"\0")


def attach(known=(), grant=None, path=None, api="fake"):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path or os.environ["FLEXAI_ATTACH"])
    connection.send(request(os.environ["FLEXAI_GRANT"] if grant is None else grant, api, known))
    data, fds, _, _ = socket.recv_fds(connection, 65536, 48)
    magic, version, status, count, message = REPLY.unpack_from(data)
    assert (magic, version) == (MAGIC, 1), "not an agent"
    if status:
        raise PermissionError(message.split(b"\0")[0].decode())
    slices = []
    for i in range(count):
        id_, slot, copy, name, key = SLICE.unpack_from(data, REPLY.size + i * SLICE.size)
        slices.append({"id": id_, "slot": slot, "name": name.split(b"\0")[0].decode(),
                       "card_key": key.split(b"\0")[0].decode(), "pid": os.getpid()})
    assert len(fds) == 3 * count, "three descriptors a slice"
    return connection, slices, fds


def check_pages(fds):
    """The control page must not be writable by us; the tenant pages must be."""
    control, pages = fds[0], fds[1]
    mmap.mmap(control, 4096, prot=mmap.PROT_READ)
    try:
        mmap.mmap(control, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        return False
    except PermissionError:
        pass
    mmap.mmap(pages, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--map")
    parser.add_argument("--map-layer")
    parser.add_argument("--no-attach", action="store_true")
    parser.add_argument("--hold", type=float, default=0)
    parser.add_argument("--late", type=float, default=0, help="seconds between mapping and attaching")
    parser.add_argument("--late-cpu", type=float, default=0, help="seconds of CPU time in between")
    parser.add_argument("--busy", action="store_true", help="use the CPU while holding")
    parser.add_argument("--api", default="fake")
    parser.add_argument("--exec", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.map:
        with open(args.map, "rb") as f:
            keep = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)  # noqa: F841
    if args.map_layer:
        with open(args.map_layer, "rb") as f:
            layer = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)  # noqa: F841
    time.sleep(args.late)
    begin = time.process_time()
    while time.process_time() < begin + args.late_cpu:
        pass
    end = time.time() + args.hold
    if args.no_attach:
        while time.time() < end:
            if not args.busy:
                time.sleep(0.01)
        print("survived", flush=True)
        return 0
    known = []
    while True:
        try:
            connection, slices, fds = attach(known, api=args.api)
        except (ConnectionRefusedError, FileNotFoundError):
            time.sleep(0.05)
            continue
        except PermissionError as refused:
            print(json.dumps({"refused": str(refused)}), flush=True)
            return 1
        known = [(s["id"], s["slot"]) for s in slices]
        print(json.dumps({"slices": slices, "sealed": check_pages(fds) if fds else None}), flush=True)
        if args.exec:
            os.execv(args.exec[0], args.exec)
        while time.time() < end:
            if select.select([connection], [], [], 0.05)[0] and not connection.recv(1):
                break  # the agent is gone
        else:
            return 0
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
