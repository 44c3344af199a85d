// Opening a snapshot: names become numbers, running work takes its room.
#include <algorithm>

#include "sched/node_order.h"
#include "sched/session.h"

namespace flexai::sched {
namespace {

NodeSpec spec_of(const model::Node& node, Dictionary* names) {
  NodeSpec spec;
  spec.cpu_milli = node.cpu_milli;
  spec.memory_mib = node.memory_mib;
  spec.card_memory_mib = node.card_memory_mib;
  spec.network_mbps = node.network_mbps;
  spec.cards = static_cast<uint8_t>(node.cards);
  for (size_t i = 0; i < node.each_card_mib.size(); ++i)
    spec.each_card_mib[i] = node.each_card_mib[i];
  spec.model = static_cast<uint8_t>(names->models.of(node.model));
  spec.zone = static_cast<uint16_t>(names->zones.of(node.zone));
  for (const std::string& label : node.labels)
    spec.labels |= uint64_t{1} << names->labels.of(label);
  return spec;
}

}  // namespace

Session::Session(const Snapshot& of) : snapshot(of), policy(of.policy) {
  open_nodes();
  for (const model::Queue& queue : of.queues) names.queues.of(queue.name);
  for (const model::Fit& fit : of.fits) use(fit);
  for (uint32_t i = 0; i < of.workloads.size(); ++i) {
    jobs.push_back(job_of(of.workloads[i]));
    for (const model::MemberPlace& place : of.workloads[i].places)
      start_member(i, placement_of(place));
  }
  open_mix();
}

void Session::open_nodes() {
  std::vector<NodeSpec> specs;
  for (const model::Node& node : snapshot.nodes) {
    names.nodes.of(node.name);
    specs.push_back(spec_of(node, &names));
    if (names.models.of(node.model) == models.size()) models.push_back(node.model);
  }
  std::vector<int> scarcity(models.size());
  open_rates(&scarcity);
  id_of.resize(specs.size());
  node_index = node_order(specs);
  Usage all;
  for (uint32_t index : node_index) {
    id_of[index] = cluster.add(specs[index]);
    if (!snapshot.nodes[index].open) cluster.set_open(id_of[index], false);
    all.ncu += int64_t{specs[index].cards} * ncu(specs[index].model, 0);
    all.cpu += specs[index].cpu_milli;
    all.memory += specs[index].memory_mib;
    all.network += specs[index].network_mbps;
  }
  placer = std::make_unique<Placer>(&cluster, &shapes, policy, static_cast<int>(models.size()),
                                    std::move(scarcity));
  queues = std::make_unique<Queues>(snapshot.queues, models, all);
}

void Session::use(const model::Fit& fit) {
  std::vector<uint32_t> by_id(fit.nodes.size());
  for (size_t i = 0; i < fit.nodes.size(); ++i) by_id[id_of[i]] = fit.nodes[i];
  cluster.set_fit(names.fits.of(fit.name) + 1, by_id);
  placer->fits_changed();
}

// Kind 0 is for all work whose kind the table does not name.
void Session::open_rates(std::vector<int>* scarcity) {
  names.kinds.of("");
  for (const model::NcuRate& rate : snapshot.rates) names.kinds.of(rate.kind);
  ncu_.assign(names.kinds.size() * models.size(), 0);
  for (const model::NcuRate& rate : snapshot.rates) {
    if (!names.models.knows(rate.model)) continue;
    const uint32_t model = names.models.of(rate.model);
    ncu_[names.kinds.of(rate.kind) * models.size() + model] = rate.milli;
    (*scarcity)[model] = std::max((*scarcity)[model], rate.scarcity_milli);
  }
  for (size_t i = 0; i < ncu_.size(); ++i)
    if (ncu_[i] == 0) ncu_[i] = i < models.size() ? 1000 : ncu_[i % models.size()];
}

void Session::open_mix() {
  if (!snapshot.mix.empty()) {
    std::vector<TypicalDemand> target;
    for (const model::DemandCount& demand : snapshot.mix)
      target.push_back({shapes[intern(demand)], static_cast<double>(demand.count)});
    placer->learn_target(std::move(target));
    return;
  }
  std::vector<uint32_t> counts(shapes.size());
  for (const Job& job : jobs) ++counts[job.shape];
  placer->learn_all(std::move(counts));
}

Shape Session::shape_of(const model::Demand& d) {
  Shape s;
  s.cpu_milli = d.cpu_milli;
  s.memory_mib = d.memory_mib;
  s.card_memory_mib = d.card_memory_mib;
  s.cards = static_cast<uint8_t>(d.cards);
  s.milli = static_cast<int16_t>(d.cards == 0 ? 0 : d.cards > 1 ? kWholeCard : d.card_milli);
  s.network_mbps = d.network_mbps;
  s.remote_penalty = model::remote_cost_milli(d, snapshot.network.far);
  s.near_penalty = model::remote_cost_milli(d, snapshot.network.near);
  s.reach = d.locality == model::Locality::kLocal ? Reach::kLocal : Reach::kPreferLocal;
  if (!d.fit.empty()) s.fit = names.fits.of(d.fit) + 1;
  s.kind = static_cast<uint8_t>(names.kinds.knows(d.kind) ? names.kinds.of(d.kind) : 0);
  if (!d.models.empty()) {
    s.models = 0;
    for (const std::string& name : d.models)
      if (names.models.knows(name)) s.models |= uint64_t{1} << names.models.of(name);
  }
  for (const std::string& label : d.labels)
    s.labels |= uint64_t{1} << (names.labels.knows(label) ? names.labels.of(label) : 63);
  return s;
}

Job Session::job_of(const model::Workload& w) {
  Job job;
  job.work = &w;
  job.queue = w.queue.empty() ? queues->root() : names.queues.of(w.queue);
  job.shape = intern(w);
  job.state = w.state;
  if (w.granted_milli >= 0 && w.cards == 1 && w.state == model::WorkState::kRunning) {
    model::Demand shrunk = w;
    shrunk.card_milli = w.granted_milli;
    job.shape = intern(shrunk);
    job.shares = w.granted_milli == 0;
  }
  return job;
}

ShapeId Session::intern(const model::Demand& demand) {
  const ShapeId id = shapes.intern(shape_of(demand));
  asked.try_emplace(id, demand);
  if (!demand.fit.empty()) {
    model::Demand anywhere = demand;
    anywhere.fit.clear();
    asked.try_emplace(shapes.intern(shape_of(anywhere)), anywhere);
  }
  return id;
}

Placement Session::placement_of(const model::MemberPlace& place) {
  Placement at;
  at.cpu_node = id_of[names.nodes.of(place.node)];
  at.card_node = place.card_node.empty() ? at.cpu_node : id_of[names.nodes.of(place.card_node)];
  for (uint32_t card : place.cards) at.cards |= 1u << card;
  return at;
}

void Session::begin_plan() {
  for (NodeId n = 0; n < held.size(); ++n)
    if (held[n]) cluster.set_open(n, true);
  held.clear();
  queues->reserve_nothing();
  lowest_.clear();
  plan = {};
  for (Job& job : jobs) {
    job.touched = false;
    for (ResidentId id : job.members) residents.edit(id).movable = may_move(*job.work);
  }
}

}  // namespace flexai::sched
