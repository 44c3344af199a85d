#include "control/claim.h"

#include <algorithm>

#include "control/card.h"
#include "control/json_parts.h"
#include "kube/names.h"
#include "model/json.h"

namespace flexai::control {
namespace {

using base::Code;
using base::fail;

constexpr size_t kMostWays = 8, kMostRequests = 32;  // the API's own bounds
constexpr const char* kNoConfig = "[]";

base::Result<Amounts> amounts_of(const View& object) {
  Amounts amounts;
  for (const auto& [name, value] : object.members()) {
    FLEXAI_TRY_ASSIGN(const Amount amount,
                      value.is_string() ? parse_amount(value.text()) : parse_amount(dump(value)));
    amounts[qualified(std::string(name), kube::kDriverName)] = amount;
  }
  return amounts;
}

base::Result<Request> way_of(const View& json, const std::string& name) {
  Request r;
  r.name = name;
  r.device_class = text_at(json, "deviceClassName");
  FLEXAI_TRY_ASSIGN(r.selectors, selectors_of(list_at(json, "selectors")));
  for (const View t : list_at(json, "tolerations"))
    r.tolerations.push_back(
        {text_at(t, "key"), text_at(t, "operator"), text_at(t, "value"), text_at(t, "effect")});
  FLEXAI_TRY_ASSIGN(r.asked, amounts_of(at(json, "capacity", "requests")));
  const std::string mode = text_at(json, "allocationMode");
  if (mode != "ExactCount" && mode != "All" && !mode.empty())
    return fail(Code::kUnsupported, "allocationMode " + mode.substr(0, 40) + " is not known here");
  r.all = mode == "All";
  r.count = number_at(json, "count", 1);
  r.admin = true_at(json, "adminAccess");
  return r;
}

base::Result<std::vector<Request>> ways_of(const View& json) {
  const std::string name = text_at(json, "name");
  std::vector<Request> ways;
  if (at(json, "exactly").is_object()) {
    FLEXAI_TRY_ASSIGN(Request way, way_of(at(json, "exactly"), name));
    ways.push_back(std::move(way));
  }
  for (const View sub : list_at(json, "firstAvailable")) {
    FLEXAI_TRY_ASSIGN(Request way, way_of(sub, name + "/" + text_at(sub, "name")));
    ways.push_back(std::move(way));
  }
  if (ways.empty() || ways.size() > kMostWays)
    return fail(Code::kUnsupported, "it asks in a way that is not known here");
  return ways;
}

base::Status read_requests(const View& devices, ClaimFacts* claim) {
  if (list_at(devices, "requests").size() > kMostRequests)
    return fail(Code::kInvalid, "it has too many requests");
  for (const View json : list_at(devices, "requests")) {
    auto ways = ways_of(json);
    if (!ways.ok())
      return fail(ways.error().code,
                  "request " + text_at(json, "name") + ": " + ways.error().message);
    claim->requests.push_back(std::move(*ways));
  }
  for (const View json : list_at(devices, "constraints")) {
    Constraint c;
    for (const View request : list_at(json, "requests"))
      if (request.is_string()) c.requests.emplace_back(request.text());
    c.attribute = text_at(json, "matchAttribute");
    if (c.attribute.empty()) {
      c.attribute = text_at(json, "distinctAttribute");
      c.distinct = true;
    }
    if (c.attribute.empty())
      return fail(Code::kUnsupported, "it has a constraint of a kind that is not known here");
    claim->constraints.push_back(std::move(c));
  }
  return {};
}

void read_given(const View& allocation, ClaimFacts* claim) {
  for (const View result : list_at(at(allocation, "devices"), "results")) {
    Given g;
    g.request = text_at(result, "request");
    g.pool = text_at(result, "pool");
    g.card = text_at(result, "device");
    g.share_id = text_at(result, "shareID");
    g.ours = text_at(result, "driver") == kube::kDriverName;
    g.admin = true_at(result, "adminAccess");
    if (auto consumed = amounts_of(at(result, "consumedCapacity")); consumed.ok())
      g.consumed = std::move(*consumed);
    claim->given.push_back(std::move(g));
  }
}

// "hi" in device.attributes["xpu.flexai.io"], by itself or joined by &&: no card has it for others.
bool reserves(const cel::Part& p) {
  using Kind = cel::Part::Kind;
  if (p.kind == Kind::kAnd) return reserves(p.children[0]) || reserves(p.children[1]);
  if (p.kind != Kind::kBinary || p.text != "in") return false;
  const auto* name = p.children[0].literal.get<std::string>();
  const cel::Part& index = p.children[1];
  if (name == nullptr || *name != kube::kReservedAttribute || index.kind != Kind::kIndex)
    return false;
  const auto* domain = index.children[1].literal.get<std::string>();
  const cel::Part& field = index.children[0];
  return domain != nullptr && *domain == kube::kDriverName && field.kind == Kind::kField &&
         field.text == "attributes" && field.children[0].text == "device";
}

// Cards of the pool alone, besides what selectors say. Errors of a configuration are found by
// config_for() when it is used.
Selector only_in(const std::string& pool) {
  auto parsed = cel::parse("\"" + pool + "\" in device.attributes[\"" + kube::kPoolDomain + "\"]");
  return parsed.ok() ? *parsed : nullptr;
}

void keep_to_pools(ClaimFacts* claim) {
  if (claim->config == kNoConfig) return;
  for (auto& ways : claim->requests)
    for (Request& way : ways) {
      const auto config = config_for(ClassFacts{}, *claim, way);
      if (!config.ok() || config->pool.empty()) continue;
      way.pool = config->pool;
      way.selectors.push_back(only_in(way.pool));
      claim->wishes += way.name + "@" + way.pool;
    }
}

}  // namespace

base::Result<std::vector<Selector>> selectors_of(const kube::ObjectView& list) {
  std::vector<Selector> selectors;
  if (list.size() > kMostRequests) return fail(Code::kInvalid, "too many selectors");
  for (const View one : list) {
    if (!at(one, "cel").is_object())
      return fail(Code::kUnsupported, "a selector of a kind that is not known here");
    auto parsed = cel::parse(text_at(at(one, "cel"), "expression"));
    if (!parsed.ok()) return fail(Code::kUnsupported, "selector, " + parsed.error().message);
    selectors.push_back(*parsed);
  }
  return selectors;
}

base::Result<ClaimFacts> read_facts(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const View json, kube::view_object(text));
  FLEXAI_TRY_ASSIGN(const kube::Claim read, kube::read_claim(json));
  ClaimFacts claim;
  claim.ns = read.ns;
  claim.name = read.name;
  claim.uid = read.uid;
  claim.version = read.resource_version;
  claim.deleting = read.deleting;
  claim.allocated = read.allocated;
  claim.node = read.node;
  claim.reserved = read.pods;
  for (const View finalizer : list_at(at(json, "metadata"), "finalizers"))
    claim.has_finalizer = claim.has_finalizer || finalizer == kube::kClaimFinalizer;
  const View devices = at(json, "spec", "devices");
  if (const auto done = read_requests(devices, &claim); !done.ok())
    claim.wrong = done.error().message;
  claim.config = dump_list(list_at(devices, "config"));
  claim.wishes =
      "[" + dump_list(at(devices, "requests")) + "," + dump_list(at(devices, "constraints")) + "]";
  keep_to_pools(&claim);
  if (claim.allocated) read_given(at(json, "status", "allocation"), &claim);
  return claim;
}

base::Result<ClassFacts> read_class(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const View json, kube::view_object(text));
  ClassFacts of;
  of.name = text_at(at(json, "metadata"), "name");
  const View spec = at(json, "spec");
  auto selectors = selectors_of(list_at(spec, "selectors"));
  if (selectors.ok())
    of.selectors = std::move(*selectors);
  else
    of.wrong = "class " + of.name + ": " + selectors.error().message;
  of.config = dump_list(list_at(spec, "config"));
  of.wishes = dump_list(list_at(spec, "selectors"));
  for (const Selector& selector : of.selectors) of.ours = of.ours || reserves(*selector);
  const auto config = config_for(of, ClaimFacts{}, Request{});
  if (config.ok() && !config->pool.empty()) {
    of.pool = config->pool;
    of.selectors.push_back(only_in(of.pool));
    of.wishes += "@" + of.pool;
  }
  return of;
}

base::Result<kube::SliceConfig> config_for(const ClassFacts& of, const ClaimFacts& claim,
                                           const Request& request) {
  kube::SliceConfig config;
  const std::string parent = request.name.substr(0, request.name.find('/'));
  for (const std::string* text : {&of.config, &claim.config}) {
    if (text->empty() || *text == kNoConfig) continue;
    FLEXAI_TRY_ASSIGN(const Json list, model::parse_json(*text));
    for (const Json& one : list) {
      if (text_at(at(one, "opaque"), "driver") != kube::kDriverName) continue;
      const Json& names = list_at(one, "requests");
      const bool concerns = names.empty() ||
                            std::find(names.begin(), names.end(), request.name) != names.end() ||
                            std::find(names.begin(), names.end(), parent) != names.end();
      if (concerns) FLEXAI_TRY(kube::read_slice_config(at(one, "opaque", "parameters"), &config));
    }
  }
  return config;
}

}  // namespace flexai::control
