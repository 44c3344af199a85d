#include "base/hex.h"

#include <sys/random.h>

namespace flexai::base {

std::string hex_of(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<int>(byte) >> 4]);
    text.push_back(kDigits[std::to_integer<int>(byte) & 15]);
  }
  return text;
}

std::vector<std::byte> bytes_of_hex(std::string_view text) {
  const auto digit = [](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
    return 0;
  };
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(digit(text[i]) << 4 | digit(text[i + 1])));
  return bytes;
}

Result<std::string> random_hex(size_t bytes) {
  std::byte made[64];
  if (bytes > sizeof made || ::getrandom(made, bytes, 0) != static_cast<ssize_t>(bytes))
    return fail_errno("getrandom");
  return hex_of(std::span(made, bytes));
}

}  // namespace flexai::base
