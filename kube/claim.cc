#include "kube/claim.h"

#include <nlohmann/json.hpp>

#include "kube/names.h"
#include "kube/quantity.h"
#include "model/json.h"

namespace flexai::kube {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr size_t kMostResults = 32;  // the API's own bounds
constexpr size_t kMostReserved = 256;
constexpr size_t kLongest = 1024;

base::Error shape(const std::string& path, const char* wanted) {
  return fail(Code::kCorrupt, "the claim's " + path + " is no " + wanted);
}

// The member `key` of an object, or null where there is none.
const json* member(const json& object, const char* key) {
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

base::Status read_text(const json& object, const char* key, const std::string& path,
                       std::string* out) {
  const json* value = member(object, key);
  if (value == nullptr) return {};
  if (!value->is_string()) return shape(path + key, "text");
  *out = value->get<std::string>();
  if (out->size() > kLongest) return shape(path + key, "text of sensible length");
  return {};
}

base::Result<const json*> object_at(const json& object, const char* key, const std::string& path) {
  const json* value = member(object, key);
  if (value != nullptr && !value->is_object()) return shape(path + key, "object");
  return value;
}

base::Result<const json*> list_at(const json& object, const char* key, const std::string& path,
                                  size_t most) {
  const json* value = member(object, key);
  if (value == nullptr) return value;
  if (!value->is_array()) return shape(path + key, "list");
  if (value->size() > most) return shape(path + key, "list of sensible length");
  for (const json& item : *value)
    if (!item.is_object()) return shape(path + key + "[]", "object");
  return value;
}

base::Status read_capacity(const json& consumed, const char* name, const std::string& path,
                           std::optional<uint64_t>* out) {
  const json* value = member(consumed, name);
  if (value == nullptr) {
    // A server may write the name with the driver's domain.
    value = member(consumed, (std::string(kDriverName) + "/" + name).c_str());
    if (value == nullptr) return {};
  }
  std::string text;
  if (value->is_string())
    text = value->get<std::string>();
  else if (value->is_number_unsigned())
    text = std::to_string(value->get<uint64_t>());
  else
    return shape(path + name, "quantity");
  auto read = parse_quantity(text);
  if (!read.ok())
    return fail(Code::kCorrupt, "the claim's " + path + name + ": " + read.error().message);
  *out = *read;
  return {};
}

base::Result<ClaimResult> read_result(const json& item, size_t index) {
  const std::string path = "status.allocation.devices.results[" + std::to_string(index) + "].";
  ClaimResult result;
  result.index = index;
  FLEXAI_TRY(read_text(item, "request", path, &result.request));
  FLEXAI_TRY(read_text(item, "driver", path, &result.driver));
  FLEXAI_TRY(read_text(item, "pool", path, &result.pool));
  FLEXAI_TRY(read_text(item, "device", path, &result.device));
  FLEXAI_TRY(read_text(item, "shareID", path, &result.share_id));
  if (const json* admin = member(item, "adminAccess"); admin != nullptr) {
    if (!admin->is_boolean()) return shape(path + "adminAccess", "truth value");
    result.admin_access = admin->get<bool>();
  }
  FLEXAI_TRY_ASSIGN(const json* consumed, object_at(item, "consumedCapacity", path));
  if (consumed == nullptr) return result;
  FLEXAI_TRY(read_capacity(*consumed, kComputeCapacity, path + "consumedCapacity.",
                           &result.compute_milli));
  FLEXAI_TRY(
      read_capacity(*consumed, kMemoryCapacity, path + "consumedCapacity.", &result.memory_bytes));
  return result;
}

// Appends the configurations of `source` that are ours.
base::Status read_configs(const json& items, const char* source, Claim* claim) {
  const std::string path = "status.allocation.devices.config[].";
  for (const json& item : items) {
    std::string from;
    FLEXAI_TRY(read_text(item, "source", path, &from));
    FLEXAI_TRY_ASSIGN(const json* opaque, object_at(item, "opaque", path));
    if (from != source || opaque == nullptr) continue;
    std::string driver;
    FLEXAI_TRY(read_text(*opaque, "driver", path + "opaque.", &driver));
    if (driver != kDriverName) continue;
    Claim::Config config;
    if (const json* requests = member(item, "requests"); requests != nullptr) {
      if (!requests->is_array() || requests->size() > kMostResults)
        return shape(path + "requests", "list");
      for (const json& request : *requests) {
        if (!request.is_string()) return shape(path + "requests[]", "text");
        config.requests.push_back(request.get<std::string>());
      }
    }
    const json* parameters = member(*opaque, "parameters");
    config.parameters = parameters == nullptr
                            ? "{}"
                            : parameters->dump(-1, ' ', false, json::error_handler_t::replace);
    claim->configs.push_back(std::move(config));
  }
  return {};
}

base::Status read_devices(const json& devices, Claim* claim) {
  const std::string path = "status.allocation.devices.";
  FLEXAI_TRY_ASSIGN(const json* results, list_at(devices, "results", path, kMostResults));
  for (size_t i = 0; results != nullptr && i < results->size(); ++i) {
    FLEXAI_TRY_ASSIGN(ClaimResult result, read_result((*results)[i], i));
    if (result.driver == kDriverName) claim->results.push_back(std::move(result));
  }
  FLEXAI_TRY_ASSIGN(const json* configs, list_at(devices, "config", path, 2 * kMostResults));
  if (configs == nullptr) return {};
  FLEXAI_TRY(read_configs(*configs, "FromClass", claim));
  return read_configs(*configs, "FromClaim", claim);
}

// The one node of a selector as we write it: one term, one field, metadata.name In [NODE]. Any
// other selector is good as well, but names none.
std::string node_named_by(const json& selector) {
  const json* terms = member(selector, "nodeSelectorTerms");
  if (terms == nullptr || !terms->is_array() || terms->size() != 1 || !(*terms)[0].is_object())
    return "";
  const json* fields = member((*terms)[0], "matchFields");
  if (fields == nullptr || !fields->is_array() || fields->size() != 1 || !(*fields)[0].is_object())
    return "";
  const json* key = member((*fields)[0], "key");
  const json* how = member((*fields)[0], "operator");
  const json* values = member((*fields)[0], "values");
  if (key == nullptr || *key != "metadata.name" || how == nullptr || *how != "In" ||
      values == nullptr || !values->is_array() || values->size() != 1 || !(*values)[0].is_string())
    return "";
  return (*values)[0].get<std::string>();
}

base::Status read_status(const json& status, Claim* claim) {
  FLEXAI_TRY_ASSIGN(const json* reserved, list_at(status, "reservedFor", "status.", kMostReserved));
  for (size_t i = 0; reserved != nullptr && i < reserved->size(); ++i) {
    const json& item = (*reserved)[i];
    const std::string path = "status.reservedFor[" + std::to_string(i) + "].";
    std::string resource, group;
    Reference pod;
    FLEXAI_TRY(read_text(item, "resource", path, &resource));
    FLEXAI_TRY(read_text(item, "apiGroup", path, &group));
    FLEXAI_TRY(read_text(item, "name", path, &pod.name));
    FLEXAI_TRY(read_text(item, "uid", path, &pod.uid));
    if (resource == "pods" && group.empty()) claim->pods.push_back(std::move(pod));
  }
  FLEXAI_TRY_ASSIGN(const json* allocation, object_at(status, "allocation", "status."));
  if (allocation == nullptr) return {};
  claim->allocated = true;
  FLEXAI_TRY_ASSIGN(const json* selector,
                    object_at(*allocation, "nodeSelector", "status.allocation."));
  if (selector != nullptr) claim->node = node_named_by(*selector);
  FLEXAI_TRY_ASSIGN(const json* devices, object_at(*allocation, "devices", "status.allocation."));
  return devices == nullptr ? base::Status() : read_devices(*devices, claim);
}

}  // namespace

base::Result<Claim> read_claim(const json& object) {
  if (!object.is_object()) return fail(Code::kCorrupt, "the claim is no object");
  Claim claim;
  FLEXAI_TRY_ASSIGN(const json* meta, object_at(object, "metadata", ""));
  if (meta == nullptr) return shape("metadata", "object");
  FLEXAI_TRY(read_text(*meta, "namespace", "metadata.", &claim.ns));
  FLEXAI_TRY(read_text(*meta, "name", "metadata.", &claim.name));
  FLEXAI_TRY(read_text(*meta, "uid", "metadata.", &claim.uid));
  FLEXAI_TRY(read_text(*meta, "resourceVersion", "metadata.", &claim.resource_version));
  claim.deleting = member(*meta, "deletionTimestamp") != nullptr;
  FLEXAI_TRY_ASSIGN(const json* status, object_at(object, "status", ""));
  if (status != nullptr) FLEXAI_TRY(read_status(*status, &claim));
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
