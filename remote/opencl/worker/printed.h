// Printed: what kernels print. A driver writes it to the standard output of its process, here the
// worker's, from where it travels to the program's. Threads: one of its own; drain() from any.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/fd.h"
#include "base/mutex.h"
#include "wire/codec.h"

namespace flexai::remote::opencl {

class Printed {
 public:
  // Takes the standard output of this process over, for good. `carry` gets what was printed, in
  // order, one call at a time.
  static base::Result<std::unique_ptr<Printed>> take(std::function<void(wire::Bytes)> carry);
  ~Printed();

  void drain();  // carries what has been printed so far

 private:
  Printed(std::function<void(wire::Bytes)> carry, base::Fd pipe, base::Fd stop);
  void run();

  const std::function<void(wire::Bytes)> carry_;
  const base::Fd pipe_, stop_;
  base::Mutex mutex_;  // held while what was read is carried: it stays in order
  std::thread thread_;
};

}  // namespace flexai::remote::opencl
