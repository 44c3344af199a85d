#include "agent/dra/published.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "kube/names.h"
#include "kube/quantity.h"
#include "wire/digest.h"

namespace flexai::agent::dra {

using nlohmann::json;

namespace {

constexpr size_t kLongestAttribute = 64;  // bytes; the API's bound
constexpr uint64_t kMiB = 1 << 20;
constexpr int kNcu = 1000;  // milli-NCU of a card whose model nobody has measured

// At most `most` bytes, whole characters of UTF-8.
std::string cut(std::string text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text;
}

json attributes_of(const model::Device& card) {
  const auto text = [](const std::string& value) {
    return json{{"string", cut(value, kLongestAttribute)}};
  };
  json made = {{"api", text(card.api)},     {"brand", text(card.vendor)},
               {"model", text(card.model)}, {"kind", text(card.kind)},
               {"id", text(card.id)},       {"driverVersion", text(card.driver_version)},
               {"ncu", {{"int", kNcu}}}};
  return made;
}

// Names of links: those that all drivers share, where there are such.
void add_links(const CardWire& wire, int64_t network_mbps, json* attributes) {
  json& made = *attributes;
  if (!wire.address.empty()) made[kube::kPciAttribute] = {{"string", wire.address}};
  if (!wire.root.empty()) made[kube::kRootAttribute] = {{"string", wire.root}};
  if (wire.numa) made[kube::kNumaAttribute] = {{"int", *wire.numa}};
  if (wire.mbps > 0) made[kube::kLinkAttribute] = {{"int", wire.mbps}};
  if (network_mbps > 0) made[kube::kNetworkAttribute] = {{"int", network_mbps}};
}

json capacity_of(const model::Device& card, bool shared) {
  // Less than one step above the least is refused, with all other cards of the node: of a sick card
  // nobody knows how much it has.
  const uint64_t memory = std::max(card.memory_bytes / kMiB, uint64_t{2}) * kMiB;
  const std::string bytes = kube::binary_quantity(memory);
  json compute = {{"value", "1000"}};
  json room = {{"value", bytes}};
  if (shared) {
    compute["requestPolicy"] = {{"default", "1000"},
                                {"validRange", {{"min", "1"}, {"max", "1000"}, {"step", "1"}}}};
    room["requestPolicy"] = {{"default", bytes},
                             {"validRange", {{"min", "1Mi"}, {"max", bytes}, {"step", "1Mi"}}}};
  }
  return {{kube::kComputeCapacity, compute}, {kube::kMemoryCapacity, room}};
}

// Label values are narrow: letters, digits, '-', '_' and '.', at most 63, a letter or digit at the
// ends.
std::string taint_value(const std::string& why) {
  std::string value;
  for (const char c : why) {
    const bool good = isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_';
    if (good)
      value += c;
    else if (!value.empty() && value.back() != '-')
      value += '-';
  }
  value.resize(std::min(value.size(), size_t{63}));
  while (!value.empty() && isalnum(static_cast<unsigned char>(value.back())) == 0) value.pop_back();
  const size_t begin = value.find_first_not_of("._-");
  return begin == std::string::npos ? "sick" : value.substr(begin);
}

// What can be written in several ways is written in one.
void settle(json& value) {
  if (!value.is_string()) return;
  if (auto read = kube::parse_quantity(value.get<std::string>()); read.ok()) value = *read;
}

json settled(json devices) {
  if (!devices.is_array()) return nullptr;
  for (json& device : devices) {
    if (!device.is_object()) return nullptr;
    if (device.contains("taints") && device["taints"].is_array())
      for (json& taint : device["taints"])
        if (taint.is_object()) taint.erase("timeAdded");
    if (!device.contains("capacity") || !device["capacity"].is_object()) continue;
    for (json& one : device["capacity"]) {
      if (!one.is_object()) continue;
      if (one.contains("value")) settle(one["value"]);
      if (!one.contains("requestPolicy") || !one["requestPolicy"].is_object()) continue;
      json& policy = one["requestPolicy"];
      if (policy.contains("default")) settle(policy["default"]);
      if (policy.contains("validRange") && policy["validRange"].is_object())
        for (json& bound : policy["validRange"]) settle(bound);
    }
  }
  return devices;
}

}  // namespace

std::string device_name(const std::string& card_key) {
  auto digest = wire::digest_of(wire::bytes_of(card_key));
  if (!digest.ok()) return "card-00000000";
  return "card-" + base::hex_of(std::span(*digest).first(4));
}

Wires wires_of(const std::vector<model::Device>& cards) {
  Wires wires;
  for (const model::Device& card : cards) wires.cards[card.key] = card_wire(card.pci);
  wires.network_mbps = host_mbps();
  return wires;
}

json devices_json(const std::vector<model::Device>& cards, bool shared, const Wires& wires) {
  std::map<std::string, json> by_name;
  for (const model::Device& card : cards) {
    json device = {{"name", device_name(card.key)},
                   {"attributes", attributes_of(card)},
                   {"capacity", capacity_of(card, shared)}};
    const auto wire = wires.cards.find(card.key);
    add_links(wire == wires.cards.end() ? CardWire() : wire->second, wires.network_mbps,
              &device["attributes"]);
    if (shared) device["allowMultipleAllocations"] = true;
    if (!card.healthy)
      device["taints"] = json::array({{{"key", kube::kUnhealthyTaint},
                                       {"value", taint_value(card.health)},
                                       {"effect", "NoSchedule"}}});
    by_name.emplace(device_name(card.key), std::move(device));
  }
  json devices = json::array();
  for (auto& [name, device] : by_name) devices.push_back(std::move(device));
  return devices;
}

json slice_json(const std::string& node, const std::string& node_uid, const std::string& name,
                const std::string& resource_version, int64_t generation, const json& devices) {
  json meta = {{"name", name}};
  if (!resource_version.empty()) meta["resourceVersion"] = resource_version;
  // Goes with its node.
  if (!node_uid.empty())
    meta["ownerReferences"] =
        json::array({{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}, {"uid", node_uid}}});
  return {{"apiVersion", "resource.k8s.io/v1"},
          {"kind", "ResourceSlice"},
          {"metadata", meta},
          {"spec",
           {{"driver", kube::kDriverName},
            {"nodeName", node},
            {"pool", {{"name", node}, {"generation", generation}, {"resourceSliceCount", 1}}},
            {"devices", devices}}}};
}

bool keeps_sharing(const json& kept) {
  if (!kept.is_array()) return false;
  for (const json& device : kept) {
    if (!device.is_object() || !device.contains("allowMultipleAllocations")) return false;
    if (device["allowMultipleAllocations"] != true || !device.contains("capacity")) return false;
    for (const json& one : device["capacity"])
      if (!one.is_object() || !one.contains("requestPolicy")) return false;
  }
  return true;
}

bool same_devices(const json& kept, const json& wanted) { return settled(kept) == settled(wanted); }

std::vector<DeviceHealth> health_of(const std::string& node,
                                    const std::vector<model::Device>& cards) {
  std::vector<DeviceHealth> health;
  for (const model::Device& card : cards)
    health.push_back({node, device_name(card.key), card.healthy ? "" : card.health, card.healthy});
  return health;
}

}  // namespace flexai::agent::dra
