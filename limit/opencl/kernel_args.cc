#include "limit/opencl/kernel_args.h"

#include <string.h>

#include "limit/opencl/entries.h"
#include "limit/opencl/process.h"

namespace flexai::limit::opencl {
namespace {

// Handles (buffers, samplers) are passed like numbers. They say nothing about the cost, and
// programs that make new ones all the time would never be known.
constexpr uint64_t kSurelyHandle = 1ull << 32;

}  // namespace

KernelArgs& KernelArgs::get() {
  static KernelArgs* args = new KernelArgs();
  return *args;
}

size_t KernelArgs::place(cl_kernel kernel) {
  return CostTable::mix(reinterpret_cast<uint64_t>(kernel), 1) % kKernels;
}

void KernelArgs::set(cl_kernel kernel, cl_uint index, size_t size, const void* value) {
  if (index >= kArgs || value == nullptr || size > sizeof(uint64_t)) return;
  uint64_t number = 0;
  memcpy(&number, value, size);
  if (size == sizeof(uint64_t) && number >= kSurelyHandle) return;
  Known& known = known_[place(kernel)];
  if (known.kernel.load(std::memory_order_relaxed) != kernel) {
    known.kernel.store(kernel, std::memory_order_relaxed);
    known.digest.store(0, std::memory_order_relaxed);
    for (auto& arg : known.args) arg.store(0, std::memory_order_relaxed);
  }
  uint64_t now = CostTable::mix(number, index);
  uint64_t before = known.args[index].exchange(now, std::memory_order_relaxed);
  known.digest.fetch_xor(before ^ now, std::memory_order_relaxed);
}

uint64_t KernelArgs::digest(cl_kernel kernel) const {
  const Known& known = known_[place(kernel)];
  if (known.kernel.load(std::memory_order_relaxed) != kernel) return 0;
  return known.digest.load(std::memory_order_relaxed);
}

cl_int CL_API_CALL limit_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size,
                                        const void* value) {
  cl_int rc = Process::get().next().clSetKernelArg(kernel, index, size, value);
  if (rc == CL_SUCCESS) KernelArgs::get().set(kernel, index, size, value);
  return rc;
}

}  // namespace flexai::limit::opencl
