#include "apps/sim/output.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace flexai::apps::sim {

using base::Code;
using base::fail;

base::Status write_file(const std::string& path, const std::string& text) {
  if (path == "-") {
    std::fputs(text.c_str(), stdout);
    return {};
  }
  const std::string beside = path + ".part";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out << text;
    if (!out.flush())
      return fail(Code::kUnavailable, path + ": cannot be written; check folder and free space");
  }
  std::error_code error;
  std::filesystem::rename(beside, path, error);
  if (error) return fail(Code::kUnavailable, path + ": " + error.message());
  return {};
}

base::Status write_json(const std::string& path, const nlohmann::json& value) {
  return write_file(path,
                    value.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

base::Result<std::string> read_file(const std::string& path, size_t most_bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kNotFound, path + ": cannot be opened; check the path");
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.size() > most_bytes)
    return fail(Code::kInvalid,
                path + ": larger than " + std::to_string(most_bytes >> 20) + " MiB");
  return text;
}

}  // namespace flexai::apps::sim
