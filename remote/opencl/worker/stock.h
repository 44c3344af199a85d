// Stock: takes down what objects a worker's session has, as its driver describes them.
// Threads: any but the driver's; no call is inside meanwhile (hold.h). Errors: kUnsupported names
// what of the program cannot be made again elsewhere.
#pragma once

#include <map>
#include <vector>

#include "remote/opencl/worker/inventory.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

class Stock {
 public:
  explicit Stock(Worker& worker) : worker_(worker), table_(worker.table()) {}

  // Devices, contexts and programs alone: what takes a driver long to make, and changes seldom.
  base::Result<Inventory> beforehand();
  // REQUIRES: no command and no bulk transfer is under way.
  base::Result<Inventory> all();
  // Behind Inventory::memory, in its order, after all().
  const std::vector<cl_mem>& memory() const { return memory_; }

 private:
  base::Status devices();
  base::Status splits();
  base::Status contexts();
  base::Status programs();
  base::Status queues();
  base::Status samplers();
  base::Status memory_objects();
  base::Status kernels();
  base::Status events();
  base::Status rest();
  base::Result<uint32_t> device(cl_device_id device) const;
  base::Result<std::vector<uint32_t>> device_list(const std::vector<cl_device_id>& devices) const;
  base::Result<uint32_t> context(cl_context context, const Known& known = {});
  base::Result<uint32_t> program(cl_program program, const Known& known = {});
  base::Status binaries_of(cl_program program, ProgramFacts& facts);

  Worker& worker_;
  const Table& table_;
  Inventory found_;
  std::vector<cl_device_id> parts_;  // of found_.splits
  std::map<cl_context, uint32_t> contexts_;
  std::map<cl_program, uint32_t> programs_;
  std::vector<cl_mem> memory_;
};

}  // namespace flexai::remote::opencl
