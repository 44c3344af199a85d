#include "control/pod.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "control/json_parts.h"
#include "kube/names.h"
#include "kube/time_text.h"

namespace flexai::control {
namespace {

using Resources = std::map<std::string, int64_t>;  // milli

Resources amounts_of(const View& object) {
  Resources r;
  for (const auto& [name, value] : object.members()) {
    if (!value.is_string()) continue;
    if (const auto amount = parse_amount(value.text()); amount.ok())
      r[std::string(name)] = std::max<int64_t>(0, amount->milli());
  }
  return r;
}

Resources requests_of(const View& container) {
  return amounts_of(at(container, "resources", "requests"));
}

void add(Resources* to, const Resources& more) {
  for (const auto& [name, amount] : more) (*to)[name] += amount;
}

void at_least(Resources* to, const Resources& least) {
  for (const auto& [name, amount] : least) (*to)[name] = std::max((*to)[name], amount);
}

// Containers and side-cars run together; each other init container beside the side-cars before it.
Resources resources_of(const View& spec) {
  Resources all, before, most;
  for (const View c : list_at(spec, "containers")) add(&all, requests_of(c));
  for (const View c : list_at(spec, "initContainers")) {
    const Resources own = requests_of(c);
    Resources now = before;
    add(&now, own);
    at_least(&most, now);
    if (text_at(c, "restartPolicy") == "Always") before = std::move(now);
  }
  add(&all, before);
  at_least(&all, most);
  // What the pod as a whole asks for counts instead.
  for (const auto& [name, amount] : requests_of(spec)) all[name] = amount;
  add(&all, amounts_of(at(spec, "overhead")));
  return all;
}

std::vector<HostPort> ports_of(const View& spec) {
  std::vector<HostPort> ports;
  for (const char* kind : {"containers", "initContainers"})
    for (const View container : list_at(spec, kind))
      for (const View port : list_at(container, "ports"))
        if (const int64_t number = number_at(port, "hostPort"); number > 0 && number < 65536) {
          const std::string protocol = text_at(port, "protocol");
          ports.push_back({text_at(port, "hostIP"), protocol.empty() ? "TCP" : protocol,
                           static_cast<int32_t>(number)});
        }
  return ports;
}

Requirement requirement_of(const View& json) {
  static const std::map<std::string, Requirement::How> kHows = {
      {"In", Requirement::How::kIn},         {"NotIn", Requirement::How::kNotIn},
      {"Exists", Requirement::How::kExists}, {"DoesNotExist", Requirement::How::kDoesNotExist},
      {"Gt", Requirement::How::kGt},         {"Lt", Requirement::How::kLt}};
  Requirement r;
  r.key = text_at(json, "key");
  if (const auto how = kHows.find(text_at(json, "operator")); how != kHows.end())
    r.how = how->second;
  for (const View value : list_at(json, "values"))
    if (value.is_string()) r.values.emplace_back(value.text());
  return r;
}

Constraints constraints_of(const View& spec) {
  Constraints c;
  for (const auto& [key, value] : at(spec, "nodeSelector").members())
    if (value.is_string()) c.node_selector[std::string(key)] = value.text();
  const View required =
      at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  c.has_affinity = required.is_object();
  c.affinity = terms_of(required);
  for (const View t : list_at(spec, "tolerations"))
    c.tolerations.push_back(
        {text_at(t, "key"), text_at(t, "operator"), text_at(t, "value"), text_at(t, "effect")});
  c.ports = ports_of(spec);
  return c;
}

// Whole, 1 and more.
bool positive(const std::string& text, int64_t most, int64_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out >= 1 && *out <= most;
}

void read_gang(const View& meta, PodWish* wish) {
  const View labels = at(meta, "labels");
  const View notes = at(meta, "annotations");
  wish->queue = text_at(labels, kube::kQueueLabel);
  if (wish->queue.empty()) wish->queue = kube::kDefaultQueue;
  wish->gang = text_at(labels, kube::kGangLabel);
  int64_t size = 0;
  const std::string named = text_at(notes, kube::kGangSizeAnnotation);
  if (!named.empty() && !positive(named, 256, &size))
    wish->wrong = std::string("annotation ") + kube::kGangSizeAnnotation + " is \"" +
                  named.substr(0, 20) + "\", must be in 1..256";
  if (!wish->gang.empty() && named.empty())
    wish->wrong =
        "it is of gang " + wish->gang + " but has no annotation " + kube::kGangSizeAnnotation;
  wish->gang_size = wish->gang.empty() ? 0 : static_cast<uint32_t>(size);
  const std::string timeout = text_at(notes, kube::kGangTimeoutAnnotation);
  if (!timeout.empty() && !positive(timeout, 86400, &wish->gang_timeout_s))
    wish->wrong = std::string("annotation ") + kube::kGangTimeoutAnnotation + " is \"" +
                  timeout.substr(0, 20) + "\", must be in 1..86400 seconds";
}

std::string claim_name(const View& claim, const View& status) {
  const std::string own = text_at(claim, "resourceClaimName");
  if (!own.empty()) return own;
  for (const View made : list_at(status, "resourceClaimStatuses"))
    if (text_at(made, "name") == text_at(claim, "name")) return text_at(made, "resourceClaimName");
  return "";
}

std::shared_ptr<const PodWish> wish_of(const View& pod, const Resources& extras) {
  const View spec = at(pod, "spec");
  const View status = at(pod, "status");
  auto wish = std::make_shared<PodWish>();
  for (const View claim : list_at(spec, "resourceClaims"))
    wish->claims.push_back({text_at(claim, "name"), claim_name(claim, status)});
  for (const View gate : list_at(spec, "schedulingGates")) {
    ++wish->gates;
    wish->gated = wish->gated || text_at(gate, "name") == kube::kGate;
  }
  wish->constraints = constraints_of(spec);
  wish->constraints.extras = extras;
  for (const View volume : list_at(spec, "volumes")) {
    const std::string claim = text_at(at(volume, "persistentVolumeClaim"), "claimName");
    if (!claim.empty()) wish->volumes.push_back(claim);
    if (at(volume, "ephemeral").is_object())
      wish->volumes.push_back(text_at(at(pod, "metadata"), "name") + "-" + text_at(volume, "name"));
  }
  wish->priority =
      static_cast<int32_t>(std::clamp<int64_t>(number_at(spec, "priority"), -1'000'000, 1'000'000));
  wish->may_be_preempted = wish->priority < 1'000'000;  // of what the system needs, never
  Json more = Json::array();
  for (const HostPort& p : wish->constraints.ports)
    more.push_back(p.address + "/" + p.protocol + "/" + std::to_string(p.port));
  for (const std::string& volume : wish->volumes)
    more.push_back(text_at(at(pod, "metadata"), "namespace") + "/" + volume);
  wish->constraints_key =
      "[" + dump(at(spec, "nodeSelector")) + "," + dump(at(spec, "affinity", "nodeAffinity")) +
      "," + dump(at(spec, "tolerations")) + "," + dump(extras) + "," + dump(more) + "]";
  read_gang(at(pod, "metadata"), wish.get());
  for (const View condition : list_at(status, "conditions")) {
    if (text_at(condition, "type") != "PodScheduled") continue;
    wish->reason = text_at(condition, "reason");
    wish->message = text_at(condition, "message");
  }
  return wish;
}

int64_t taken(Resources* all, const char* name) {
  const auto node = all->extract(name);
  return node.empty() ? 0 : node.mapped();
}

}  // namespace

std::vector<NodeTerm> terms_of(const View& selector) {
  std::vector<NodeTerm> terms;
  for (const View term : list_at(selector, "nodeSelectorTerms")) {
    NodeTerm t;
    for (const View r : list_at(term, "matchExpressions")) t.labels.push_back(requirement_of(r));
    for (const View r : list_at(term, "matchFields")) t.fields.push_back(requirement_of(r));
    terms.push_back(std::move(t));
  }
  return terms;
}

int64_t seconds_of(std::string_view time) {
  if (const auto plain = kube::plain_seconds(time)) return *plain;
  std::tm tm{};
  const std::string text(time.substr(0, 20));
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  return end == nullptr ? 0 : timegm(&tm);
}

base::Result<PodFacts> read_pod(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const View pod, kube::view_object(text));
  const View meta = at(pod, "metadata");
  const View spec = at(pod, "spec");
  PodFacts p;
  p.ns = text_at(meta, "namespace");
  p.name = text_at(meta, "name");
  p.uid = text_at(meta, "uid");
  p.node = text_at(spec, "nodeName");
  p.deleting = !at(meta, "deletionTimestamp").is_null();
  for (const View owner : list_at(meta, "ownerReferences"))
    p.has_controller = p.has_controller || true_at(owner, "controller");
  p.created_s = seconds_of(text_at(meta, "creationTimestamp"));
  const std::string phase = text_at(at(pod, "status"), "phase");
  p.finished = phase == "Succeeded" || phase == "Failed";
  p.running = phase == "Running";
  Resources all = resources_of(spec);
  p.cpu_milli = taken(&all, "cpu");
  p.memory = taken(&all, "memory") / 1000;
  all.erase("ephemeral-storage");
  p.ports = ports_of(spec);
  p.extras = std::move(all);
  if (!list_at(spec, "resourceClaims").empty() || !list_at(spec, "schedulingGates").empty())
    p.wish = wish_of(pod, p.extras);
  return p;
}

base::Result<NodeFacts> read_node(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const View node, kube::view_object(text));
  NodeFacts n;
  n.name = text_at(at(node, "metadata"), "name");
  for (const auto& [key, value] : at(node, "metadata", "labels").members())
    if (value.is_string()) n.labels[std::string(key)] = value.text();
  for (const View t : list_at(at(node, "spec"), "taints"))
    n.taints.push_back({text_at(t, "key"), text_at(t, "value"), text_at(t, "effect")});
  n.unschedulable = true_at(at(node, "spec"), "unschedulable");
  Resources all = amounts_of(at(node, "status", "allocatable"));
  n.cpu_milli = taken(&all, "cpu");
  n.memory = taken(&all, "memory") / 1000;
  n.pods = taken(&all, "pods") / 1000;
  all.erase("ephemeral-storage");
  n.extras = std::move(all);
  return n;
}

}  // namespace flexai::control
