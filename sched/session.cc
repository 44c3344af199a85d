#include "sched/session.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include "sched/node_order.h"

namespace flexai::sched {
namespace {

using model::Workload;

// Numbers for names, in order of first appearance.
class Numbers {
 public:
  uint32_t of(const std::string& name) {
    return ids_.try_emplace(name, static_cast<uint32_t>(ids_.size())).first->second;
  }
  bool knows(const std::string& name) const { return ids_.count(name) != 0; }

 private:
  std::map<std::string, uint32_t> ids_;
};

struct Dictionary {
  Numbers models, zones, labels, nodes, queues;
};

NodeSpec spec_of(const model::Node& node, Dictionary* names) {
  NodeSpec spec;
  spec.cpu_milli = node.cpu_milli;
  spec.memory_mib = node.memory_mib;
  spec.card_memory_mib = node.card_memory_mib;
  spec.network_mbps = node.network_mbps;
  spec.cards = static_cast<uint8_t>(node.cards);
  spec.model = static_cast<uint8_t>(names->models.of(node.model));
  spec.zone = static_cast<uint16_t>(names->zones.of(node.zone));
  for (const std::string& label : node.labels)
    spec.labels |= uint64_t{1} << names->labels.of(label);
  return spec;
}

Shape shape_of(const Workload& w, Dictionary* names) {
  Shape s;
  s.cpu_milli = w.cpu_milli;
  s.memory_mib = w.memory_mib;
  s.card_memory_mib = w.card_memory_mib;
  s.cards = static_cast<uint8_t>(w.cards);
  s.milli = static_cast<int16_t>(w.cards == 0 ? 0 : w.cards > 1 ? kWholeCard : w.card_milli);
  s.network_mbps = w.network_mbps;
  s.remote_penalty = w.remote_penalty;
  s.reach = w.locality == model::Locality::kLocal ? Reach::kLocal : Reach::kPreferLocal;
  if (!w.models.empty()) {
    s.models = 0;
    for (const std::string& name : w.models)
      if (names->models.knows(name)) s.models |= uint64_t{1} << names->models.of(name);
  }
  for (const std::string& label : w.labels)
    s.labels |= uint64_t{1} << (names->labels.knows(label) ? names->labels.of(label) : 63);
  return s;
}

Placement placement_of(const model::MemberPlace& place, Numbers* nodes,
                       const std::vector<NodeId>& id_of) {
  Placement at;
  at.cpu_node = id_of[nodes->of(place.node)];
  at.card_node = place.card_node.empty() ? at.cpu_node : id_of[nodes->of(place.card_node)];
  for (uint32_t card : place.cards) at.cards |= 1u << card;
  return at;
}

}  // namespace

Session::Session(const Snapshot& of) : snapshot(of), policy(of.policy) {
  Dictionary names;
  std::vector<NodeSpec> specs;
  for (const model::Node& node : of.nodes) {
    names.nodes.of(node.name);
    specs.push_back(spec_of(node, &names));
    if (names.models.of(node.model) == models.size()) models.push_back(node.model);
  }
  ncu_of_model.assign(models.size(), 1000);
  std::vector<int> scarcity(models.size());
  for (const model::NcuRate& rate : of.rates)
    if (names.models.knows(rate.model)) {
      ncu_of_model[names.models.of(rate.model)] = rate.milli;
      scarcity[names.models.of(rate.model)] = rate.scarcity_milli;
    }
  std::vector<NodeId> id_of(of.nodes.size());
  Usage all;
  node_index = node_order(specs);
  for (uint32_t index : node_index) {
    id_of[index] = cluster.add(specs[index]);
    if (!of.nodes[index].open) cluster.set_open(id_of[index], false);
    all.ncu += int64_t{specs[index].cards} * ncu_of_model[specs[index].model];
    all.cpu += specs[index].cpu_milli;
    all.memory += specs[index].memory_mib;
    all.network += specs[index].network_mbps;
  }
  placer = std::make_unique<Placer>(&cluster, &shapes, policy, static_cast<int>(models.size()),
                                    std::move(scarcity));
  queues = std::make_unique<Queues>(of.queues, models, all);
  for (const model::Queue& queue : of.queues) names.queues.of(queue.name);
  std::vector<uint32_t> counts;
  for (uint32_t i = 0; i < of.workloads.size(); ++i) {
    const Workload& w = of.workloads[i];
    Job job;
    job.work = &w;
    job.queue = w.queue.empty() ? queues->root() : names.queues.of(w.queue);
    job.shape = shapes.intern(shape_of(w, &names));
    job.state = w.state;
    if (w.granted_milli >= 0 && w.cards == 1 && w.state == model::WorkState::kRunning) {
      job.shape = shape_with(job.shape, w.granted_milli);
      job.shares = w.granted_milli == 0;
    }
    jobs.push_back(std::move(job));
    if (jobs.back().shape >= counts.size()) counts.resize(jobs.back().shape + 1);
    ++counts[jobs.back().shape];
    for (const model::MemberPlace& place : w.places)
      start_member(i, placement_of(place, &names.nodes, id_of));
  }
  placer->learn_all(std::move(counts));
}

Usage Session::usage_of(ShapeId id, const Placement& at) const {
  const Shape& s = shapes[id];
  Usage usage;
  usage.cpu = s.cpu_milli;
  usage.memory = s.memory_mib;
  if (s.cards == 0) return usage;
  usage.model = cluster[at.card_node].model;
  usage.milli = s.total_milli();
  usage.ncu = usage.milli * ncu_of_model[usage.model] / kWholeCard;
  if (at.remote()) usage.network = int64_t{s.network_mbps} * s.cards;
  return usage;
}

void Session::start_member(uint32_t job, const Placement& at) {
  Job& j = jobs[job];
  cluster.take(shapes[j.shape], at);
  queues->charge(j.queue, usage_of(j.shape, at), 1);
  if (at.remote()) remote_milli += shapes[j.shape].total_milli();
  j.members.push_back(residents.add(j.shape, at, job, may_move(*j.work)));
  placer->set_remote_used(remote_milli);
}

void Session::stop_member(uint32_t job, size_t member) {
  Job& j = jobs[job];
  const ResidentId id = j.members[member];
  const Placement at = residents[id].at;
  cluster.give(shapes[j.shape], at);
  queues->charge(j.queue, usage_of(j.shape, at), -1);
  if (at.remote()) remote_milli -= shapes[j.shape].total_milli();
  residents.remove(id);
  j.members.erase(j.members.begin() + static_cast<std::ptrdiff_t>(member));
  placer->set_remote_used(remote_milli);
}

void Session::stop(uint32_t job) {
  while (!jobs[job].members.empty()) stop_member(job, jobs[job].members.size() - 1);
}

void Session::move_member(uint32_t job, size_t member, const Placement& to) {
  stop_member(job, member);
  start_member(job, to);
  std::rotate(jobs[job].members.begin() + static_cast<std::ptrdiff_t>(member),
              jobs[job].members.end() - 1, jobs[job].members.end());
}

ShapeId Session::shape_with(ShapeId of, int32_t milli) {
  Shape s = shapes[of];
  s.milli = static_cast<int16_t>(milli);
  return shapes.intern(s);
}

void Session::resize(uint32_t job, int32_t milli) {
  std::vector<Placement> places;
  for (ResidentId id : jobs[job].members) places.push_back(residents[id].at);
  stop(job);
  jobs[job].shape = shape_with(jobs[job].shape, milli);
  for (const Placement& at : places) start_member(job, at);
}

int32_t Session::lowest_priority(QueueId queue) {
  if (lowest_.empty()) {
    lowest_.assign(queues->root() + 1, std::numeric_limits<int32_t>::max());
    for (const Job& job : jobs)
      if (!job.members.empty())
        lowest_[job.queue] = std::min(lowest_[job.queue], job.work->priority);
  }
  return lowest_[queue];
}

// Who was moved stays, after each further move eight times as long: nobody goes back and forth.
bool Session::settled(const model::Workload& work) const {
  constexpr uint32_t kMostLonger = 4;
  if (work.moves == 0) return true;
  const uint32_t longer = 3 * std::min(work.moves - 1, kMostLonger);
  return (snapshot.now_ms - work.moved_ms) >> longer >= policy.settle_ms;
}

// Members that must be together or apart are not moved one by one.
bool Session::may_move(const model::Workload& work) const {
  return work.can_move && settled(work) && (work.members == 1 || !(work.apart || work.together));
}

model::MemberPlace Session::place_name(const Placement& at) const {
  model::MemberPlace place;
  place.node = snapshot.nodes[node_index[at.cpu_node]].name;
  if (at.remote()) place.card_node = snapshot.nodes[node_index[at.card_node]].name;
  for (uint32_t card = 0; card < kMaxCards; ++card)
    if ((at.cards >> card & 1) != 0) place.cards.push_back(card);
  return place;
}

}  // namespace flexai::sched
