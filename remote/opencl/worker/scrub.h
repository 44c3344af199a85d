// Scrubbing: what a session leaves in a card's memory is overwritten before that memory is given
// back, so that the card's next program finds none of it.
//
// Devices that are processors are left out: their memory is the worker's own, which the kernel
// clears. What the session gave back itself while it ran, and what a killed worker had, is the
// driver's to clear.
#pragma once

#include <span>

#include "driver/opencl/table.h"

namespace flexai::remote::opencl {

enum class Scrubbed { kCards, kAllDevices };

// Waits until `queues` have done what they hold, for ever if that never ends, then overwrites all
// bytes of `objects` (buffers and images, of any contexts) with zeros and waits for that. How many
// could not be overwritten. Any thread.
size_t scrub(const driver::opencl::Table& driver, std::span<const cl_command_queue> queues,
             std::span<const cl_mem> objects, Scrubbed where = Scrubbed::kCards);

}  // namespace flexai::remote::opencl
