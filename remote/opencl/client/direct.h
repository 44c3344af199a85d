// Direct: bytes of buffers that go straight from the worker of one session of this program to that
// of another (remote/links.h), for objects below wide ones. A link between two of them is made when
// it is first asked for, on a thread of its own; where that fails, which is said once, there is
// none for as long as the program runs. Threads: any.
#pragma once

#include <string>

#include "remote/link_letters.h"
#include "remote/opencl/calls.h"

namespace flexai::remote::opencl {

class Client;

inline constexpr const char* kEnvDirect = "FLEXAI_DIRECT";  // "off": there are no links

// The name of the link from the queue's worker to the other's; "": there is none. The first to ask
// waits for a moment until it is made.
std::string direct_link(cl_command_queue from, cl_command_queue to);
// Bytes went another way although there was a link: it is made anew, if it is needed again.
void direct_broke(cl_command_queue from, cl_command_queue to);

// At the target: the bytes of `ticket` go there. `over` ends when they have come or been forgotten.
cl_int direct_expect(cl_command_queue queue, cl_mem buffer, size_t offset, size_t size,
                     const MoveTicket& ticket, cl_event* over);
void direct_forget(cl_command_queue queue, const MoveTicket& ticket);

// At the source: a read, whose bytes go over the link instead of to `into` if they can.
struct DirectSend {
  cl_mem buffer;
  size_t offset, size;
  void* into;
  cl_uint count;
  const cl_event* waits;
  std::string link;
  MoveTicket ticket;
};
cl_int direct_send(cl_command_queue queue, const DirectSend& what, cl_event* sent);
// Of the event of one that has ended: they went over the link.
bool direct_went(cl_event sent);

}  // namespace flexai::remote::opencl
