// Flow: large data between the client and memory that the driver reads or fills, while the worker's
// thread goes on. A command that must wait for the bytes waits for a gate, a user event of ours.
// What is of a buffer moves to and from the driver's own mapping of it.
// Threads: called on the worker's one thread; the bytes move on its two runners.
#pragma once

#include <memory>
#include <span>

#include "remote/link_letters.h"
#include "remote/opencl/worker/incoming.h"

namespace flexai::remote::opencl {

// A wait list as the driver gets it.
struct Waits {
  cl_uint count = 0;
  const cl_event* list = nullptr;
};

class Gate {
 public:
  // Null, with the driver's word in `code`, when there can be none.
  static std::shared_ptr<Gate> make(Worker& worker, cl_command_queue queue, cl_int& code);
  ~Gate();

  // Once: what waits goes on, or fails. Not on a thread of the driver.
  void open(cl_int status);
  // A command's wait list with the gate in it. One that the driver must refuse stays as it is:
  // empty.
  std::vector<cl_event> with(const Waits& waits) const;

 private:
  Gate(Worker& worker, cl_event event) : worker_(worker), event_(event) {}

  Worker& worker_;
  const cl_event event_;
  bool open_ = false;
};

// The bytes of `transfer` come into memory that stays; then `then`, then the gate opens.
void flow_in(Worker& worker, uint64_t transfer, std::span<std::byte> into,
             std::shared_ptr<Gate> gate, std::function<void()> then);

// A range of a buffer, as a command of the client moves it.
struct BufferRange {
  cl_command_queue queue;
  cl_mem buffer;
  size_t offset, size;
};
cl_int flow_write(Incoming& call, const BufferRange& to, uint64_t transfer, cl_uint waits,
                  const Values<cl_event>& list, ObjectId event);
// The transfer has the event's id.
cl_int flow_read(Incoming& call, const BufferRange& from, cl_uint waits,
                 const Values<cl_event>& list, ObjectId event);

// The same over a link, with a ticket for its other end; over the transfer when that fails.
struct Over {
  std::string link;
  MoveTicket ticket;
};
cl_int flow_over(Incoming& call, const BufferRange& from, Over over, cl_uint waits,
                 const Values<cl_event>& list, ObjectId event);

}  // namespace flexai::remote::opencl
