"""Trains a small network with tinygrad, its batch shared out to several OpenCL devices: an unmodified data-parallel program.

usage: train_parallel.py [--devices N] [--steps N]      prints each step's loss
"""
import argparse
import ctypes
import os

os.environ.setdefault("DEV", "CL")
os.environ.setdefault("TRAINING", "1")
import numpy as np
from tinygrad import Tensor, nn
from tinygrad.nn.optim import SGD
from tinygrad.runtime.ops_cl import CLDevice, check, cl


class Net:
    def __init__(self):
        self.l1, self.l2 = nn.Linear(32, 48), nn.Linear(48, 10)

    def __call__(self, x):
        return self.l2(self.l1(x).relu())


def open_all():
    """Where there is no GPU, tinygrad by itself uses only the default device of a platform."""
    platform, count = (cl.cl_platform_id * 1)(), ctypes.c_uint32()
    check(cl.clGetPlatformIDs(1, platform, None))
    check(cl.clGetDeviceIDs(platform[0], cl.CL_DEVICE_TYPE_ALL, 0, None, count))
    CLDevice.device_ids = (cl.cl_device_id * count.value)()
    check(cl.clGetDeviceIDs(platform[0], cl.CL_DEVICE_TYPE_ALL, count.value, CLDevice.device_ids, None))


def main():
    open_all()
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    o = parser.parse_args()
    devices = tuple("CL" if i == 0 else f"CL:{i}" for i in range(o.devices))
    rng = np.random.default_rng(7)
    net = Net()
    parameters = nn.state.get_parameters(net)
    for one in parameters:
        one.assign(Tensor((rng.standard_normal(one.shape) * 0.2).astype(np.float32))).realize()
    x = Tensor(rng.standard_normal((96, 32), dtype=np.float32)).realize()
    y = Tensor(rng.integers(0, 10, 96).astype(np.int32)).realize()
    if len(devices) > 1:
        for one in parameters:
            one.shard_(devices).realize()
        x.shard_(devices, axis=0).realize()
        y.shard_(devices, axis=0).realize()
    optimizer = SGD(parameters, lr=0.2)
    for _ in range(o.steps):
        optimizer.zero_grad()
        loss = net(x).sparse_categorical_crossentropy(y)
        loss.backward()
        optimizer.step()
        print(repr(loss.to(devices[0]).item()), flush=True)


if __name__ == "__main__":
    main()
