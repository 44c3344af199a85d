// Staging: host memory of the worker that a command reads or fills, shared by those who wait for
// it. Contents are unset. A worker has at most kMostStaging of it at once, however many commands
// its client makes wait. Threads: any; as to what is in it, one at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

namespace flexai::remote::opencl {

inline constexpr size_t kMostStaging = size_t{4} << 30;
inline std::atomic<size_t> g_staged{0};  // bytes, of this process

struct Staging {
  std::shared_ptr<std::byte> bytes;  // null: there was not so much memory
  size_t size = 0;

  static Staging make(size_t size) {
    if (size > kMostStaging) return {};
    if (g_staged.fetch_add(size) + size > kMostStaging) {
      g_staged.fetch_sub(size);
      return {};
    }
    auto* memory = static_cast<std::byte*>(std::malloc(size == 0 ? 1 : size));
    const auto give_back = [size](std::byte* old) {
      std::free(old);
      g_staged.fetch_sub(size);
    };
    return {std::shared_ptr<std::byte>(memory, give_back), size};
  }
  std::byte* data() const { return bytes.get(); }
  std::span<std::byte> span() const { return {bytes.get(), size}; }
};

}  // namespace flexai::remote::opencl
