#include "model/json_reader.h"

namespace flexai::model {

using nlohmann::json;

JsonReader::JsonReader(const json& object, const JsonRules& rules, std::optional<std::string> where)
    : object_(object), rules_(rules), where_(std::move(where)) {
  if (!object.is_object()) note(std::string("expected ") + rules_.object);
}

const json* JsonReader::take(const char* name) {
  known_.insert(name);
  if (!error_.empty()) return nullptr;
  const auto at = object_.find(name);
  if (at == object_.end() || (rules_.null_is_absent && at->is_null())) return nullptr;
  return &*at;
}

JsonReader& JsonReader::note(const std::string& message) {
  if (error_.empty()) error_ = (where_ ? *where_ + ": " : std::string()) + message;
  return *this;
}

void JsonReader::must_be(const char* name, const std::string& what) {
  note(std::string("field \"") + name + "\" must be " + what);
}

JsonReader& JsonReader::later(const char* name) {
  known_.insert(name);
  return *this;
}

bool JsonReader::read(const json& value, std::string* out) const {
  if (!value.is_string() || value.get_ref<const std::string&>().size() > rules_.longest_text)
    return false;
  *out = value.get_ref<const std::string&>();
  return true;
}

bool JsonReader::read(const json& value, bool* out) {
  if (!value.is_boolean()) return false;
  *out = value.get<bool>();
  return true;
}

std::optional<std::string> JsonReader::text(const char* name, size_t longest) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string() || value->get_ref<const std::string&>().size() > longest ||
      value->get_ref<const std::string&>().find('\0') != std::string::npos) {
    must_be(name, "a text of at most " + std::to_string(longest) + " bytes");
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<uint64_t> JsonReader::number(const char* name, uint64_t most) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned() || value->get<uint64_t>() > most) {
    must_be(name, "a whole number from 0 to " + std::to_string(most));
    return std::nullopt;
  }
  return value->get<uint64_t>();
}

std::optional<bool> JsonReader::truth(const char* name) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    must_be(name, "true or false");
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<std::vector<std::string>> JsonReader::texts(const char* name, size_t most) {
  const json* value = take(name);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> result;
  bool good = value->is_array() && value->size() <= most;
  if (good)
    for (const json& item : *value) good = good && read(item, &result.emplace_back());
  if (good) return result;
  must_be(name, "a list of at most " + std::to_string(most) + " texts");
  return std::nullopt;
}

const json* JsonReader::object(const char* name) {
  const json* value = take(name);
  if (value == nullptr || value->is_object()) return value;
  must_be(name, "an object");
  return nullptr;
}

base::Status JsonReader::finish() {
  if (error_.empty())
    for (const auto& [name, value] : object_.items())
      if (known_.count(name) == 0) note("unknown field \"" + name.substr(0, 60) + "\"");
  if (!error_.empty()) return base::fail(base::Code::kInvalid, error_);
  return {};
}

bool nested_deeper(std::string_view text, int levels) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > levels) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace flexai::model
