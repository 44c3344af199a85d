#include "sched/residents.h"

#include <algorithm>
#include <tuple>

namespace flexai::sched {

void Residents::list_on(NodeId node, ResidentId id) {
  const Resident& r = all_[id];
  std::vector<ResidentId>& there = on_[node];
  const auto at = std::upper_bound(there.begin(), there.end(), std::tie(r.owner, r.member),
                                   [this](const auto& key, ResidentId b) {
                                     return key < std::tie(all_[b].owner, all_[b].member);
                                   });
  there.insert(at, id);
}

void Residents::list(ResidentId id) {
  const Placement& at = all_[id].at;
  const size_t most = std::max(at.cpu_node, at.card_node);
  if (most >= on_.size()) on_.resize(most + 1);
  list_on(at.cpu_node, id);
  if (at.remote()) list_on(at.card_node, id);
}

void Residents::unlist(ResidentId id) {
  const Placement& at = all_[id].at;
  std::erase(on_[at.cpu_node], id);
  if (at.remote()) std::erase(on_[at.card_node], id);
}

ResidentId Residents::add(ShapeId shape, const Placement& at, uint32_t owner, uint32_t member,
                          bool movable) {
  ResidentId id = static_cast<ResidentId>(all_.size());
  if (unused_.empty()) {
    all_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  all_[id] = {shape, at, owner, member, movable, true};
  list(id);
  return id;
}

void Residents::remove(ResidentId id) {
  unlist(id);
  all_[id].present = false;
  unused_.push_back(id);
}

void Residents::move(ResidentId id, const Placement& to) {
  unlist(id);
  all_[id].at = to;
  list(id);
}

void Residents::renumber(ResidentId id, uint32_t owner, uint32_t member) {
  unlist(id);
  all_[id].owner = owner;
  all_[id].member = member;
  list(id);
}

const std::vector<ResidentId>& Residents::on(NodeId node) const {
  static const std::vector<ResidentId> kNobody;
  return node < on_.size() ? on_[node] : kNobody;
}

}  // namespace flexai::sched
