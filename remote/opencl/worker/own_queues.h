// OwnQueues: queues of ours, one on the first card of each context, for what the client does not
// see. Threads: one at a time. Lifetime: released at the end, or by drop(); `table` outlives it.
#pragma once

#include <utility>
#include <vector>

#include "base/result.h"
#include "driver/opencl/table.h"

namespace flexai::remote::opencl {

class OwnQueues {
 public:
  explicit OwnQueues(const driver::opencl::Table& table) : table_(table) {}
  ~OwnQueues() { drop(); }
  OwnQueues(const OwnQueues&) = delete;
  OwnQueues& operator=(const OwnQueues&) = delete;

  // Made at the first time. Errors: what the driver says.
  base::Result<cl_command_queue> of(cl_context context);
  void drop();

 private:
  const driver::opencl::Table& table_;
  std::vector<std::pair<cl_context, cl_command_queue>> queues_;
};

}  // namespace flexai::remote::opencl
