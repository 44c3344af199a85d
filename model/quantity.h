// Shares and sizes as people type them, and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::model {

// "30%", "0.3", "300m", "1" (a whole card) -> thousandths of one card, 1..1000. "0.05%" is refused,
// not rounded.
base::Result<uint32_t> parse_share(std::string_view text);
// "1GiB", "512M", "1.5Gi", "4096", "64kB" -> bytes. Ki/Mi/Gi/Ti are powers of 1024, k/K/M/G/T of
// 1000; a trailing B is optional.
base::Result<uint64_t> parse_bytes(std::string_view text);

std::string format_share(uint32_t milli);  // "30%", "12.5%"
std::string format_bytes(uint64_t bytes);  // "1GiB", "1.5GiB", "4096B"

}  // namespace flexai::model
