"""A tour of pyopencl: SVM, images, maps, user events, callbacks, fills, sub-buffers, reductions, random numbers, program
binaries. Prints results that must be the same wherever it runs."""
import hashlib
import os
import sys
import threading
import warnings

import numpy as np
import pyopencl as cl
import pyopencl.array as cl_array
from pyopencl.reduction import ReductionKernel
from pyopencl.scan import InclusiveScanKernel


def digest(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()[:16]


def attempt(name, function):
    try:
        print(f"{name}: {function()}", flush=True)
    except (cl.Error, RuntimeError, NotImplementedError, AttributeError, TypeError) as e:
        print(f"{name}: {type(e).__name__}", flush=True)


warnings.simplefilter("ignore")
platform = cl.get_platforms()[0]
device = platform.get_devices()[0]
context = cl.Context([device])
queue = cl.CommandQueue(context)
out_of_order = cl.CommandQueue(context, properties=cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE) \
    if device.queue_properties & cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE else queue
source = """
__kernel void scale(__global float *a, float f) { a[get_global_id(0)] *= f; }
__kernel void copy_image(read_only image2d_t in, write_only image2d_t out) {
  int2 p = (int2)(get_global_id(0), get_global_id(1));
  const sampler_t s = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP | CLK_FILTER_NEAREST;
  write_imagef(out, p, read_imagef(in, s, p).wzyx); }
"""
program = cl.Program(context, source).build()
numbers = np.arange(4096, dtype=np.float32)
mf = cl.mem_flags


def kernels():
    buffer = cl.Buffer(context, mf.READ_WRITE | mf.COPY_HOST_PTR, hostbuf=numbers)
    for _ in range(10):
        program.scale(queue, numbers.shape, None, buffer, np.float32(1.25))
    out = np.empty_like(numbers)
    cl.enqueue_copy(queue, out, buffer)
    return digest(out)


def user_events():
    buffer = cl.Buffer(context, mf.READ_WRITE | mf.COPY_HOST_PTR, hostbuf=numbers)
    gate = cl.UserEvent(context)
    done = threading.Event()
    last = gate
    for _ in range(20):
        last = program.scale(out_of_order, numbers.shape, None, buffer, np.float32(1.5), wait_for=[last])
    last.set_callback(cl.command_execution_status.COMPLETE, lambda status: done.set())
    out_of_order.flush()
    threading.Timer(0.05, lambda: gate.set_status(cl.command_execution_status.COMPLETE)).start()
    last.wait()
    out = np.empty_like(numbers)
    cl.enqueue_copy(queue, out, buffer)
    return digest(out), done.wait(5)


def maps():
    buffer = cl.Buffer(context, mf.READ_WRITE, numbers.nbytes)
    mapped, _ = cl.enqueue_map_buffer(queue, buffer, cl.map_flags.WRITE, 0, numbers.shape, numbers.dtype)
    mapped[:] = numbers * 3
    mapped.base.release(queue)
    out = np.empty_like(numbers)
    cl.enqueue_copy(queue, out, buffer)
    return digest(out)


def fills_and_sub_buffers():
    buffer = cl.Buffer(context, mf.READ_WRITE, numbers.nbytes)
    cl.enqueue_fill_buffer(queue, buffer, np.float32(2.5), 0, numbers.nbytes)
    part = buffer.get_sub_region(4096, 4096)
    program.scale(queue, (1024,), None, part, np.float32(4))
    out = np.empty_like(numbers)
    cl.enqueue_copy(queue, out, buffer)
    return digest(out)


def images():
    pixels = np.random.default_rng(3).random((32, 32, 4), dtype=np.float32)
    source_image = cl.image_from_array(context, pixels, 4)
    target = cl.Image(context, mf.WRITE_ONLY, cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.FLOAT), shape=(32, 32))
    program.copy_image(queue, (32, 32), None, source_image, target)
    out = np.empty_like(pixels)
    cl.enqueue_copy(queue, out, target, origin=(0, 0), region=(32, 32))
    return digest(out)


def arrays():
    a = cl_array.arange(queue, 10000, dtype=np.int32)
    total = cl_array.sum(a).get()
    dot = ReductionKernel(context, np.int64, neutral="0", reduce_expr="a+b", map_expr="(long)x[i]*x[i]",
                          arguments="__global int *x")(a).get()
    scan = InclusiveScanKernel(context, np.int32, "a+b", neutral="0")
    b = a.copy()
    scan(b)
    return int(total), int(dot), digest(b.get())


def binaries():
    binary = program.get_info(cl.program_info.BINARIES)[0]
    again = cl.Program(context, [device], [binary]).build()
    buffer = cl.Buffer(context, mf.READ_WRITE | mf.COPY_HOST_PTR, hostbuf=numbers)
    again.scale(queue, numbers.shape, None, buffer, np.float32(0.5))
    out = np.empty_like(numbers)
    cl.enqueue_copy(queue, out, buffer)
    return digest(out)


def shared_virtual_memory():
    svm = cl.SVMAllocation(context, numbers.nbytes, 64, cl.svm_mem_flags.READ_WRITE)
    cl.enqueue_copy(queue, svm, numbers)
    program.scale(queue, numbers.shape, None, svm, np.float32(7))
    out = np.empty_like(numbers)
    cl.enqueue_copy(queue, out, svm)
    svm.release()
    return digest(out)


def profiling():
    q = cl.CommandQueue(context, properties=cl.command_queue_properties.PROFILING_ENABLE)
    buffer = cl.Buffer(context, mf.READ_WRITE | mf.COPY_HOST_PTR, hostbuf=numbers)
    e = program.scale(q, numbers.shape, None, buffer, np.float32(2))
    e.wait()
    ordered = e.profile.queued <= e.profile.submit <= e.profile.start <= e.profile.end
    plain = program.scale(queue, numbers.shape, None, buffer, np.float32(2))
    plain.wait()
    try:
        plain.profile.end
        unasked = "answered"
    except cl.Error as error:
        unasked = error.routine
    return ordered, unasked, queue.properties


def limits():
    try:
        for _ in range(64):
            held.append(cl.Buffer(context, mf.READ_WRITE, 256 << 20))
    except cl.MemoryError:
        return "refused"
    finally:
        held.clear()
    return "unlimited"


held = []
for name in ("kernels", "user_events", "maps", "fills_and_sub_buffers", "images", "arrays", "binaries", "shared_virtual_memory",
             "profiling"):
    attempt(name, globals()[name])

if "--limits" in sys.argv:
    attempt("limits", limits)
