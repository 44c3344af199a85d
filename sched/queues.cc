#include "sched/queues.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace flexai::sched {

Queues::Queues(const std::vector<model::Queue>& queues, const std::vector<std::string>& models,
               const Usage& cluster)
    : queues_(queues),
      children_(queues.size() + 1),
      used_(queues.size() + 1),
      reserved_(queues.size() + 1),
      caps_(queues.size() + 1),
      by_model_(queues.size() + 1, std::vector<int64_t>(models.size())),
      cluster_(cluster) {
  const auto root = static_cast<QueueId>(queues.size());
  std::map<std::string, QueueId> ids;
  for (QueueId id = 0; id < root; ++id) ids[queues[id].name] = id;
  for (QueueId id = 0; id < root; ++id) {
    const auto at = ids.find(queues[id].parent);
    parents_.push_back(at == ids.end() ? root : at->second);
    children_[parents_.back()].push_back(id);
    for (const model::ModelCap& cap : queues[id].caps)
      for (size_t m = 0; m < models.size(); ++m)
        if (models[m] == cap.model) caps_[id].push_back({static_cast<uint8_t>(m), cap.milli});
  }
  parents_.push_back(root);
  queues_.emplace_back();
}

void Queues::charge(QueueId id, const Usage& usage, int sign) {
  for (QueueId q = id;; q = parents_[q]) {
    used_[q].ncu += sign * usage.ncu;
    used_[q].cpu += sign * usage.cpu;
    used_[q].memory += sign * usage.memory;
    used_[q].network += sign * usage.network;
    if (usage.model < by_model_[q].size()) by_model_[q][usage.model] += sign * usage.milli;
    if (q == root()) return;
  }
}

Reason Queues::allows(QueueId id, const Usage& more) const {
  for (QueueId q = id; q != root(); q = parents_[q]) {
    if (queues_[q].limit >= 0 && used_[q].ncu + more.ncu > queues_[q].limit)
      return Reason::kQueueLimit;
    for (const Cap& cap : caps_[q])
      if (cap.model == more.model && by_model_[q][cap.model] + more.milli > cap.milli)
        return Reason::kModelCap;
  }
  return Reason::kNone;
}

bool Queues::within(QueueId id, const Usage& more, Claim claim) const {
  const model::Queue& q = queues_[id];
  const int64_t most = claim == Claim::kGuarantee ? q.guarantee : std::max(q.guarantee, q.deserved);
  return used_[id].ncu + more.ncu <= most;
}

bool Queues::may_reclaim(QueueId id, const Usage& more, QueueId from, const Usage& less,
                         Claim claim, Keeps keeps) const {
  auto above = [this](QueueId q, QueueId below) {  // or the same
    for (; below != root(); below = parents_[below])
      if (q == below) return true;
    return q == root();
  };
  QueueId meet = from, top = from;  // top: the last of `from`'s side before they meet
  while (!above(meet, id)) top = meet, meet = parents_[meet];
  if (meet == from || meet == id) return false;  // within one line nobody takes from another
  const int64_t kept = keeps == Keeps::kGuarantee
                           ? queues_[top].guarantee
                           : std::max(queues_[top].deserved, queues_[top].guarantee);
  if (used_[top].ncu - less.ncu < kept) return false;
  for (QueueId q = from; q != top; q = parents_[q])
    if (used_[q].ncu - less.ncu < queues_[q].guarantee) return false;
  for (QueueId q = id; q != meet; q = parents_[q])
    if (!within(q, more, claim)) return false;
  return true;
}

void Queues::reserve(QueueId id, int64_t ncu) {
  for (QueueId q = id;; q = parents_[q]) {
    reserved_[q] += ncu;
    if (q == root()) return;
  }
}

bool Queues::entitled(QueueId id) const {
  for (QueueId q = id; q != root(); q = parents_[q])
    if (used_[q].ncu + reserved_[q] > std::max(queues_[q].deserved, queues_[q].guarantee))
      return false;
  return true;
}

bool Queues::below_deserved(QueueId id) const {
  for (QueueId q = id; q != root(); q = parents_[q])
    if (used_[q].ncu >= queues_[q].deserved) return false;
  return id != root();
}

int64_t Queues::dominant(QueueId id) const {
  auto part = [](int64_t used, int64_t all) { return all > 0 ? used * 1'000'000 / all : 0; };
  return std::max({part(used_[id].ncu + reserved_[id], cluster_.ncu),
                   part(used_[id].cpu, cluster_.cpu), part(used_[id].memory, cluster_.memory),
                   part(used_[id].network, cluster_.network)});
}

bool Queues::Key::operator<(const Key& o) const {
  return std::tie(band, share, decayed) < std::tie(o.band, o.share, o.decayed);
}

Queues::Key Queues::key(QueueId id, const Usage& more) const {
  const model::Queue& q = queues_[id];
  const int64_t share = dominant(id);
  const int64_t deserved =
      cluster_.ncu > 0 ? std::max<int64_t>(1, q.deserved * 1'000'000 / cluster_.ncu) : 1;
  Key key;
  key.decayed = q.decayed_usage;
  if (within(id, more, Claim::kGuarantee))
    key.band = 0;
  else if (share < deserved)
    key.band = 1;
  else
    key.band = 2;
  key.share =
      key.band == 2 ? (share - deserved) / std::max(1, q.weight) : share * 1'000'000 / deserved;
  return key;
}

}  // namespace flexai::sched
