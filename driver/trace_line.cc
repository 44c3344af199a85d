#include "driver/trace_line.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace flexai::driver {
namespace {

constexpr std::string_view kCut = "...\n";

}  // namespace

TraceLine::TraceLine(int fd, std::string_view name) : fd_(fd) {
  append(name);
  append("(");
}

TraceLine::~TraceLine() {
  const int saved = errno;
  if (size_ + 1 <= kMaxLine - kCut.size()) {
    line_[size_++] = '\n';
  } else {
    size_ = kMaxLine - kCut.size();
    std::memcpy(line_ + size_, kCut.data(), kCut.size());
    size_ += kCut.size();
  }
  // A trace that cannot be written is lost: the traced program must not notice.
  [[maybe_unused]] const ssize_t written = ::write(fd_, line_, size_);
  errno = saved;
}

void TraceLine::append(std::string_view text) {
  const size_t room = kMaxLine - size_;
  const size_t count = std::min(room, text.size());
  std::memcpy(line_ + size_, text.data(), count);
  size_ += count;
}

void TraceLine::append_hex(uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16).ptr;
  append("0x");
  append({digits, static_cast<size_t>(end - digits)});
}

void TraceLine::append_number(uint64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  append({digits, static_cast<size_t>(end - digits)});
}

void TraceLine::append_number(int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  append({digits, static_cast<size_t>(end - digits)});
}

void TraceLine::start(std::string_view name) {
  if (!first_) append(", ");
  first_ = false;
  append(name);
  append("=");
}

void TraceLine::number(std::string_view name, uint64_t value) {
  start(name);
  append_number(value);
}

void TraceLine::number(std::string_view name, int64_t value) {
  start(name);
  append_number(value);
}

void TraceLine::hex(std::string_view name, uint64_t value) {
  start(name);
  append_hex(value);
}

void TraceLine::element(const void* value) {
  if (value == nullptr) return append("null");
  append_hex(reinterpret_cast<uintptr_t>(value));
}

void TraceLine::pointer(std::string_view name, const void* value) {
  start(name);
  element(value);
}

void TraceLine::text(std::string_view name, const char* value) {
  if (value == nullptr) return pointer(name, nullptr);
  start(name);
  append("\"");
  size_t i = 0;
  for (; i < kMaxText && value[i] != '\0'; ++i) {
    const char c = value[i];
    const bool plain = c >= ' ' && c < 127 && c != '"' && c != '\\';
    if (plain) {
      append({&c, 1});
    } else if (c == '\n') {
      append("\\n");
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      const char escaped[] = {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      append({escaped, sizeof(escaped)});
    }
  }
  append(value[i] == '\0' ? "\"" : "\"...");
}

void TraceLine::result(int64_t value) {
  append(") = ");
  append_number(value);
  first_ = false;
}

void TraceLine::result_pointer(const void* value) {
  append(") = ");
  element(value);
  first_ = false;
}

void TraceLine::result_none() {
  append(")");
  first_ = false;
}

}  // namespace flexai::driver
