#include "sched/passes/consolidate.h"

#include <algorithm>

#include "sched/passes/defrag.h"
#include "sched/passes/gang.h"

namespace flexai::sched::passes {
namespace {

int moves_so_far(const Session& s) {
  return static_cast<int>(
      std::count_if(s.plan.actions.begin(), s.plan.actions.end(),
                    [](const Action& a) { return a.act == Act::kMigrate || a.act == Act::kHome; }));
}

}  // namespace

bool consolidate(Session* s, uint32_t job) {
  const int left = s->policy.moves_most - moves_so_far(*s);
  if (left <= 0 || s->jobs[job].work->members != 1) return false;
  DefragBudget budget;
  budget.moves = std::min(left, 2);
  const Room room =
      make_room(&s->cluster, s->placer.get(), s->shapes, &s->residents, s->jobs[job].shape, budget);
  if (!room.found) return false;
  for (const Move& move : room.moves) {
    const uint32_t owner = s->residents[move.resident].owner;
    Job& j = s->jobs[owner];
    s->queues->charge(j.queue, s->usage_of(j.shape, move.from), -1);
    s->queues->charge(j.queue, s->usage_of(j.shape, move.to), 1);
    s->remote_milli += int64_t{s->shapes[j.shape].total_milli()} *
                       (int{move.to.remote()} - int{move.from.remote()});
    Action a;
    a.act = Act::kMigrate;
    a.workload = owner;
    a.member = static_cast<uint32_t>(std::find(j.members.begin(), j.members.end(), move.resident) -
                                     j.members.begin());
    a.places = {s->place_name(move.to)};
    a.because = job;
    a.reason = "defrag: room for " + s->jobs[job].work->name;
    j.touched = true;
    s->residents.edit(move.resident).movable = false;  // once in a plan
    s->plan.actions.push_back(std::move(a));
  }
  s->placer->set_remote_used(s->remote_milli);
  if (s->policy.on(Rule::kQuota) &&
      s->queues->allows(s->jobs[job].queue, s->usage_of(s->jobs[job].shape, room.at)) !=
          Reason::kNone)
    return false;  // the moves stand: they did no harm, and the room stays free
  s->start_member(job, room.at);
  s->jobs[job].state = model::WorkState::kRunning;
  return true;
}

}  // namespace flexai::sched::passes
