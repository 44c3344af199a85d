// Bytes as text of two digits each, lower case. Pure, but for random_hex(). Threads: any.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace flexai::base {

std::string hex_of(std::span<const std::byte> bytes);
// Of so many bytes that nobody can guess, at most 64.
Result<std::string> random_hex(size_t bytes);

}  // namespace flexai::base
