// For the tests of the ledger: the two shared pages of one slice in anonymous shared memory, which
// forked children see too.
#pragma once

#include <sys/mman.h>

#include <cstring>

#include "limit/ledger.h"

namespace flexai::limit {

class SharedSlice {
 public:
  explicit SharedSlice(uint64_t memory_limit) {
    void* memory = ::mmap(nullptr, kControlBytes + kTenantBytes, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    control_ = static_cast<ControlPage*>(memory);
    pages_ = reinterpret_cast<TenantPages*>(static_cast<char*>(memory) + kControlBytes);
    control_->memory_limit.store(memory_limit);
  }
  ~SharedSlice() { ::munmap(control_, kControlBytes + kTenantBytes); }
  SharedSlice(const SharedSlice&) = delete;
  SharedSlice& operator=(const SharedSlice&) = delete;

  ControlPage* control() const { return control_; }
  TenantPages* pages() const { return pages_; }
  uint64_t total() const { return total_bytes(pages_); }

 private:
  ControlPage* control_;
  TenantPages* pages_;
};

}  // namespace flexai::limit
