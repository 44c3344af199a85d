// Small files that are there whole or not at all, over a crash. Threads: any. Errors name the path;
// kExhausted when the disk is full.
#pragma once

#include <string>

#include "base/result.h"

namespace flexai::agent::dra {

base::Result<std::string> read_file(const std::string& path);  // at most 1 MiB
base::Status write_file(const std::string& path, const std::string& text, unsigned mode);

}  // namespace flexai::agent::dra
