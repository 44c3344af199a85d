// Staging: host memory of the worker that a command reads or fills, shared by those who wait for
// it. Contents are unset. Threads: as what is in it.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

namespace flexai::remote::opencl {

struct Staging {
  std::shared_ptr<std::byte> bytes;  // null: there was not so much memory
  size_t size = 0;

  static Staging make(size_t size) {
    auto* memory = static_cast<std::byte*>(std::malloc(size == 0 ? 1 : size));
    return {std::shared_ptr<std::byte>(memory, [](std::byte* old) { std::free(old); }), size};
  }
  std::byte* data() const { return bytes.get(); }
  std::span<std::byte> span() const { return {bytes.get(), size}; }
};

}  // namespace flexai::remote::opencl
