#include "agent/dra/record.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/dra/file.h"
#include "kube/claim.h"
#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr size_t kLongest = 512;
constexpr uint64_t kMostIndex = 999;

std::string text_of(const json& object) {
  return object.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

base::Result<json> parse(std::string_view text) {
  FLEXAI_TRY_ASSIGN(json parsed, model::parse_json(text));
  if (!parsed.is_object()) return fail(Code::kCorrupt, "a record that is no object");
  return parsed;
}

// A uid becomes a part of paths.
base::Status check_uid(const std::string& uid) {
  if (!uid.empty() && uid.find('/') == std::string::npos && uid[0] != '.') return {};
  return fail(Code::kCorrupt, "field \"uid\" is no uid");
}

base::Status read_result(const json& item, const std::string& where, PreparedResult* result) {
  if (!item.is_object()) return fail(Code::kCorrupt, where + " is no object");
  model::JsonReader fields(item, {}, where + ": ");
  result->index = fields.number("index", kMostIndex).value_or(0);
  result->request = fields.text("request", kLongest).value_or("");
  result->pool = fields.text("pool", kLongest).value_or("");
  result->device = fields.text("device", kLongest).value_or("");
  result->share_id = fields.text("share", kLongest).value_or("");
  result->run = fields.number("run", UINT64_MAX).value_or(0);
  return fields.finish();
}

}  // namespace

std::string GrantRecord::slice() const { return kube::slice_name(uid, index); }

std::string write(const GrantRecord& record) {
  json object{{"namespace", record.ns}, {"name", record.name},     {"uid", record.uid},
              {"index", record.index},  {"device", record.device}, {"share", record.share_id},
              {"host", record.host}};
  if (record.moved) object["moved"] = true;
  return text_of(object);
}

std::string write(const PreparedRecord& record) {
  json results = json::array();
  for (const PreparedResult& one : record.results)
    results.push_back({{"index", one.index},
                       {"request", one.request},
                       {"pool", one.pool},
                       {"device", one.device},
                       {"share", one.share_id},
                       {"run", one.run}});
  return text_of(
      {{"namespace", record.ns}, {"name", record.name}, {"uid", record.uid}, {"results", results}});
}

base::Result<GrantRecord> read_grant(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const json object, parse(text));
  GrantRecord record;
  model::JsonReader fields(object);
  record.ns = fields.text("namespace", kLongest).value_or("");
  record.name = fields.text("name", kLongest).value_or("");
  record.uid = fields.text("uid", kLongest).value_or("");
  record.index = fields.number("index", kMostIndex).value_or(0);
  record.device = fields.text("device", kLongest).value_or("");
  record.share_id = fields.text("share", kLongest).value_or("");
  record.host = fields.text("host", kLongest).value_or("");
  record.moved = fields.truth("moved").value_or(false);
  FLEXAI_TRY(fields.finish());
  FLEXAI_TRY(check_uid(record.uid));
  return record;
}

base::Result<PreparedRecord> read_prepared(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const json object, parse(text));
  PreparedRecord record;
  model::JsonReader fields(object);
  record.ns = fields.text("namespace", kLongest).value_or("");
  record.name = fields.text("name", kLongest).value_or("");
  record.uid = fields.text("uid", kLongest).value_or("");
  fields.list("results", &record.results, read_result);
  FLEXAI_TRY(fields.finish());
  FLEXAI_TRY(check_uid(record.uid));
  return record;
}

std::vector<std::string> load_all(const std::string& folder) {
  std::vector<std::string> texts;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || !name.ends_with(".json")) continue;
    if (auto text = read_file(entry.path().string()); text.ok()) texts.push_back(std::move(*text));
  }
  return texts;
}

}  // namespace flexai::agent::dra
