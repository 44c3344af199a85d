#include "kube/yaml.h"

#include <yaml.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace flexai::kube {
namespace {

using base::Code;
using nlohmann::json;

constexpr int kDeepest = 32;
constexpr size_t kMostNodes = 100000;

template <typename Number>
bool number_of(std::string_view text, Number* out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

json plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  bool numeric = text.find_first_not_of("0123456789+-.eE") == text.npos;
  int64_t whole = 0;
  double real = 0;
  if (numeric && number_of(text, &whole)) return whole;
  if (numeric && number_of(text, &real) && std::isfinite(real)) return real;
  return std::string(text);
}

class Reader {
 public:
  explicit Reader(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }

  base::Result<json> document() {
    FLEXAI_TRY(next());  // the stream's start
    FLEXAI_TRY(next());
    if (event_.type == YAML_STREAM_END_EVENT) return json(nullptr);
    FLEXAI_TRY(next());
    FLEXAI_TRY_ASSIGN(json value, node(0));
    FLEXAI_TRY(next());  // the document's end
    FLEXAI_TRY(next());
    if (event_.type != YAML_STREAM_END_EVENT) return wrong("holds more than one document");
    return value;
  }

 private:
  base::Status next() {
    yaml_event_delete(&event_);
    if (yaml_parser_parse(&parser_, &event_) == 1) return {};
    event_ = {};
    std::string line = std::to_string(parser_.problem_mark.line + 1);
    return base::fail(
        Code::kInvalid,
        "line " + line + ": " + (parser_.problem != nullptr ? parser_.problem : "no YAML"));
  }

  base::Error wrong(const std::string& what) const {
    return base::fail(Code::kInvalid,
                      "line " + std::to_string(event_.start_mark.line + 1) + ": " + what);
  }

  // The value that starts with the present event; leaves its last event present.
  base::Result<json> node(int depth) {
    if (depth > kDeepest) return wrong("nested deeper than 32 levels");
    if (++nodes_ > kMostNodes) return wrong("more than 100,000 values");
    switch (event_.type) {
      case YAML_SCALAR_EVENT:
        return scalar();
      case YAML_SEQUENCE_START_EVENT:
        return sequence(depth);
      case YAML_MAPPING_START_EVENT:
        return mapping(depth);
      case YAML_ALIAS_EVENT:
        return wrong("aliases are not supported");
      default:
        return wrong("a value is missing");
    }
  }

  base::Result<json> scalar() {
    const auto& s = event_.data.scalar;
    if (s.anchor != nullptr) return wrong("anchors are not supported");
    std::string_view text(reinterpret_cast<const char*>(s.value), s.length);
    if (s.style == YAML_PLAIN_SCALAR_STYLE && s.tag == nullptr) return plain_scalar(text);
    return json(std::string(text));
  }

  base::Result<json> sequence(int depth) {
    if (event_.data.sequence_start.anchor != nullptr) return wrong("anchors are not supported");
    json list = json::array();
    for (;;) {
      FLEXAI_TRY(next());
      if (event_.type == YAML_SEQUENCE_END_EVENT) return list;
      FLEXAI_TRY_ASSIGN(json value, node(depth + 1));
      list.push_back(std::move(value));
    }
  }

  base::Result<json> mapping(int depth) {
    if (event_.data.mapping_start.anchor != nullptr) return wrong("anchors are not supported");
    json object = json::object();
    for (;;) {
      FLEXAI_TRY(next());
      if (event_.type == YAML_MAPPING_END_EVENT) return object;
      if (event_.type != YAML_SCALAR_EVENT) return wrong("a key must be a text");
      const auto& s = event_.data.scalar;
      std::string key(reinterpret_cast<const char*>(s.value), s.length);
      if (object.contains(key))
        return wrong("the key \"" + key.substr(0, 64) + "\" is there twice");
      FLEXAI_TRY(next());
      FLEXAI_TRY_ASSIGN(object[key], node(depth + 1));
    }
  }

  yaml_parser_t parser_{};
  yaml_event_t event_{};
  size_t nodes_ = 0;
};

}  // namespace

base::Result<json> json_from_yaml(std::string_view text) {
  if (text.size() > (4u << 20)) return base::fail(Code::kInvalid, "YAML larger than 4 MiB");
  return Reader(text).document();
}

}  // namespace flexai::kube
