#include "kube/claim.h"

#include <nlohmann/json.hpp>

#include "kube/names.h"
#include "kube/object_view.h"
#include "kube/quantity.h"
#include "model/json.h"

namespace flexai::kube {

using base::Code;
using base::fail;
using nlohmann::json;
using View = ObjectView;

namespace {

constexpr size_t kMostResults = 32;  // the API's own bounds
constexpr size_t kMostReserved = 256;
constexpr size_t kLongest = 1024;

base::Error shape(const std::string& path, const char* wanted) {
  return fail(Code::kCorrupt, "the claim's " + path + " is no " + wanted);
}

base::Status read_text(const View& object, const char* key, const std::string& path,
                       std::string* out) {
  const View value = object.find(key);
  if (value.is_null()) return {};
  if (!value.is_string()) return shape(path + key, "text");
  if (value.text().size() > kLongest) return shape(path + key, "text of sensible length");
  *out = value.text();
  return {};
}

// Null where there is none.
base::Result<View> object_at(const View& object, const char* key, const std::string& path) {
  const View value = object.find(key);
  if (!value.is_null() && !value.is_object()) return shape(path + key, "object");
  return value;
}

base::Result<View> list_at(const View& object, const char* key, const std::string& path,
                           size_t most) {
  const View value = object.find(key);
  if (value.is_null()) return value;
  if (!value.is_array()) return shape(path + key, "list");
  if (value.size() > most) return shape(path + key, "list of sensible length");
  for (const View item : value)
    if (!item.is_object()) return shape(path + key + "[]", "object");
  return value;
}

base::Status read_capacity(const View& consumed, const char* name, const std::string& path,
                           std::optional<uint64_t>* out) {
  View value = consumed.find(name);
  if (value.is_null()) {
    // A server may write the name with the driver's domain.
    value = consumed.find(std::string(kDriverName) + "/" + name);
    if (value.is_null()) return {};
  }
  std::string text;
  if (value.is_string())
    text = value.text();
  else if (value.is_number_unsigned())
    text = std::to_string(static_cast<uint64_t>(value.number()));
  else
    return shape(path + name, "quantity");
  auto read = parse_quantity(text);
  if (!read.ok())
    return fail(Code::kCorrupt, "the claim's " + path + name + ": " + read.error().message);
  *out = *read;
  return {};
}

base::Result<ClaimResult> read_result(const View& item, size_t index) {
  const std::string path = "status.allocation.devices.results[" + std::to_string(index) + "].";
  ClaimResult result;
  result.index = index;
  FLEXAI_TRY(read_text(item, "request", path, &result.request));
  FLEXAI_TRY(read_text(item, "driver", path, &result.driver));
  FLEXAI_TRY(read_text(item, "pool", path, &result.pool));
  FLEXAI_TRY(read_text(item, "device", path, &result.device));
  FLEXAI_TRY(read_text(item, "shareID", path, &result.share_id));
  if (const View admin = item.find("adminAccess"); !admin.is_null()) {
    if (!admin.is_boolean()) return shape(path + "adminAccess", "truth value");
    result.admin_access = admin.truth();
  }
  FLEXAI_TRY_ASSIGN(const View consumed, object_at(item, "consumedCapacity", path));
  if (consumed.is_null()) return result;
  const std::string inside = path + "consumedCapacity.";
  FLEXAI_TRY(read_capacity(consumed, kComputeCapacity, inside, &result.compute_milli));
  FLEXAI_TRY(read_capacity(consumed, kMemoryCapacity, inside, &result.memory_bytes));
  return result;
}

// Appends the configurations of `source` that are ours.
base::Status read_configs(const View& items, const char* source, Claim* claim) {
  const std::string path = "status.allocation.devices.config[].";
  for (const View item : items) {
    std::string from;
    FLEXAI_TRY(read_text(item, "source", path, &from));
    FLEXAI_TRY_ASSIGN(const View opaque, object_at(item, "opaque", path));
    if (from != source || opaque.is_null()) continue;
    std::string driver;
    FLEXAI_TRY(read_text(opaque, "driver", path + "opaque.", &driver));
    if (driver != kDriverName) continue;
    Claim::Config config;
    if (const View requests = item.find("requests"); !requests.is_null()) {
      if (!requests.is_array() || requests.size() > kMostResults)
        return shape(path + "requests", "list");
      for (const View request : requests) {
        if (!request.is_string()) return shape(path + "requests[]", "text");
        config.requests.emplace_back(request.text());
      }
    }
    const View parameters = opaque.find("parameters");
    config.parameters = parameters.is_null() ? "{}"
                                             : parameters.copy().dump(
                                                   -1, ' ', false, json::error_handler_t::replace);
    claim->configs.push_back(std::move(config));
  }
  return {};
}

base::Status read_devices(const View& devices, Claim* claim) {
  const std::string path = "status.allocation.devices.";
  FLEXAI_TRY_ASSIGN(const View results, list_at(devices, "results", path, kMostResults));
  size_t index = 0;
  for (const View item : results) {
    FLEXAI_TRY_ASSIGN(ClaimResult result, read_result(item, index++));
    if (result.driver == kDriverName) claim->results.push_back(std::move(result));
  }
  FLEXAI_TRY_ASSIGN(const View configs, list_at(devices, "config", path, 2 * kMostResults));
  FLEXAI_TRY(read_configs(configs, "FromClass", claim));
  return read_configs(configs, "FromClaim", claim);
}

// The one node of a selector as we write it: one term, one field, metadata.name In [NODE]. Any
// other selector is good as well, but names none.
std::string node_named_by(const View& selector) {
  const View terms = selector.find("nodeSelectorTerms");
  if (terms.size() != 1) return "";
  const View fields = terms[0].find("matchFields");
  if (fields.size() != 1) return "";
  const View values = fields[0].find("values");
  if (!(fields[0].find("key") == "metadata.name") || !(fields[0].find("operator") == "In") ||
      values.size() != 1 || !values[0].is_string())
    return "";
  return std::string(values[0].text());
}

base::Status read_status(const View& status, Claim* claim) {
  FLEXAI_TRY_ASSIGN(const View reserved, list_at(status, "reservedFor", "status.", kMostReserved));
  size_t index = 0;
  for (const View item : reserved) {
    const std::string path = "status.reservedFor[" + std::to_string(index++) + "].";
    std::string resource, group;
    Reference pod;
    FLEXAI_TRY(read_text(item, "resource", path, &resource));
    FLEXAI_TRY(read_text(item, "apiGroup", path, &group));
    FLEXAI_TRY(read_text(item, "name", path, &pod.name));
    FLEXAI_TRY(read_text(item, "uid", path, &pod.uid));
    if (resource == "pods" && group.empty()) claim->pods.push_back(std::move(pod));
  }
  FLEXAI_TRY_ASSIGN(const View allocation, object_at(status, "allocation", "status."));
  if (allocation.is_null()) return {};
  claim->allocated = true;
  FLEXAI_TRY_ASSIGN(const View selector,
                    object_at(allocation, "nodeSelector", "status.allocation."));
  claim->node = node_named_by(selector);
  FLEXAI_TRY_ASSIGN(const View devices, object_at(allocation, "devices", "status.allocation."));
  return read_devices(devices, claim);
}

}  // namespace

base::Result<Claim> read_claim(const View& object) {
  if (!object.is_object()) return fail(Code::kCorrupt, "the claim is no object");
  Claim claim;
  FLEXAI_TRY_ASSIGN(const View meta, object_at(object, "metadata", ""));
  if (meta.is_null()) return shape("metadata", "object");
  FLEXAI_TRY(read_text(meta, "namespace", "metadata.", &claim.ns));
  FLEXAI_TRY(read_text(meta, "name", "metadata.", &claim.name));
  FLEXAI_TRY(read_text(meta, "uid", "metadata.", &claim.uid));
  FLEXAI_TRY(read_text(meta, "resourceVersion", "metadata.", &claim.resource_version));
  claim.deleting = !meta.find("deletionTimestamp").is_null();
  FLEXAI_TRY_ASSIGN(const View status, object_at(object, "status", ""));
  if (!status.is_null()) FLEXAI_TRY(read_status(status, &claim));
  return claim;
}

base::Result<Claim> parse_claim(std::string_view text) {
  auto parsed = model::parse_json(text);
  if (!parsed.ok()) return fail(Code::kCorrupt, "the claim: " + parsed.error().message);
  return read_claim(*parsed);
}

base::Result<SliceConfig> config_of(const Claim& claim, const ClaimResult& result) {
  const std::string parent = result.request.substr(0, result.request.find('/'));
  SliceConfig config;
  for (const Claim::Config& one : claim.configs) {
    bool concerns = one.requests.empty();
    for (const std::string& request : one.requests)
      concerns = concerns || request == result.request || request == parent;
    if (!concerns) continue;
    FLEXAI_TRY_ASSIGN(const json parameters, model::parse_json(one.parameters));
    FLEXAI_TRY(read_slice_config(parameters, &config));
  }
  return config;
}

std::string slice_name(const std::string& claim_uid, size_t index) {
  return "k-" + claim_uid.substr(0, 8) + "-" + std::to_string(index);
}

std::string lease_name(const std::string& claim_uid, size_t index) {
  return claim_uid + "-" + std::to_string(index);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return false;
    if (!dash && std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace flexai::kube
