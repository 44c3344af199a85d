#include "sched/session.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace flexai::sched {

Usage Session::usage_of(ShapeId id, const Placement& at) const {
  const Shape& s = shapes[id];
  Usage usage;
  usage.cpu = s.cpu_milli;
  usage.memory = s.memory_mib;
  if (s.cards == 0) return usage;
  usage.model = cluster[at.card_node].model;
  usage.milli = s.total_milli();
  usage.ncu = usage.milli * ncu(usage.model, s.kind) / kWholeCard;
  if (at.remote()) usage.network = int64_t{s.network_mbps} * s.cards;
  return usage;
}

Usage Session::usage_of(uint32_t job) const {
  Usage sum;
  const Job& j = jobs[job];
  for (ResidentId id : j.members) sum.ncu += usage_of(j.shape, residents[id].at).ncu;
  if (!j.members.empty()) return sum;
  int32_t strongest = 0;
  for (size_t m = 0; m < models.size(); ++m)
    if ((shapes[j.shape].models >> m & 1) != 0)
      strongest = std::max(strongest, ncu(m, shapes[j.shape].kind));
  sum.ncu = int64_t{shapes[j.shape].total_milli()} * j.work->members * strongest / kWholeCard;
  return sum;
}

void Session::start_member(uint32_t job, const Placement& at) {
  Job& j = jobs[job];
  cluster.take(shapes[j.shape], at);
  queues->charge(j.queue, usage_of(j.shape, at), 1);
  if (at.remote()) remote_milli += shapes[j.shape].total_milli();
  const auto member = static_cast<uint32_t>(j.members.size());
  j.members.push_back(residents.add(j.shape, at, job, member, may_move(*j.work)));
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
  residents.renumber(jobs[job].members[member], job, static_cast<uint32_t>(member));
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
