#include "sched/passes/home.h"

namespace flexai::sched::passes {
namespace {

// A local place on the very node where the processor is: only the card changes.
bool find_local(Session* s, const Job& j, const Placement& now, Placement* to) {
  Shape cards = s->shapes[j.shape];
  cards.cpu_milli = cards.memory_mib = 0;  // the processor stays where it is
  cards.cards_only = true;
  s->placer->refresh();
  if (s->placer->cost_on(cards, now.cpu_node) == kInfeasible) return false;
  *to = {now.cpu_node, now.cpu_node, s->placer->cards_on(cards, now.cpu_node)};
  return to->cards != 0 || cards.cards == 0;
}

}  // namespace

void pull_home(Session* s) {
  int moves = 0;
  for (const Action& a : s->plan.actions) moves += a.act == Act::kMigrate;
  for (uint32_t i = 0; i < s->jobs.size(); ++i) {
    for (uint32_t m = 0; m < s->jobs[i].members.size(); ++m) {
      const Placement now = s->residents[s->jobs[i].members[m]].at;
      Placement to;
      if (moves >= s->policy.moves_most) return;
      if (!now.remote() || s->jobs[i].touched || !s->jobs[i].work->can_move ||
          !s->settled(*s->jobs[i].work))
        continue;
      if (!find_local(s, s->jobs[i], now, &to)) continue;
      s->move_member(i, m, to);
      ++moves;
      Action a;
      a.act = Act::kHome;
      a.workload = i;
      a.member = m;
      a.places = {s->place_name(to)};
      a.reason = "home: a card of its own node is free";
      s->plan.actions.push_back(std::move(a));
    }
  }
}

}  // namespace flexai::sched::passes
