// Splits: the devices that a session's program has parted, and their parts, so that another worker
// can part its own in the same way. Threads: the worker's one thread. A part may be gone while it
// is listed here: nothing holds a reference, since programs can ask for their number. Then its
// address may be that of a later one: of two alike the last is meant.
#pragma once

#include <vector>

#include "driver/opencl/table.h"
#include "remote/handle_map.h"

namespace flexai::remote::opencl {

struct Split {
  cl_device_id device = nullptr;
  std::vector<cl_device_partition_property> properties;  // with the zero at the end
  std::vector<cl_device_id> parts;
};

class Splits {
 public:
  static constexpr size_t kMost = 256;  // of such as have parts that nobody names any more

  // `handles`: the session's. What it has given up is forgotten when there are too many.
  void add(Split split, const HandleMap& handles);
  const std::vector<Split>& all() const { return all_; }

 private:
  std::vector<Split> all_;
};

}  // namespace flexai::remote::opencl
