#include "control/constraints.h"

#include <algorithm>
#include <charconv>

namespace flexai::control {
namespace {

bool number(const std::string& text, int64_t* out) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && at == end && !text.empty();
}

bool holds(const Requirement& r, const std::string* value) {
  const auto among = [&] {
    return value != nullptr &&
           std::find(r.values.begin(), r.values.end(), *value) != r.values.end();
  };
  int64_t has = 0, bound = 0;
  switch (r.how) {
    case Requirement::How::kIn:
      return among();
    case Requirement::How::kNotIn:
      return !among();
    case Requirement::How::kExists:
      return value != nullptr;
    case Requirement::How::kDoesNotExist:
      return value == nullptr;
    case Requirement::How::kGt:
    case Requirement::How::kLt:
      if (value == nullptr || r.values.size() != 1 || !number(*value, &has) ||
          !number(r.values[0], &bound))
        return false;
      return r.how == Requirement::How::kGt ? has > bound : has < bound;
    case Requirement::How::kNever:
      return false;
  }
  return false;
}

bool matches(const NodeTerm& term, const std::string& node, const Labels& labels) {
  if (term.labels.empty() && term.fields.empty()) return false;
  for (const Requirement& r : term.labels) {
    const auto at = labels.find(r.key);
    if (!holds(r, at == labels.end() ? nullptr : &at->second)) return false;
  }
  for (const Requirement& r : term.fields)
    if (r.key != "metadata.name" || !holds(r, &node)) return false;
  return true;
}

}  // namespace

bool clash(const HostPort& a, const HostPort& b) {
  const auto any = [](const HostPort& p) { return p.address.empty() || p.address == "0.0.0.0"; };
  return a.port == b.port && a.protocol == b.protocol &&
         (any(a) || any(b) || a.address == b.address);
}

bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const Toleration& t) {
    if (!t.effect.empty() && t.effect != taint.effect) return false;
    if (!t.key.empty() && t.key != taint.key) return false;
    if (t.how == "Exists") return true;
    return !t.key.empty() && (t.how.empty() || t.how == "Equal") && t.value == taint.value;
  });
}

const Taint* untolerated(const std::vector<Toleration>& tolerations,
                         const std::vector<Taint>& taints) {
  for (const Taint& taint : taints)
    if ((taint.effect == "NoSchedule" || taint.effect == "NoExecute") &&
        !tolerates(tolerations, taint))
      return &taint;
  return nullptr;
}

bool matches(const std::vector<NodeTerm>& terms, const std::string& node, const Labels& labels) {
  return std::any_of(terms.begin(), terms.end(),
                     [&](const NodeTerm& term) { return matches(term, node, labels); });
}

const char* closed(const Constraints& pod, const NodeFacts& node) {
  const Taint cordon{"node.kubernetes.io/unschedulable", "", "NoSchedule"};
  if (node.unschedulable && !tolerates(pod.tolerations, cordon)) return "unschedulable";
  if (untolerated(pod.tolerations, node.taints) != nullptr) return "with taints not tolerated";
  return nullptr;
}

const char* obstacle(const Constraints& pod, const NodeFacts& node, const NodeUse& used) {
  if (const char* why = closed(pod, node)) return why;
  for (const auto& [key, value] : pod.node_selector) {
    const auto at = node.labels.find(key);
    if (at == node.labels.end() || at->second != value) return "not matching the node selector";
  }
  if (pod.has_affinity && !matches(pod.affinity, node.name, node.labels))
    return "not matching the node affinity";
  if (used.pods >= node.pods) return "with as many pods as allowed";
  for (const HostPort& want : pod.ports)
    for (const HostPort& have : used.ports)
      if (clash(want, have)) return "with the host port taken";
  for (const auto& [name, amount] : pod.extras) {
    const auto has = node.extras.find(name);
    const auto taken = used.extras.find(name);
    if ((has == node.extras.end() ? 0 : has->second) -
            (taken == used.extras.end() ? 0 : taken->second) <
        amount)
      return "with too little of another resource";
  }
  return nullptr;
}

}  // namespace flexai::control
