#include "control/card.h"

#include <algorithm>

#include "control/json_parts.h"
#include "kube/names.h"
#include "kube/object_json.h"

namespace flexai::control {
namespace {

using base::Code;
using base::fail;

cel::Value value_of(const Json& attribute) {
  if (at(attribute, "string").is_string()) return {text_at(attribute, "string")};
  if (at(attribute, "bool").is_boolean()) return {true_at(attribute, "bool")};
  if (at(attribute, "int").is_number_integer()) return {number_at(attribute, "int")};
  if (const auto version = cel::parse_version(text_at(attribute, "version"))) return {*version};
  return {};
}

std::optional<Amount> amount_at(const Json& object, const char* key) {
  if (!at(object, key).is_string()) return std::nullopt;
  const auto amount = parse_amount(text_at(object, key));
  return amount.ok() ? std::optional(*amount) : std::nullopt;
}

Capacity capacity_of(const Json& json) {
  Capacity c;
  c.whole = amount_at(json, "value").value_or(Amount{});
  const Json& policy = at(json, "requestPolicy");
  c.policy.present = policy.is_object();
  c.policy.usual = amount_at(policy, "default");
  for (const Json& value : list_at(policy, "validValues"))
    if (value.is_string())
      if (const auto amount = parse_amount(value.get<std::string>()); amount.ok())
        c.policy.valid.push_back(*amount);
  std::sort(c.policy.valid.begin(), c.policy.valid.end());
  const Json& range = at(policy, "validRange");
  c.policy.least = amount_at(range, "min");
  c.policy.most = amount_at(range, "max");
  c.policy.step = amount_at(range, "step");
  return c;
}

// {domain: {name: value}}, where a domain that nobody uses is empty.
cel::Value by_domain(const std::map<std::string, cel::Value>& values) {
  std::map<std::string, cel::Map> domains;
  for (const auto& [name, value] : values) {
    const size_t slash = name.find('/');
    domains[name.substr(0, slash)].entries.emplace_back(cel::Value{name.substr(slash + 1)}, value);
  }
  cel::Map all;
  all.never_misses = true;
  for (auto& [domain, map] : domains)
    all.entries.emplace_back(cel::Value{domain}, cel::map_of(std::move(map)));
  return cel::map_of(std::move(all));
}

cel::Value seen(const Card& card) {
  std::map<std::string, cel::Value> capacities;
  for (const auto& [name, capacity] : card.capacities) capacities[name] = {capacity.whole};
  auto attributes = card.attributes;
  attributes[qualified(kube::kReservedAttribute, kube::kDriverName)] = {true};
  // What is published in our own domain of pools is nobody's word.
  std::erase_if(attributes, [](const auto& one) {
    return one.first.starts_with(std::string(kube::kPoolDomain) + "/");
  });
  for (const std::string& pool : card.pools)
    attributes[std::string(kube::kPoolDomain) + "/" + pool] = {true};
  cel::Map device;
  device.entries = {{{std::string("driver")}, {std::string(kube::kDriverName)}},
                    {{std::string("attributes")}, by_domain(attributes)},
                    {{std::string("capacity")}, by_domain(capacities)},
                    {{std::string("allowMultipleAllocations")}, {card.shared}}};
  return cel::map_of(std::move(device));
}

Card card_of(const Json& json, const std::string& pool, const std::string& node) {
  Card card;
  card.pool = pool;
  card.node = node;
  card.name = text_at(json, "name");
  for (const auto& [name, value] : object_at(json, "attributes").items())
    card.attributes[qualified(name, kube::kDriverName)] = value_of(value);
  for (const auto& [name, value] : object_at(json, "capacity").items())
    card.capacities[qualified(name, kube::kDriverName)] = capacity_of(value);
  for (const Json& t : list_at(json, "taints"))
    card.taints.push_back({text_at(t, "key"), text_at(t, "value"), text_at(t, "effect")});
  card.shared = true_at(json, "allowMultipleAllocations");
  if (!list_at(json, "consumesCounters").empty()) card.foreign = "it is a partition of a device";
  if (!list_at(json, "bindingConditions").empty()) card.foreign = "it has binding conditions";
  card.seen = seen(card);
  return card;
}

template <typename T>
T attribute(const Card& card, const std::string& name) {
  const auto found = card.attributes.find(name);
  const auto* value = found == card.attributes.end() ? nullptr : found->second.get<T>();
  return value == nullptr ? T() : *value;
}

int64_t capacity(const Card& card, const std::string& name, int64_t usual) {
  const auto found = card.capacities.find(name);
  return found == card.capacities.end() ? usual : found->second.whole.value();
}

// Asked for so often that they are made once.
std::string own(const char* name) { return qualified(name, kube::kDriverName); }
const std::string kModel = own("model"), kNcu = own("ncu"), kRoot = own(kube::kRootAttribute),
                  kLink = own(kube::kLinkAttribute), kNetwork = own(kube::kNetworkAttribute),
                  kCompute = own(kube::kComputeCapacity), kMemory = own(kube::kMemoryCapacity);

}  // namespace

std::string qualified(const std::string& name, const std::string& domain) {
  return name.find('/') == std::string::npos ? domain + "/" + name : name;
}

std::string Card::model() const {
  const std::string text = attribute<std::string>(*this, kModel);
  return text.empty() ? "unknown" : text;
}

int64_t Card::ncu_milli() const { return attribute<int64_t>(*this, kNcu); }
std::string Card::root() const { return attribute<std::string>(*this, kRoot); }
int64_t Card::link_mbps() const { return attribute<int64_t>(*this, kLink); }
int64_t Card::network_mbps() const { return attribute<int64_t>(*this, kNetwork); }

int64_t Card::compute() const { return capacity(*this, kCompute, 1000); }
int64_t Card::memory() const { return capacity(*this, kMemory, 0); }

base::Result<std::optional<CardSlice>> read_slice(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const Json json, kube::parse_object(text));
  const Json& spec = at(json, "spec");
  if (text_at(spec, "driver") != kube::kDriverName) return std::optional<CardSlice>();
  CardSlice slice;
  slice.pool = text_at(at(spec, "pool"), "name");
  slice.generation = number_at(at(spec, "pool"), "generation");
  slice.slices = number_at(at(spec, "pool"), "resourceSliceCount", 1);
  for (const Json& device : list_at(spec, "devices"))
    slice.cards.push_back(
        std::make_shared<const Card>(card_of(device, slice.pool, text_at(spec, "nodeName"))));
  return std::optional(std::move(slice));
}

std::vector<std::shared_ptr<const Card>> cards_of(const std::vector<const CardSlice*>& slices) {
  int64_t newest = -1, count = 0, there = 0;
  for (const CardSlice* slice : slices)
    if (slice->generation > newest) newest = slice->generation, count = slice->slices;
  std::vector<std::shared_ptr<const Card>> cards;
  for (const CardSlice* slice : slices) {
    if (slice->generation != newest) continue;
    ++there;
    cards.insert(cards.end(), slice->cards.begin(), slice->cards.end());
  }
  if (there != count) return {};
  std::sort(cards.begin(), cards.end(),
            [](const auto& a, const auto& b) { return a->name < b->name; });
  return cards;
}

std::shared_ptr<const Card> in_pools(const Card& card, std::set<std::string> pools) {
  auto made = std::make_shared<Card>(card);
  made->pools = std::move(pools);
  made->seen = seen(*made);
  return made;
}

std::optional<Amount> taken_of(const Capacity& c, const std::optional<Amount>& asked) {
  const CapacityPolicy& p = c.policy;
  if (!asked) {
    const Amount all = p.usual.value_or(c.whole);
    return all > c.whole ? std::nullopt : std::optional(all);
  }
  Amount taken = *asked;
  if (!p.present) {
    taken = *asked;
  } else if (!p.valid.empty()) {
    const auto enough = std::lower_bound(p.valid.begin(), p.valid.end(), *asked);
    if (enough == p.valid.end()) return std::nullopt;
    taken = *enough;
  } else if (p.least) {
    taken = std::max(*asked, *p.least);
    if (p.step && p.step->nano > 0) {
      const Amount::Wide over = (taken - *p.least).nano, step = p.step->nano;
      taken = Amount{p.least->nano + (over + step - 1) / step * step};
    }
    if (p.most && taken > *p.most) return std::nullopt;
  }
  return taken > c.whole ? std::nullopt : std::optional(taken);
}

}  // namespace flexai::control
