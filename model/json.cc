#include "model/json.h"

#include <nlohmann/json.hpp>
#include <set>

namespace flexai::model {
namespace {

using base::Code;
using base::fail;
using nlohmann::json;

// Reads fields of one object; keeps the first error, then finish() also refuses fields nobody asked
// for.
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {
    if (!object.is_object()) error_ = "expected a JSON object";
  }

  template <typename T>
  void get(const char* name, T* out, bool required = false) {
    known_.insert(name);
    if (!error_.empty()) return;
    auto it = object_.find(name);
    if (it == object_.end() || it->is_null()) {
      if (required) error_ = std::string("field \"") + name + "\" is missing";
      return;
    }
    if (!read(*it, out))
      error_ = std::string("field \"") + name + "\" has the wrong type or is out of range";
  }

  void note(const base::Error& e) {
    if (error_.empty()) error_ = e.message;
  }

  base::Status finish() {
    if (error_.empty())
      for (const auto& [name, value] : object_.items())
        if (known_.count(name) == 0) error_ = "unknown field \"" + name.substr(0, 60) + "\"";
    if (!error_.empty()) return fail(Code::kInvalid, error_);
    return {};
  }

 private:
  static bool read(const json& v, std::string* out) {
    if (!v.is_string() || v.get_ref<const std::string&>().size() > 4096) return false;
    *out = v.get_ref<const std::string&>();
    return true;
  }
  static bool read(const json& v, bool* out) {
    if (!v.is_boolean()) return false;
    *out = v.get<bool>();
    return true;
  }
  static bool read(const json& v, uint64_t* out) {
    if (!v.is_number_integer() || (!v.is_number_unsigned() && v.get<int64_t>() < 0)) return false;
    *out = v.get<uint64_t>();
    return true;
  }
  static bool read(const json& v, uint32_t* out) {
    uint64_t wide = 0;
    if (!read(v, &wide) || wide > UINT32_MAX) return false;
    *out = static_cast<uint32_t>(wide);
    return true;
  }
  static bool read(const json& v, std::vector<std::string>* out) {
    if (!v.is_array() || v.size() > 64) return false;
    out->clear();
    for (const auto& item : v) {
      std::string text;
      if (!read(item, &text)) return false;
      out->push_back(text);
    }
    return true;
  }

  const json& object_;
  std::set<std::string> known_;
  std::string error_;
};

}  // namespace

json to_json(const Device& d) {
  return json{{"id", d.id},
              {"key", d.key},
              {"api", d.api},
              {"platform", d.platform},
              {"vendor", d.vendor},
              {"model", d.model},
              {"driver_version", d.driver_version},
              {"kind", d.kind},
              {"memory_bytes", d.memory_bytes},
              {"compute_units", d.compute_units},
              {"copy_engine", d.copy_engine},
              {"start_ms", d.start_ms},
              {"healthy", d.healthy},
              {"health", d.health},
              {"driver_files", d.driver_files}};
}

json to_json(const Slice& s) {
  return json{{"name", s.name},
              {"card", s.card},
              {"compute_milli", s.compute_milli},
              {"ceiling_milli", s.ceiling_milli},
              {"memory_bytes", s.memory_bytes},
              {"qos", qos_name(s.qos)},
              {"priority", priority_name(s.priority)},
              {"owner_uid", s.owner_uid},
              {"ephemeral", s.ephemeral}};
}

base::Result<Device> device_from_json(const json& value) {
  Device d;
  Reader r(value);
  r.get("id", &d.id);
  r.get("key", &d.key, true);
  r.get("api", &d.api, true);
  r.get("platform", &d.platform);
  r.get("vendor", &d.vendor);
  r.get("model", &d.model);
  r.get("driver_version", &d.driver_version);
  r.get("kind", &d.kind);
  r.get("memory_bytes", &d.memory_bytes, true);
  r.get("compute_units", &d.compute_units);
  r.get("copy_engine", &d.copy_engine);
  r.get("start_ms", &d.start_ms);
  r.get("healthy", &d.healthy);
  r.get("health", &d.health);
  r.get("driver_files", &d.driver_files);
  FLEXAI_TRY(r.finish());
  return d;
}

base::Result<Slice> slice_from_json(const json& value) {
  Slice s;
  std::string qos = qos_name(s.qos), priority = priority_name(s.priority);
  Reader r(value);
  r.get("name", &s.name);
  r.get("card", &s.card);
  r.get("compute_milli", &s.compute_milli);
  r.get("qos", &qos);
  r.get("priority", &priority);
  auto q = parse_qos(qos);
  auto p = parse_priority(priority);
  if (q.ok())
    s.qos = *q;
  else
    r.note(q.error());
  if (p.ok())
    s.priority = *p;
  else
    r.note(p.error());
  if (s.qos == Qos::kFixed) s.ceiling_milli = s.compute_milli;
  r.get("ceiling_milli", &s.ceiling_milli);
  r.get("memory_bytes", &s.memory_bytes);
  r.get("owner_uid", &s.owner_uid);
  r.get("ephemeral", &s.ephemeral);
  FLEXAI_TRY(r.finish());
  return s;
}

base::Result<json> parse_json(std::string_view text) {
  if (text.size() > (1u << 20)) return fail(Code::kInvalid, "JSON text is larger than 1 MiB");
  int depth =
      0;  // the library recurses when it frees nested values, so depth is bounded before it parses
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > 64) return fail(Code::kInvalid, "JSON is nested deeper than 64 levels");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return fail(Code::kInvalid, "not valid JSON");
  return parsed;
}

}  // namespace flexai::model
