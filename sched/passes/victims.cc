#include "sched/passes/victims.h"

#include <algorithm>

#include "sched/passes/gang.h"

namespace flexai::sched::passes {
namespace {

constexpr Act kLadder[] = {Act::kShrink,  Act::kShare,   Act::kSuspend,
                           Act::kMigrate, Act::kRequeue, Act::kKill};
constexpr size_t kMostVictims = 64;  // of one workload
constexpr uint32_t kMostDoublings = 6;
constexpr int64_t kLongestLoss = 100'000'000;  // ms that count
constexpr int64_t kMostPrice = int64_t{1} << 61;
constexpr int64_t kMostHeld = 10'000'000;  // milli-cards that count

struct Done {
  uint32_t victim = 0;
  Act act = Act::kKill;
  std::vector<Placement> from, to;
  ShapeId shape_before = kNone;
};

// Work that would lose what it has done is spared twice as long after each stop, so that it ends
// some time; what is only suspended loses nothing.
bool has_run(const Session& s, const model::Workload& w, bool loses) {
  const uint32_t doublings = loses ? std::min(w.stops, kMostDoublings) : 0;
  return (s.snapshot.now_ms - w.started_ms) >> doublings >= s.policy.least_run_ms;
}

bool can(const Session& s, uint32_t victim, Act act, Fresh fresh) {
  const Job& j = s.jobs[victim];
  const model::Workload& w = *j.work;
  if (j.members.empty() || j.touched || s.shapes[j.shape].cards == 0) return false;
  const bool ran = fresh == Fresh::kTaken || has_run(s, w, act != Act::kSuspend);
  switch (act) {
    case Act::kShrink:
      return w.cards == 1 && w.card_milli_least > 0 && s.shapes[j.shape].milli > w.card_milli_least;
    case Act::kShare:
      return w.can_share && !j.shares && w.cards == 1;
    case Act::kSuspend:
      return w.can_suspend && ran;
    case Act::kMigrate:
      return s.may_move(w);
    case Act::kRequeue:
      return w.can_restart && w.preemptible && ran;
    case Act::kKill:
      return w.preemptible && ran;
    default:
      return false;
  }
}

class Way {
 public:
  Way(Session* session, uint32_t job, const MayStop& may_stop, const char* why, Fresh fresh)
      : s_(*session),
        job_(job),
        shape_(session->jobs[job].shape),
        may_stop_(may_stop),
        why_(why),
        fresh_(fresh) {}

  bool find() {
    for (uint32_t v = 0; v < s_.jobs.size(); ++v)
      if (v != job_ && !s_.jobs[v].members.empty() && !s_.jobs[v].touched && may_stop_(v))
        running_.push_back(v);
    if (running_.empty()) return false;
    for (size_t rung = 0; rung < std::size(kLadder); ++rung)
      if (attempt(rung)) return true;
    return false;
  }

 private:
  // Milliseconds for which the victim's cards do nothing useful.
  int64_t loss_ms(uint32_t victim, Act act) const {
    const model::Workload& w = *s_.jobs[victim].work;
    const model::ActCosts& costs = s_.policy.costs;
    const int64_t memory = int64_t{w.card_memory_mib} * w.cards;
    switch (act) {
      case Act::kShrink:
      case Act::kShare:
        return costs.resize.ms(memory);
      case Act::kSuspend:
        return costs.suspend.ms(memory);
      case Act::kMigrate:
        return costs.migrate.ms(memory);
      default:
        return costs.restart.ms(memory) + std::max<int64_t>(0, s_.snapshot.now_ms - w.started_ms);
    }
  }

  // What it holds times what it loses, dearer for who thinks so and for who was stopped before.
  int64_t price(uint32_t victim, size_t rung) const {
    const Job& j = s_.jobs[victim];
    if (!s_.policy.on(Rule::kEviction)) return 0;
    const int64_t held = std::min(kMostHeld, int64_t{s_.shapes[j.shape].total_milli()} *
                                                 static_cast<int64_t>(j.members.size()));
    const int64_t loss = std::min(kLongestLoss, loss_ms(victim, act_for(victim, rung)));
    return held * loss / 1000 * j.work->interruption *
               (1 + std::min(j.work->stops, kMostDoublings)) +
           j.work->priority;
  }

  // Victims one by one, the cheapest on the most promising node first, until the workload fits.
  bool attempt(size_t rung) {
    std::vector<std::pair<int64_t, uint32_t>> victims;
    for (uint32_t v : running_)
      if (can(s_, v, act_for(v, rung), fresh_)) victims.emplace_back(price(v, rung), v);
    if (victims.empty()) return false;
    std::sort(victims.begin(), victims.end());
    if (s_.jobs[job_].work->members == 1)
      for (const auto& node : nodes_by_price(victims, rung))
        if (on_these(node, rung)) return true;
    std::vector<uint32_t> all;
    for (const auto& [cost, v] : victims) all.push_back(v);
    return s_.jobs[job_].work->members > 1 && on_these(all, rung);
  }

  // The mildest act up to this rung that the victim allows.
  Act act_for(uint32_t victim, size_t rung) const {
    for (size_t r = 0; r <= rung; ++r)
      if (can(s_, victim, kLadder[r], fresh_)) return kLadder[r];
    return kLadder[rung];
  }

  // For each node with victims: these, cheapest first; nodes by the price of what would have to go.
  std::vector<std::vector<uint32_t>> nodes_by_price(
      const std::vector<std::pair<int64_t, uint32_t>>& victims, size_t rung) const {
    std::vector<std::vector<uint32_t>> by_node(s_.cluster.size());
    for (const auto& [cost, v] : victims)
      for (ResidentId id : s_.jobs[v].members) by_node[s_.residents[id].at.card_node].push_back(v);
    std::vector<std::pair<int64_t, NodeId>> order;
    const int32_t need = s_.shapes[s_.jobs[job_].shape].total_milli();
    for (NodeId n = 0; n < by_node.size(); ++n) {
      if (by_node[n].empty()) continue;
      int64_t sum = 0, freed = s_.cluster[n].idle;
      for (uint32_t v : by_node[n]) {
        if (freed >= need) break;
        freed += s_.shapes[s_.jobs[v].shape].total_milli();
        sum = std::min(kMostPrice, sum + price(v, rung));
      }
      if (freed >= need) order.emplace_back(sum, n);
    }
    std::sort(order.begin(), order.end());
    std::vector<std::vector<uint32_t>> result;
    for (const auto& [sum, n] : order) result.push_back(std::move(by_node[n]));
    return result;
  }

  bool on_these(const std::vector<uint32_t>& victims, size_t rung) {
    bool placed = false;
    for (uint32_t v : victims) {
      if (done_.size() == kMostVictims) break;
      if (!can(s_, v, act_for(v, rung), fresh_) || !may_stop_(v)) continue;
      apply(v, act_for(v, rung));
      placed = place_gang(&s_, job_);
      if (placed) break;
    }
    if (placed) placed = settle();
    if (!placed) undo_all();
    return placed;
  }

  void apply(uint32_t v, Act act) {
    Job& j = s_.jobs[v];
    Done done{v, act, {}, {}, j.shape};
    for (ResidentId id : j.members) done.from.push_back(s_.residents[id].at);
    if (act == Act::kShrink) {
      s_.resize(v, j.work->card_milli_least);
    } else if (act == Act::kShare) {
      s_.resize(v, 0);
      j.shares = true;
    } else {
      s_.stop(v);
    }
    s_.jobs[v].touched = true;
    done_.push_back(std::move(done));
  }

  void undo(const Done& done) {
    s_.stop(done.victim);
    s_.jobs[done.victim].shape = done.shape_before;
    s_.jobs[done.victim].touched = false;
    if (done.act == Act::kShare) s_.jobs[done.victim].shares = false;
    for (const Placement& at : done.from) s_.start_member(done.victim, at);
  }

  void undo_all() {
    for (size_t i = done_.size(); i > 0; --i) undo(done_[i - 1]);
    done_.clear();
  }

  bool back_fits(const Done& done) {
    const ShapeId now = s_.jobs[done.victim].shape;
    std::vector<Placement> held;
    for (ResidentId id : s_.jobs[done.victim].members) held.push_back(s_.residents[id].at);
    s_.stop(done.victim);
    s_.jobs[done.victim].shape = done.shape_before;
    bool fits = true;
    for (const Placement& at : done.from) {
      fits = s_.cluster.fits(s_.shapes[done.shape_before], at);
      if (!fits) break;
      s_.start_member(done.victim, at);
    }
    if (fits) return true;
    s_.stop(done.victim);
    s_.jobs[done.victim].shape = now;
    for (const Placement& at : held) s_.start_member(done.victim, at);
    return false;
  }

  // The workload has its room. Victims that can stay do; movers look for another place.
  bool settle() {
    for (size_t i = done_.size(); i > 0; --i) {
      if (!back_fits(done_[i - 1])) continue;
      s_.jobs[done_[i - 1].victim].touched = false;
      if (done_[i - 1].act == Act::kShare) s_.jobs[done_[i - 1].victim].shares = false;
      done_.erase(done_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
    for (Done& done : done_)
      if (done.act == Act::kMigrate && !relocate(&done)) {
        s_.stop(job_);
        s_.jobs[job_].state = s_.jobs[job_].work->state;
        s_.jobs[job_].shape = shape_;  // of a gang, without the zone that was tried
        return false;
      }
    write();
    return true;
  }

  bool relocate(Done* done) {
    for (size_t i = 0; i < done->from.size(); ++i) {
      const Choice c = s_.placer->place(s_.jobs[done->victim].shape);
      if (!c.found() || !s_.cluster.fits(s_.shapes[s_.jobs[done->victim].shape], c.at))
        return false;
      s_.start_member(done->victim, c.at);
      done->to.push_back(c.at);
    }
    return true;
  }

  void write() {
    for (const Done& done : done_) {
      Job& j = s_.jobs[done.victim];
      Action a;
      a.act = done.act;
      a.workload = done.victim;
      a.because = job_;
      a.milli = done.act == Act::kShrink ? s_.shapes[j.shape].milli : 0;
      a.reason = std::string(why_) + ": room for " + s_.jobs[job_].work->name;
      if (done.act == Act::kMigrate) {
        for (uint32_t m = 0; m < done.to.size(); ++m) {
          a.member = m;
          a.places = {s_.place_name(done.to[m])};
          s_.plan.actions.push_back(a);
        }
        continue;
      }
      if (done.act == Act::kSuspend) j.state = model::WorkState::kSuspended;
      if (done.act == Act::kRequeue || done.act == Act::kKill) j.state = model::WorkState::kPending;
      s_.plan.actions.push_back(std::move(a));
    }
    done_.clear();
  }

  Session& s_;
  uint32_t job_;
  ShapeId shape_;  // of the workload
  const MayStop& may_stop_;
  const char* why_;
  Fresh fresh_;
  std::vector<uint32_t> running_;  // that may be stopped at all
  std::vector<Done> done_;
};

}  // namespace

bool make_way(Session* session, uint32_t job, const MayStop& may_stop, const char* why,
              Fresh fresh) {
  return Way(session, job, may_stop, why, fresh).find();
}

}  // namespace flexai::sched::passes
