// SocketWait: waiting for a socket in a way that another thread can end.
// Threads: one waits for reading, any others for writing; wake() from any.
#pragma once

#include "base/fd.h"
#include "wire/transport.h"

namespace flexai::wire {

class SocketWait {
 public:
  static base::Result<SocketWait> make();
  SocketWait(SocketWait&& other) noexcept : event_(std::move(other.event_)) {}

  void wait(int socket, unsigned events, base::Nanos deadline);  // as Transport::wait
  // What wait() would end for is there now. For who waits for reading.
  bool look(int socket, unsigned events);
  void wake();
  int event() const { return event_.get(); }

 private:
  SocketWait() = default;
  void hear();
  base::Fd event_;
};

}  // namespace flexai::wire
