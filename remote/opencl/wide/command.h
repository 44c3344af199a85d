// Command: one command of a queue of a wide context while it is sent: the events it waits for, as
// they are on its host, the memory it uses, brought there, and its event. Holds the context's mutex
// from begin() to the end of send(). Threads: the caller's. Lifetime: of the call.
#pragma once

#include <mutex>
#include <optional>

#include "remote/opencl/wide/moves.h"

namespace flexai::remote::opencl::wide {

// kWrite: all of it, whatever was there. kNone: it only has to exist.
enum class Access : uint8_t { kNone, kRead, kWrite, kBoth };

struct Use {
  WideMem* mem;
  size_t begin, size;  // in the object; of images everything
  Access access;
};

Use whole(cl_mem mem, Access access);
Use part(cl_mem mem, size_t begin, size_t size, Access access);

// Whether the program said that it would not do that: `denied` is the flag.
inline bool is_closed(cl_mem mem, cl_mem_flags denied) {
  const auto* its = wide<WideMem>(mem);
  return its != nullptr && (its->flags & (denied | CL_MEM_HOST_NO_ACCESS)) != 0;
}

struct Waits {
  cl_uint count;
  const cl_event* list;
};

class Command {
 public:
  Command(cl_command_queue queue, cl_command_type type, Waits waits, cl_event* event);

  // `send(queue, count, waits, event)` makes the call; objects are taken from real(). `blocking`:
  // waits for its end, without the mutex.
  template <typename Send>
  cl_int run(const std::vector<Use>& uses, bool blocking, Send send) {
    cl_int code = check(uses);
    if (code != CL_SUCCESS) return code;
    {
      base::MutexLock lock(context()->mutex);
      code = begin(uses);
      if (code == CL_SUCCESS)
        code = send(queue_->real, static_cast<cl_uint>(waits_.size()),
                    waits_.empty() ? nullptr : waits_.data(), &real_);
      if (code == CL_SUCCESS) wrote(uses);
    }
    return finish(code, blocking);
  }
  // Of one that is used, or of any other. Only in send().
  cl_mem real(cl_mem mem);

  WideQueue* queue() { return queue_; }
  WideContext* context() { return queue_->context(); }
  cl_event event() const { return real_; }

 private:
  cl_int check(const std::vector<Use>& uses) const;
  cl_int begin(const std::vector<Use>& uses);
  void wrote(const std::vector<Use>& uses);
  cl_int finish(cl_int code, bool blocking);

  WideQueue* const queue_;
  const cl_command_type type_;
  const Waits given_;
  cl_event* const place_;
  std::vector<cl_event> waits_;
  cl_event real_ = nullptr;
};

}  // namespace flexai::remote::opencl::wide
