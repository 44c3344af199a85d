// Input: what a fuzzer made up, taken apart from the front; when it is used up there are zeros.
// A target is `extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t)`; it aborts when
// something that must hold does not. Threads: one.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace flexai::test {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }

  template <typename T>
  T take() {
    T value{};
    take_into(&value, sizeof value);
    return value;
  }
  void take_into(void* out, size_t size) {
    size_t n = std::min(size, size_);
    if (n != 0) memcpy(out, data_, n);
    data_ += n;
    size_ -= n;
  }
  // At most `most` bytes, length first.
  std::string_view take_text(size_t most) {
    size_t n = std::min<size_t>({take<uint8_t>(), most, size_});
    std::string_view text(reinterpret_cast<const char*>(data_), n);
    data_ += n;
    size_ -= n;
    return text;
  }
  std::string_view rest() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const uint8_t* data_;
  size_t size_;
};

inline void must(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "does not hold: %s\n", what);
  abort();
}

}  // namespace flexai::test
