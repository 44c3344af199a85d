// TraceLine: one line of text about one API call, built in place and written by one write(2), so
// that lines of several threads never mix. Cut at kMaxLine bytes with "...". Used by the generated
// trace layers; never allocates, never throws, keeps errno. Not shared between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace flexai::driver {

class TraceLine {
 public:
  static constexpr size_t kMaxLine = 1024;
  static constexpr size_t kMaxElements = 8;  // of an array; the rest is "..."
  static constexpr size_t kMaxText = 80;     // bytes of a string; the rest is "..."

  // Starts "name(".
  TraceLine(int fd, std::string_view name);
  // Ends the line and writes it.
  ~TraceLine();
  TraceLine(const TraceLine&) = delete;
  TraceLine& operator=(const TraceLine&) = delete;

  void number(std::string_view name, uint64_t value);
  void number(std::string_view name, int64_t value);
  void hex(std::string_view name, uint64_t value);
  void pointer(std::string_view name, const void* value);
  void text(std::string_view name, const char* value);  // NUL-terminated or null

  // `count` elements; REQUIRES that they are readable. Null is printed as such.
  template <typename T>
  void array(std::string_view name, const T* values, size_t count) {
    if (values == nullptr) return pointer(name, nullptr);
    start(name);
    append("[");
    for (size_t i = 0; i < count && i < kMaxElements; ++i) {
      if (i > 0) append(" ");
      element(values[i]);
    }
    append(count > kMaxElements ? " ...]" : "]");
  }
  // A list that ends with 0.
  template <typename T>
  void list(std::string_view name, const T* values) {
    size_t count = 0;
    while (values != nullptr && count <= kMaxElements && values[count] != 0) ++count;
    array(name, values, count);
  }

  // Ends the arguments: ") = value"; what follows are outputs.
  void result(int64_t value);
  void result_pointer(const void* value);
  void result_none();

 private:
  void start(std::string_view name);
  void append(std::string_view text);
  void append_hex(uint64_t value);
  void append_number(uint64_t value);
  void append_number(int64_t value);
  void element(const void* value);
  template <typename T>
  void element(T value) requires(!std::is_pointer_v<T>) {
    append_number(static_cast<uint64_t>(value));
  }

  int fd_;
  bool first_ = true;
  size_t size_ = 0;
  char line_[kMaxLine];
};

}  // namespace flexai::driver
