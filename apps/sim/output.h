// Where results go: files written whole, or standard output.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace flexai::apps::sim {

// "-": standard output. Written beside the file and renamed, so a stopped run leaves no half file.
base::Status write_file(const std::string& path, const std::string& text);
base::Status write_json(const std::string& path, const nlohmann::json& value);
base::Result<std::string> read_file(const std::string& path, size_t most_bytes);

}  // namespace flexai::apps::sim
