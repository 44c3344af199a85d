// KernelArgs: what by-value arguments a kernel has, as one number. They often decide how long it
// takes (a count of rounds, a size), so they are part of what its cost is learnt by.
//
// A direct-mapped memory of fixed size: a kernel that loses its place to another is only predicted
// worse until its arguments are set again. Addresses that come again need no care either, since a
// new kernel's arguments are all set before its first launch. Threads: any; an entry torn between
// two threads again costs a prediction.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "driver/opencl/table.h"

namespace flexai::limit::opencl {

class KernelArgs {
 public:
  static KernelArgs& get();
  // The driver has accepted this argument.
  void set(cl_kernel kernel, cl_uint index, size_t size, const void* value);
  // 0 when nothing is known.
  uint64_t digest(cl_kernel kernel) const;

 private:
  static constexpr size_t kKernels = 1024;
  static constexpr cl_uint kArgs = 14;  // those behind are not told apart
  struct Known {
    std::atomic<cl_kernel> kernel{nullptr};
    std::atomic<uint64_t> digest{0};  // exclusive or of all args
    std::array<std::atomic<uint64_t>, kArgs> args{};
  };
  static size_t place(cl_kernel kernel);

  std::array<Known, kKernels> known_;
};

}  // namespace flexai::limit::opencl
