#include "agent/dra/letter.h"

#include <nlohmann/json.hpp>

#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr size_t kLongestName = 512;
constexpr size_t kLongestError = 8192;

std::string line(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

base::Status read_name(const json& item, const std::string& where, ClaimName* name) {
  if (!item.is_object()) return fail(Code::kInvalid, where + " is no object");
  model::JsonReader fields(item, {}, where + ": ");
  name->ns = fields.text("namespace", kLongestName).value_or("");
  name->uid = fields.text("uid", kLongestName).value_or("");
  name->name = fields.text("name", kLongestName).value_or("");
  return fields.finish();
}

base::Status read_device(const json& item, const std::string& where, PreparedDevice* device) {
  if (!item.is_object()) return fail(Code::kInvalid, where + " is no object");
  model::JsonReader fields(item, {}, where + ": ");
  device->request = fields.text("request", kLongestName).value_or("");
  device->pool = fields.text("pool", kLongestName).value_or("");
  device->device = fields.text("device", kLongestName).value_or("");
  device->share_id = fields.text("share", kLongestName).value_or("");
  device->cdi = fields.texts("cdi", model::kMostItems).value_or(std::vector<std::string>());
  return fields.finish();
}

base::Status read_health(const json& item, const std::string& where, DeviceHealth* health) {
  if (!item.is_object()) return fail(Code::kInvalid, where + " is no object");
  model::JsonReader fields(item, {}, where + ": ");
  health->pool = fields.text("pool", kLongestName).value_or("");
  health->device = fields.text("device", kLongestName).value_or("");
  health->message = fields.text("message", kLongestError).value_or("");
  health->healthy = fields.truth("healthy").value_or(false);
  return fields.finish();
}

base::Result<json> parse(std::string_view text) {
  FLEXAI_TRY_ASSIGN(json parsed, model::parse_json(text));
  if (!parsed.is_object()) return fail(Code::kInvalid, "a letter that is no object");
  return parsed;
}

}  // namespace

std::string write(const Question& question) {
  json claims = json::array();
  for (const ClaimName& one : question.claims)
    claims.push_back({{"namespace", one.ns}, {"uid", one.uid}, {"name", one.name}});
  return line({{"id", question.id}, {question.prepare ? "prepare" : "unprepare", claims}});
}

std::string write(const Reply& reply) {
  json claims = json::object();
  for (const auto& [uid, answer] : reply.claims) {
    json devices = json::array();
    for (const PreparedDevice& one : answer.devices)
      devices.push_back({{"request", one.request},
                         {"pool", one.pool},
                         {"device", one.device},
                         {"share", one.share_id},
                         {"cdi", one.cdi}});
    claims[uid] = {{"error", answer.error}, {"devices", devices}};
  }
  return line({{"id", reply.id}, {"claims", claims}});
}

std::string write(const std::vector<DeviceHealth>& health) {
  json list = json::array();
  for (const DeviceHealth& one : health)
    list.push_back({{"pool", one.pool},
                    {"device", one.device},
                    {"healthy", one.healthy},
                    {"message", one.message}});
  return line({{"health", list}});
}

std::string write(const Registered& registered) {
  return line({{"registered", registered.good}, {"error", registered.error}});
}

base::Result<FromPlugin> read_from_plugin(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const json object, parse(text));
  FromPlugin letter;
  model::JsonReader fields(object);
  if (object.contains("registered")) {
    letter.about_registration = true;
    letter.registered.good = fields.truth("registered").value_or(false);
    letter.registered.error = fields.text("error", kLongestError).value_or("");
    FLEXAI_TRY(fields.finish());
    return letter;
  }
  Question& question = letter.question;
  question.id = fields.number("id", UINT64_MAX).value_or(0);
  question.prepare = object.contains("prepare");
  fields.list(question.prepare ? "prepare" : "unprepare", &question.claims, read_name);
  FLEXAI_TRY(fields.finish());
  return letter;
}

base::Result<FromAgent> read_from_agent(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const json object, parse(text));
  FromAgent letter;
  model::JsonReader fields(object);
  if (object.contains("health")) {
    letter.about_health = true;
    fields.list("health", &letter.health, read_health);
    FLEXAI_TRY(fields.finish());
    return letter;
  }
  letter.reply.id = fields.number("id", UINT64_MAX).value_or(0);
  const json* claims = fields.object("claims");
  FLEXAI_TRY(fields.finish());
  if (claims == nullptr) return fail(Code::kInvalid, "a reply without claims");
  for (const auto& [uid, item] : claims->items()) {
    if (!item.is_object()) return fail(Code::kInvalid, "an answer that is no object");
    ClaimAnswer answer;
    model::JsonReader inner(item);
    answer.error = inner.text("error", kLongestError).value_or("");
    inner.list("devices", &answer.devices, read_device);
    FLEXAI_TRY(inner.finish());
    letter.reply.claims[uid] = std::move(answer);
  }
  return letter;
}

base::Result<std::vector<std::string>> take_lines(std::string* buffer) {
  std::vector<std::string> lines;
  size_t from = 0;
  for (size_t end; (end = buffer->find('\n', from)) != std::string::npos; from = end + 1)
    lines.push_back(buffer->substr(from, end - from));
  buffer->erase(0, from);
  if (buffer->size() > kMostLetter) return fail(Code::kCorrupt, "a letter without end");
  return lines;
}

}  // namespace flexai::agent::dra
