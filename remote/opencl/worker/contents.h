// Contents: the bytes of a memory object, without gaps: read from its card, sent to another host,
// filled in there. Threads: any but the driver's; they wait for the driver. `queue` is of the
// object's context.
#pragma once

#include "remote/opencl/worker/mem_facts.h"
#include "wire/transport.h"

namespace flexai::remote::opencl {

// facts.bytes of them, also of an object that the host may not read.
base::Status read_contents(const driver::opencl::Table& table, cl_command_queue queue,
                           cl_mem object, const MemFacts& facts, std::byte* to);

// From the card's memory to the wire, and from the wire into the card's memory, without a copy in
// between where the host may map the object.
base::Status send_object(const driver::opencl::Table& table, cl_command_queue queue, cl_mem object,
                         const MemFacts& facts, wire::Transport& to);
// Makes the object of facts.context. kExhausted: no room on the card, or in the slice.
base::Result<cl_mem> receive_object(const driver::opencl::Table& table, cl_command_queue queue,
                                    const MemFacts& facts, wire::Transport& from);

// What a driver's code means for whoever asked for it.
base::Error driver_failed(const std::string& what, cl_int code);

}  // namespace flexai::remote::opencl
