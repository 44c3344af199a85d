#include "apps/kubectl/views.h"

#include "kube/lease.h"
#include "kube/names.h"
#include "kube/quantity.h"
#include "model/quantity.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

const json& at(const json& object, std::initializer_list<const char*> path) {
  static const json kNone;
  const json* here = &object;
  for (const char* key : path) {
    if (!here->is_object() || !here->contains(key)) return kNone;
    here = &(*here)[key];
  }
  return *here;
}

std::string text(const json& object, std::initializer_list<const char*> path) {
  const json& found = at(object, path);
  return found.is_string() ? found.get<std::string>() : "";
}

uint64_t number(const json& object, std::initializer_list<const char*> path) {
  const json& found = at(object, path);
  return found.is_number_unsigned() ? found.get<uint64_t>() : 0;
}

uint64_t quantity(const json& object, std::initializer_list<const char*> path) {
  const auto read = kube::parse_quantity(text(object, path));
  return read.ok() ? *read : 0;
}

std::vector<kube::Lease> live(const Objects& objects) {
  std::vector<kube::Lease> leases;
  for (const json& object : objects)
    if (auto lease = kube::read_lease(object);
        lease.ok() && lease->status.phase != kube::LeasePhase::kReleased)
      leases.push_back(std::move(*lease));
  return leases;
}

std::string health(const json& device) {
  const json& taints = at(device, {"taints"});
  for (const json& taint : taints.is_array() ? taints : json::array())
    if (text(taint, {"key"}) == kube::kUnhealthyTaint) return "sick: " + text(taint, {"value"});
  return "ok";
}

void add_device(const std::string& pool, const json& device, const std::vector<kube::Lease>& all,
                View* view) {
  const std::string name = text(device, {"name"});
  uint64_t granted = 0, memory = 0, used = 0, pods = 0;
  for (const kube::Lease& lease : all) {
    if (lease.spec.pool != pool || lease.spec.device != name) continue;
    granted += lease.spec.compute_milli;
    memory += lease.spec.memory_bytes;
    used += lease.status.used_milli.value_or(0);
    ++pods;
  }
  const uint64_t total = quantity(device, {"capacity", "memory", "value"});
  const std::string model = text(device, {"attributes", "model", "string"});
  view->rows.push_back({pool, name, model, format_milli(granted), format_milli(used),
                        model::format_bytes(total),
                        model::format_bytes(total > memory ? total - memory : 0),
                        std::to_string(pods), health(device)});
  view->facts.push_back({{"node", pool},
                         {"card", name},
                         {"model", model},
                         {"granted", granted},
                         {"used", used},
                         {"memory", total},
                         {"memoryGranted", memory},
                         {"slices", pods},
                         {"health", health(device)}});
}

// What the hi-scheduler says (docs/kubernetes.md), and what helps.
constexpr const char* kAdvice[][2] = {
    {"is at its limit", "wait for others of the queue, or raise the limit of its XpuQueue"},
    {"members are there", "create the missing pods of the gang"},
    {"selector, at character", "mend the selector of the claim at that character"},
    {"which Flexai does not place", "put devices of other drivers into a claim of their own"},
    {"even when empty", "ask for less: no card is that large"},
    {"without a card", "wait for a slice to end, ask for less, or add a card"},
    {"too few free processors", "ask for fewer processors, or add a node"},
    {"has no device card-", "delete the pod and its claim: the cards of the node have changed"},
    {"no flexaid listens", "look at the agent of that node: kubectl -n flexai-system get pods"},
};

}  // namespace

View devices_view(const Objects& slices, const Objects& leases) {
  View view{{{"NODE"},
             {"CARD"},
             {"MODEL"},
             {"GRANTED", true},
             {"USED", true},
             {"MEMORY", true},
             {"FREE MEMORY", true},
             {"SLICES", true},
             {"HEALTH"}},
            {}};
  const auto all = live(leases);
  for (const json& slice : slices) {
    if (text(slice, {"spec", "driver"}) != kube::kDriverName) continue;
    const json& devices = at(slice, {"spec", "devices"});
    for (const json& device : devices.is_array() ? devices : json::array())
      add_device(text(slice, {"spec", "pool", "name"}), device, all, &view);
  }
  return view;
}

View slices_view(const Objects& leases) {
  View view{{{"NAMESPACE"},
             {"POD"},
             {"RUNS ON"},
             {"CARD OF"},
             {"COMPUTE", true},
             {"USED", true},
             {"MEMORY", true},
             {"QUEUE"},
             {"PHASE"}},
            {}};
  for (const kube::Lease& lease : live(leases)) {
    const std::string pod = lease.spec.pod.name.empty() ? "-" : lease.spec.pod.name;
    const std::optional<uint32_t>& used = lease.status.used_milli;  // not in its first minute
    view.rows.push_back({lease.ns, pod, lease.spec.node, lease.spec.pool,
                         format_milli(lease.spec.compute_milli), used ? format_milli(*used) : "-",
                         model::format_bytes(lease.spec.memory_bytes), lease.spec.queue,
                         kube::phase_name(lease.status.phase)});
    view.facts.push_back({{"namespace", lease.ns},
                          {"lease", lease.name},
                          {"pod", lease.spec.pod.name},
                          {"node", lease.spec.node},
                          {"pool", lease.spec.pool},
                          {"card", lease.spec.device},
                          {"compute", lease.spec.compute_milli},
                          {"used", used ? json(*used) : json()},
                          {"memory", lease.spec.memory_bytes},
                          {"queue", lease.spec.queue},
                          {"phase", kube::phase_name(lease.status.phase)}});
  }
  return view;
}

View queues_view(const Objects& queues) {
  View view{{{"QUEUE"},
             {"PARENT"},
             {"GUARANTEE", true},
             {"DESERVED", true},
             {"USED", true},
             {"RUNNING", true},
             {"PENDING", true}},
            {}};
  for (const json& queue : queues) {
    std::vector<std::string> row{text(queue, {"metadata", "name"}),
                                 text(queue, {"spec", "parent"})};
    json fact = {{"queue", row[0]}, {"parent", row[1]}};
    for (const char* key : {"guarantee", "deserved"}) {
      row.push_back(std::to_string(number(queue, {"spec", key})));
      fact[key] = number(queue, {"spec", key});
    }
    for (const char* key : {"used", "running", "pending"}) {
      row.push_back(std::to_string(number(queue, {"status", key})));
      fact[key] = number(queue, {"status", key});
    }
    view.rows.push_back(std::move(row));
    view.facts.push_back(std::move(fact));
  }
  return view;
}

Explained explain_pod(const json& pod) {
  const std::string phase = text(pod, {"status", "phase"});
  if (phase == "Running" || phase == "Succeeded" || phase == "Failed")
    return {phase, "it is placed on node " + text(pod, {"spec", "nodeName"}), ""};
  Explained told{"Pending", "nobody has said anything about it yet",
                 "see that the hi-scheduler runs: kubectl -n flexai-system get pods"};
  const json& conditions = at(pod, {"status", "conditions"});
  for (const json& one : conditions.is_array() ? conditions : json::array()) {
    if (text(one, {"type"}) != "PodScheduled") continue;
    if (text(one, {"status"}) == "True")
      return {"Placed",
              "it is placed on node " + text(pod, {"spec", "nodeName"}) + " and starts there",
              "see its events: kubectl describe pod"};
    told = {text(one, {"reason"}), text(one, {"message"}), "see docs/kubernetes.md"};
  }
  for (const auto& [words, advice] : kAdvice)
    if (told.message.find(words) != std::string::npos) told.advice = advice;
  return told;
}

}  // namespace flexai::apps
