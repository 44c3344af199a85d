#include "apps/kubectl/views.h"

#include "kube/lease.h"
#include "kube/names.h"
#include "kube/object_view.h"
#include "kube/quantity.h"
#include "kube/reasons.h"
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

std::string thousandths(uint64_t milli) {
  std::string part = std::to_string(milli % 1000 + 1000).substr(1);
  return std::to_string(milli / 1000) + "." + part;
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
    const kube::LeaseTarget& to = lease.spec.target;  // both are held on the way
    const bool here = lease.spec.pool == pool && lease.spec.device == name;
    if (!here && (to.pool != pool || to.device != name)) continue;
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

// By the words of kube/reasons.h; docs/kubernetes.md has the same table.
constexpr std::pair<std::string_view, const char*> kAdvice[] = {
    {"NodeClosed", "uncordon nodes, or tolerate their taints"},
    {"WrongModel", "ask for a model that there is: kubectl flexai devices"},
    {"LabelMissing", "mend the node selector, or label nodes"},
    {"WrongZone", "mend the zone that it asks for"},
    {"NoCards", "wait for a slice to end, ask for less, or add a card: kubectl flexai top"},
    {"NoProcessor", "ask for fewer processors, or add a node"},
    {"NoMemory", "ask for less memory, or add a node"},
    {"NoCardMemory", "ask for less memory of the card: kubectl flexai devices"},
    {"NoNetwork", "wait: the way to the node with the card is full"},
    {"RemoteForbidden",
     "allow a remote card (reach: prefer-local), or free the node with the card"},
    {"RemoteSpent", "wait, or raise --remote-percent of the hi-scheduler"},
    {"Spread", "its members must be on several nodes: add nodes, or ask for fewer"},
    {"NotAllowed", "mend selectors, node affinity or tolerations, as the message names them"},
    {"NeverFits", "ask for less: no node could hold it even when empty"},
    {"QueueLimit", "wait for others of the queue, or raise the limit of its XpuQueue"},
    {"ModelCap", "take another model, or raise the queue's cap of this one"},
    {"GangPartial", "wait: the others of the gang have no room yet"},
    {"GangIncomplete", "create the missing pods of the gang"},
    {"BehindHead", "wait: older work goes first"},
    {"GivingWay", "wait: it starts when the named pods have given way"},
    {"ClaimNotThere", "wait a moment; if it stays, see the events of the claim"},
    {"NotFound", "create what is named, or mend its name in claim or pod"},
    {"Denied", "ask the administrator for the right, or leave it out of the claim"},
    {"Unsupported",
     "mend the claim where the message says; devices of other drivers need a claim of "
     "their own"},
    {"Invalid", "mend the field that the message names"},
    {"Waiting", "wait: it is looked at again when something changes"},
    {"ImageUnfit", "build the program on another base image, as the message says"},
};

// The newest warning about a pod that has been placed.
const json* last_warning(const Objects& events) {
  const json* last = nullptr;
  std::string when;
  for (const json& event : events) {
    if (text(event, {"type"}) != "Warning" || text(event, {"reason"}) == "FailedScheduling")
      continue;
    std::string at = text(event, {"series", "lastObservedTime"});
    if (at.empty()) at = text(event, {"deprecatedLastTimestamp"});
    if (at.empty()) at = text(event, {"eventTime"});
    if (last == nullptr || at >= when) last = &event, when = at;
  }
  return last;
}

// What a container runtime said of a container that it could not start: "" of all others.
std::string_view start_reason(const json& pod) {
  for (const char* kind : {"initContainerStatuses", "containerStatuses"}) {
    const json& all = at(pod, {"status", kind});
    for (const json& one : all.is_array() ? all : json::array())
      for (const auto& [when, state] :
           {std::pair{"state", "waiting"}, {"state", "terminated"}, {"lastState", "terminated"}}) {
        const json& message = at(one, {when, state, "message"});
        if (!message.is_string()) continue;
        const auto found = kube::start_reason_in(message.get_ref<const std::string&>());
        if (!found.empty()) return found;
      }
  }
  return "";
}

Explained explain_placed(const std::string& node, const Objects& events) {
  if (const json* event = last_warning(events))
    return {text(*event, {"reason"}), text(*event, {"note"}),
            "it is placed on node " + node + "; docs/kubernetes.md, \"When a pod does not start\""};
  return {"Placed", "it is placed on node " + node + " and starts there",
          "see its events: kubectl describe pod"};
}

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
    const std::string& to = lease.spec.target.pool;
    view.rows.push_back({lease.ns, pod, lease.spec.node,
                         to.empty() ? lease.spec.pool : lease.spec.pool + " > " + to,
                         format_milli(lease.spec.compute_milli), used ? format_milli(*used) : "-",
                         model::format_bytes(lease.spec.memory_bytes), lease.spec.queue,
                         kube::phase_name(lease.status.phase)});
    view.facts.push_back({{"namespace", lease.ns},
                          {"lease", lease.name},
                          {"pod", lease.spec.pod.name},
                          {"node", lease.spec.node},
                          {"pool", lease.spec.pool},
                          {"card", lease.spec.device},
                          {"to", to.empty() ? json() : json(to)},
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

namespace {

std::string speed_text(uint64_t mbps) {
  return mbps < 1000 ? std::to_string(mbps) + " Mbit/s" : std::to_string(mbps / 1000) + " Gbit/s";
}

// What is known of them; "-": nothing.
std::string links_text(const json& links) {
  const uint64_t together = number(links, {"together"}), slowest = number(links, {"slowest"}),
                 network = number(links, {"network"});
  std::string words;
  const auto add = [&words](const std::string& more) {
    words += (words.empty() ? "" : ", ") + more;
  };
  if (together > 0) add(std::to_string(together) + " below one root");
  if (slowest > 0) add("cards " + speed_text(slowest));
  if (network > 0) add("network " + speed_text(network));
  return words.empty() ? "-" : words;
}

}  // namespace

View pools_view(const Objects& pools) {
  View view{{{"POOL"},
             {"NODES", true},
             {"CARDS", true},
             {"USED", true},
             {"FREE", true},
             {"LARGEST", true},
             {"FREE MEMORY", true},
             {"SLICES", true},
             {"LINKS"},
             {"HEALTH"}},
            {}};
  for (const json& pool : pools) {
    const std::string name = text(pool, {"metadata", "name"});
    json fact = {{"pool", name}, {"models", at(pool, {"status", "models"})}};
    for (const char* key : {"nodes", "cards", "sick", "drained", "compute", "used", "free",
                            "largest", "memory", "memoryFree", "ncu", "slices"})
      fact[key] = number(pool, {"status", key});
    std::string health = "not looked at yet";
    const json& conditions = at(pool, {"status", "conditions"});
    for (const json& one : conditions.is_array() ? conditions : json::array())
      if (text(one, {"type"}) == "Ready") {
        const std::string message = text(one, {"message"});
        health = text(one, {"status"}) == "True" ? "ok" : text(one, {"reason"});
        if (!message.empty()) health += ": " + message;
      }
    fact["health"] = health;
    fact["links"] = at(pool, {"status", "links"});
    view.rows.push_back(
        {name, std::to_string(fact["nodes"].get<uint64_t>()),
         std::to_string(fact["cards"].get<uint64_t>()), thousandths(fact["used"].get<uint64_t>()),
         thousandths(fact["free"].get<uint64_t>()), format_milli(fact["largest"].get<uint64_t>()),
         model::format_bytes(fact["memoryFree"].get<uint64_t>()),
         std::to_string(fact["slices"].get<uint64_t>()), links_text(at(pool, {"status", "links"})),
         health});
    view.facts.push_back(std::move(fact));
  }
  return view;
}

View usage_view(const Objects& queues) {
  View view{{{"QUEUE"}, {"NCU NOW", true}, {"NCU WAITING", true}, {"NCU-HOURS", true}}, {}};
  for (const json& queue : queues) {
    const std::string name = text(queue, {"metadata", "name"});
    std::vector<std::string> row{name};
    json fact = {{"queue", name}};
    for (const char* key : {"used", "unmet", "ncuHours"}) {
      const json& found = at(queue, {"status", key});
      fact[key] = found.is_number_unsigned() ? found : json();
      row.push_back(found.is_number_unsigned() ? thousandths(found.get<uint64_t>()) : "-");
    }
    view.rows.push_back(std::move(row));
    view.facts.push_back(std::move(fact));
  }
  return view;
}

std::string advice_for(std::string_view reason) {
  for (const auto& [word, advice] : kAdvice)
    if (word == reason) return advice;
  return "";
}

Explained explain_pod(const json& pod, const Objects& events) {
  const std::string phase = text(pod, {"status", "phase"}), node = text(pod, {"spec", "nodeName"});
  if (const auto said = start_reason(pod); !said.empty() && phase != "Running") {
    const size_t end = said.find(": ");
    return {std::string(said.substr(0, end)), std::string(said.substr(end + 2)),
            advice_for(said.substr(0, end))};
  }
  if (phase == "Running" || phase == "Succeeded" || phase == "Failed")
    return {phase, "it is placed on node " + node, ""};
  if (!node.empty()) return explain_placed(node, events);
  Explained told{"Pending", "nobody has said anything about it yet",
                 "see that the hi-scheduler runs: kubectl -n flexai-system get pods"};
  // A pod without our gate has kube-scheduler's condition; what we say of it is in an event.
  std::vector<std::pair<std::string, std::string>> said;
  for (const json& event : events)
    if (text(event, {"reason"}) == "FailedScheduling")
      said.emplace_back(text(event, {"reason"}), text(event, {"note"}));
  const json& conditions = at(pod, {"status", "conditions"});
  for (const json& one : conditions.is_array() ? conditions : json::array())
    if (text(one, {"type"}) == "PodScheduled" && text(one, {"status"}) == "False")
      said.emplace_back(text(one, {"reason"}), text(one, {"message"}));
  for (const auto& [reason, message] : said) {
    const std::string_view word = kube::wait_reason_of(message);
    if (word.empty()) {
      if (kube::wait_reason_of(told.reason + ": ").empty() && !message.empty())
        told = {reason, message, "see docs/kubernetes.md, \"Why a pod waits\""};
      continue;
    }
    told = {std::string(word), message.substr(word.size() + 2), advice_for(word)};
  }
  return told;
}

}  // namespace flexai::apps
