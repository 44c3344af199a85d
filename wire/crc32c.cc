#include "wire/crc32c.h"

#include <array>
#include <cstring>

namespace flexai::wire {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_sse(Bytes bytes, uint32_t crc) {
  uint64_t sum = ~crc;
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    sum = __builtin_ia32_crc32di(sum, word);
  }
  auto rest = static_cast<uint32_t>(sum);
  for (; left > 0; ++at, --left)
    rest = __builtin_ia32_crc32qi(rest, std::to_integer<unsigned char>(*at));
  return ~rest;
}
#endif

}  // namespace

uint32_t crc32c_portable(Bytes bytes, uint32_t crc) {
  crc = ~crc;
  for (std::byte byte : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ std::to_integer<uint32_t>(byte)) & 0xff];
  return ~crc;
}

uint32_t crc32c(Bytes bytes, uint32_t crc) {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2") != 0;
  if (fast) return crc32c_sse(bytes, crc);
#endif
  return crc32c_portable(bytes, crc);
}

}  // namespace flexai::wire
