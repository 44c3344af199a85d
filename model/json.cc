#include "model/json.h"

#include <nlohmann/json.hpp>

#include "model/json_reader.h"

namespace flexai::model {

using base::Code;
using base::fail;
using nlohmann::json;

json to_json(const Device& d) {
  return json{{"id", d.id},
              {"key", d.key},
              {"api", d.api},
              {"platform", d.platform},
              {"vendor", d.vendor},
              {"model", d.model},
              {"driver_version", d.driver_version},
              {"kind", d.kind},
              {"pci", d.pci},
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
              {"ephemeral", s.ephemeral},
              {"paused", s.paused},
              {"residency", residency_name(s.residency)}};
}

base::Result<Device> device_from_json(const json& value) {
  Device d;
  JsonReader r(value);
  r.get("id", &d.id);
  r.get("key", &d.key, true);
  r.get("api", &d.api, true);
  r.get("platform", &d.platform);
  r.get("vendor", &d.vendor);
  r.get("model", &d.model);
  r.get("driver_version", &d.driver_version);
  r.get("kind", &d.kind);
  r.get("pci", &d.pci);
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
  std::string residency = residency_name(s.residency);
  JsonReader r(value);
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
    r.note(q.error().message);
  if (p.ok())
    s.priority = *p;
  else
    r.note(p.error().message);
  if (s.qos == Qos::kFixed) s.ceiling_milli = s.compute_milli;
  r.get("ceiling_milli", &s.ceiling_milli);
  r.get("memory_bytes", &s.memory_bytes);
  r.get("owner_uid", &s.owner_uid);
  r.get("ephemeral", &s.ephemeral);
  r.get("paused", &s.paused);
  r.get("residency", &residency);
  auto where = parse_residency(residency);
  if (where.ok())
    s.residency = *where;
  else
    r.note(where.error().message);
  FLEXAI_TRY(r.finish());
  return s;
}

base::Result<json> parse_json(std::string_view text) {
  if (text.size() > (1u << 20)) return fail(Code::kInvalid, "JSON text is larger than 1 MiB");
  // The parser takes one for the end, whatever follows.
  if (text.find('\0') != text.npos) return fail(Code::kInvalid, "JSON text with a zero byte in it");
  if (nested_deeper(text, 64)) return fail(Code::kInvalid, "JSON is nested deeper than 64 levels");
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return fail(Code::kInvalid, "not valid JSON");
  return parsed;
}

}  // namespace flexai::model
