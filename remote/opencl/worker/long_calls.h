// The driver's calls that may take seconds (builds, memory made from many bytes): while the driver
// works, further calls of the session are handled, or the session is paused.
// Threads: those that handle calls.
#pragma once

#include <optional>

#include "driver/opencl/table.h"
#include "remote/dispatcher.h"
#include "remote/opencl/worker/hold.h"

namespace flexai::remote::opencl {

// `driver` with these calls stepping aside for others and out of `hold`. Both are kept: the last
// ones are those of the process.
driver::opencl::Table with_long_calls(const driver::opencl::Table& driver, Hold& hold);

// Around a call that makes something of `context`, which stays until then. At the end of it the
// worker knows what was made. The client must wait for the answer: nothing else names it before.
class Making {
 public:
  Making(const driver::opencl::Table& table, Hold& hold, cl_context context);
  ~Making();
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;

 private:
  const driver::opencl::Table& table_;
  Hold& hold_;
  const cl_context context_;
  const bool of_a_call_ = Dispatcher::handling();
  std::optional<Dispatcher::Away> away_;
};

}  // namespace flexai::remote::opencl
