// Card: what the load programs start with: the first card of the host, a queue on it and one kernel
// whose length is chosen by its argument. An error ends the program with exit code 3. Threads: one.
#pragma once

#include <CL/cl.h>

#include <cstddef>

namespace flexai::test {

long long now();  // CLOCK_MONOTONIC, nanoseconds

void check(cl_int rc, const char* what);

struct Card {
  cl_device_id id = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem buffer = nullptr;
  size_t items = 0;  // work items of a launch, floats of the buffer
};

// The first card of any platform.
cl_device_id first_card();

// `items` is a multiple of 64. The buffer is filled with zeros.
Card open_card(size_t items, bool profiling);

// One kernel of `loops` rounds; `event` may be null.
void launch(const Card& card, int loops, cl_event* event);

}  // namespace flexai::test
