// Bytes as text of two digits each, lower case. Pure, but for random_hex(). Threads: any.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexai::base {

std::string hex_of(std::span<const std::byte> bytes);
// What they say; characters that are no digits count as zeros, one too many as nothing.
std::vector<std::byte> bytes_of_hex(std::string_view text);
// Of so many bytes that nobody can guess, at most 64.
Result<std::string> random_hex(size_t bytes);

}  // namespace flexai::base
