"""A kernel that prints: its lines are on the program's standard output when clFinish has returned."""
import sys

import numpy
import pyopencl as cl

context = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(context)
program = cl.Program(context, """
__kernel void say(int first) { if (get_global_id(0) == 0) printf("kernel %d\\n", first); }
__kernel void chatter() { for (int i = 0; i < 4000; ++i) printf("line %d of many, so that no pipe holds them\\n", i); }
""").build()
say = cl.Kernel(program, "say")
for i in range(3):
    say(queue, (4,), None, numpy.int32(i))
    queue.finish()
    print(f"host {i}")
    sys.stdout.flush()
program.chatter(queue, (1,), None)
queue.finish()
print("done")
