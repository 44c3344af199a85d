// Fields: strict reading of a JSON object from a stranger: each field is asked for by name and
// type, and finish() refuses what is left over. The first error is kept. Threads: one. For .cc
// files only (heavy).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace flexai::agent {

class Fields {
 public:
  explicit Fields(const nlohmann::json& object) : object_(object) {
    if (!object.is_object()) error_ = "expected a JSON object";
  }
  bool has(const char* name) const {
    return object_.is_object() && object_.contains(name) && !object_.at(name).is_null();
  }
  std::optional<std::string> text(const char* name, size_t longest = 4096);
  std::optional<uint64_t> number(const char* name, uint64_t most);
  std::optional<std::vector<std::string>> texts(const char* name, size_t most);
  const nlohmann::json* object(const char* name);
  base::Status finish();

 private:
  const nlohmann::json* take(const char* name);
  void wrong(const char* name, const std::string& what);

  const nlohmann::json& object_;
  std::set<std::string> known_;
  std::string error_;
};

}  // namespace flexai::agent
