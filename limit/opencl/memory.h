// Memory: every allocation of a context is charged to the slice of each of its cards, because the
// driver may put a copy on any of them. The bytes go back when the driver destroys the object,
// which its destructor callback tells; so retain and release counts stay the driver's business.
// Threads: any.
#pragma once

#include <vector>

#include "limit/opencl/process.h"

namespace flexai::limit::opencl {

// Reservations of one allocation on all slices of a context: commit() or the destructor's
// roll-back.
class Charge {
 public:
  Charge(cl_context context, size_t bytes);
  ~Charge();
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

  bool ok() const { return ok_; }
  // The driver has made the object: the bytes are the process's now. Returns whom to give them back
  // later.
  std::vector<Tenant*> commit();
  size_t bytes() const { return bytes_; }

 private:
  struct Part {
    Tenant* tenant;
    Ledger::Ticket ticket;
  };
  std::vector<Part> parts_;
  size_t bytes_;
  bool ok_ = true;
};

// Gives back the bytes of `pointers` when `event` is complete.
void free_svm_when_done(cl_event event, std::vector<void*> pointers);

}  // namespace flexai::limit::opencl
