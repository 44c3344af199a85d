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

Result<std::string> random_hex(size_t bytes) {
  std::byte made[64];
  if (bytes > sizeof made || ::getrandom(made, bytes, 0) != static_cast<ssize_t>(bytes))
    return fail_errno("getrandom");
  return hex_of(std::span(made, bytes));
}

}  // namespace flexai::base
