// Constraints: where a pod may run, as its spec says: node selector, required node affinity,
// tolerations, host ports, other resources than processors and memory. And NodeFacts: what of a
// node decides it. Plain values. Source: PodSpec and NodeSpec of the core API, and the filters of
// kube-scheduler (NodeUnschedulable, NodeAffinity, TaintToleration, NodePorts, NodeResourcesFit).
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/amount.h"

namespace flexai::control {

// key OPERATOR values, of labels or of metadata.name.
struct Requirement {
  enum class How { kIn, kNotIn, kExists, kDoesNotExist, kGt, kLt, kNever };
  std::string key;
  How how = How::kNever;
  std::vector<std::string> values;
};

// All must hold. Without any it matches nothing.
struct NodeTerm {
  std::vector<Requirement> labels, fields;
};

struct Toleration {
  std::string key, how, value, effect;  // how: Equal or Exists; an empty key with Exists: all
};

struct Taint {
  std::string key, value, effect;
};

struct HostPort {
  std::string address, protocol;
  int32_t port = 0;
  auto operator<=>(const HostPort&) const = default;
};
bool clash(const HostPort& a, const HostPort& b);

struct Constraints {
  std::map<std::string, std::string> node_selector;
  bool has_affinity = false;
  std::vector<NodeTerm> affinity;  // one must hold
  std::vector<Toleration> tolerations;
  std::vector<HostPort> ports;
  std::map<std::string, int64_t> extras;  // other resources, milli
};

using Labels = std::map<std::string, std::string, std::less<>>;

struct NodeFacts {
  std::string name;
  Labels labels;
  std::vector<Taint> taints;
  bool unschedulable = false;
  int64_t cpu_milli = 0;
  int64_t memory = 0;  // bytes
  int64_t pods = 0;
  std::map<std::string, int64_t> extras;
};

// What is taken on a node by pods.
struct NodeUse {
  int64_t cpu_milli = 0, memory = 0, pods = 0;
  std::map<std::string, int64_t> extras;
  std::vector<HostPort> ports;
};

bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint);
// A NoSchedule or NoExecute taint that nothing tolerates, else null.
const Taint* untolerated(const std::vector<Toleration>& tolerations,
                         const std::vector<Taint>& taints);
bool matches(const std::vector<NodeTerm>& terms, const std::string& node, const Labels& labels);

// Why the pod cannot run there, in words that follow "N"; null: it can. Processors and memory are
// not looked at.
const char* obstacle(const Constraints& pod, const NodeFacts& node, const NodeUse& used);
// Why its cards take no new work, whoever asks.
const char* closed(const Constraints& pod, const NodeFacts& node);

}  // namespace flexai::control
