#include "agent/fields.h"

namespace flexai::agent {

using nlohmann::json;

const json* Fields::take(const char* name) {
  known_.insert(name);
  return has(name) ? &object_.at(name) : nullptr;
}

void Fields::wrong(const char* name, const std::string& what) {
  if (error_.empty()) error_ = std::string("field \"") + name + "\" must be " + what;
}

std::optional<std::string> Fields::text(const char* name, size_t longest) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string() || value->get_ref<const std::string&>().size() > longest ||
      value->get_ref<const std::string&>().find('\0') != std::string::npos) {
    wrong(name, "a text of at most " + std::to_string(longest) + " bytes");
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<uint64_t> Fields::number(const char* name, uint64_t most) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned() || value->get<uint64_t>() > most) {
    wrong(name, "a whole number from 0 to " + std::to_string(most));
    return std::nullopt;
  }
  return value->get<uint64_t>();
}

std::optional<std::vector<std::string>> Fields::texts(const char* name, size_t most) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> result;
  bool good = value->is_array() && value->size() <= most;
  if (good) {
    for (const json& item : *value) {
      if (!item.is_string() || item.get_ref<const std::string&>().size() > 4096) {
        good = false;
        break;
      }
      result.push_back(item.get<std::string>());
    }
  }
  if (!good) {
    wrong(name, "a list of at most " + std::to_string(most) + " texts");
    return std::nullopt;
  }
  return result;
}

const json* Fields::object(const char* name) {
  const json* value = take(name);
  if (value != nullptr && !value->is_object()) {
    wrong(name, "an object");
    return nullptr;
  }
  return value;
}

base::Status Fields::finish() {
  if (error_.empty())
    for (const auto& [name, value] : object_.items())
      if (known_.count(name) == 0) error_ = "unknown field \"" + name.substr(0, 60) + "\"";
  if (!error_.empty()) return base::fail(base::Code::kInvalid, error_);
  return {};
}

}  // namespace flexai::agent
