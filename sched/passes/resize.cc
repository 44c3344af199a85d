#include "sched/passes/resize.h"

#include <algorithm>
#include <bit>

namespace flexai::sched::passes {
namespace {

constexpr int kHeadRoomPercent = 125;  // of the use seen, left to work that is shrunk
constexpr int kStep = 10;              // shares are multiples of so many milli

// The most that every member's card could give, up to `wanted`.
int32_t room_to_grow(const Session& s, const Job& j, int32_t wanted) {
  int32_t most = wanted;
  for (ResidentId id : j.members) {
    const Placement& at = s.residents[id].at;
    const NodeState& node = s.cluster[at.card_node];
    const int32_t have = s.shapes[j.shape].milli + node.free[std::countr_zero(at.cards)];
    most = std::min(most, have);
  }
  return most / kStep * kStep;
}

}  // namespace

void resize(Session* s) {
  for (uint32_t i = 0; i < s->jobs.size(); ++i) {
    Job& j = s->jobs[i];
    const model::Workload& w = *j.work;
    if (j.members.size() != 1 || j.touched || w.card_milli_least <= 0 || w.observed_milli < 0 ||
        w.cards != 1)
      continue;
    const int32_t now = s->shapes[j.shape].milli;
    int32_t wanted = now;
    if (w.observed_milli * 100 >= now * s->policy.busy_percent)
      wanted = std::max(now, room_to_grow(*s, j, w.card_milli));
    else if (w.observed_milli * 100 <= now * s->policy.lazy_percent)
      wanted = std::max(w.card_milli_least,
                        (w.observed_milli * kHeadRoomPercent / 100 + kStep - 1) / kStep * kStep);
    if (wanted == now) continue;
    s->resize(i, wanted);
    Action a;
    a.act = wanted > now ? Act::kGrow : Act::kShrink;
    a.workload = i;
    a.milli = wanted;
    a.reason = "resize: uses " + std::to_string(w.observed_milli) + " of " + std::to_string(now);
    j.touched = true;
    s->plan.actions.push_back(std::move(a));
  }
}

void give_back(Session* s) {
  for (uint32_t i = 0; i < s->jobs.size(); ++i) {
    Job& j = s->jobs[i];
    const model::Workload& w = *j.work;
    if (!j.shares || j.touched || j.members.size() != 1 || w.cards != 1) continue;
    const int32_t least = w.card_milli_least > 0 ? w.card_milli_least : w.card_milli;
    const Placement at = s->residents[j.members[0]].at;
    const int32_t free = s->cluster[at.card_node].free[std::countr_zero(at.cards)];
    if (free < least) continue;
    const int32_t milli = std::min(w.card_milli, free);
    s->resize(i, milli);
    j.shares = false;
    j.touched = true;
    Action a;
    a.act = Act::kGrow;
    a.workload = i;
    a.milli = milli;
    a.reason = "resize: its guarantee has room again";
    s->plan.actions.push_back(std::move(a));
  }
}

}  // namespace flexai::sched::passes
