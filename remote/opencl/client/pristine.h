// Pristine: what mapped memory held when the program got it, so that what it changed, and only
// that, travels back. Threads: fill() once, on the thread that ends the mapping's event; the others
// after.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "remote/opencl/landing.h"

namespace flexai::remote::opencl {

class Pristine {
 public:
  // Null: there is no memory for it, or the mapping is larger than is worth it.
  static std::shared_ptr<Pristine> make(size_t size);

  void fill(const Landing& from);
  bool filled() const { return filled_.load(std::memory_order_acquire); }

  // Pieces of `now`, the bytes without gaps, that differ, as docs/formats/remote.md says.
  std::vector<std::byte> changes(wire::Bytes now) const;

 private:
  explicit Pristine(size_t size) : bytes_(new (std::nothrow) std::byte[size]), size_(size) {}

  std::unique_ptr<std::byte[]> bytes_;
  const size_t size_;
  std::atomic<bool> filled_{false};
};

// All of `now` as one piece, or no piece at all.
std::vector<std::byte> all_changed(wire::Bytes now);

}  // namespace flexai::remote::opencl
