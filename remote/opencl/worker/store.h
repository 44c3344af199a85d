// Store: bytes that are not on a card now: pages of memory, or of a file. Reserved whole before
// anything is put in, so that a full disk is known in time. Threads: none; owned by one.
#pragma once

#include <cstddef>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::remote::opencl {

class Store {
 public:
  // In `file`, which is emptied and must be a regular one; memory when it is none. kExhausted: no
  // room there.
  static base::Result<Store> make(base::Fd file, size_t bytes);

  std::byte* at(size_t offset) const { return map_.as<std::byte>() + offset; }
  size_t size() const { return map_.size(); }

 private:
  Store(base::Fd file, base::Mapping map) : file_(std::move(file)), map_(std::move(map)) {}

  base::Fd file_;
  base::Mapping map_;
};

}  // namespace flexai::remote::opencl
