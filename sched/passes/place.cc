#include "sched/passes/place.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "sched/explain.h"
#include "sched/passes/consolidate.h"
#include "sched/passes/gang.h"
#include "sched/passes/hold.h"
#include "sched/passes/order.h"
#include "sched/passes/preempt.h"
#include "sched/passes/reclaim.h"

namespace flexai::sched::passes {
namespace {

constexpr int kMostSearches = 32;  // for moves that make room, that found none, in one plan

class Placing {
 public:
  explicit Placing(Session* session)
      : s_(*session), order_(session), holds_(session, claimants()) {}

  void run(bool explain) {
    hold_for_old_heads();
    for (uint32_t job = order_.next(); job != kNone; job = order_.next()) {
      const Reason behind = must_wait(job) ? Reason::kBehindHead : Reason::kNone;
      if (behind == Reason::kNone && may_start(job)) {
        ++started_;
        hold_for_new_heads();
      } else {
        wait(job, behind);
      }
      order_.drop(job);
    }
    if (explain)
      explain_all();
    else
      for (const auto& [job, behind] : waiting_) s_.plan.pending.push_back({job});
    finish();
  }

 private:
  std::vector<QueueId> claimants() {
    std::set<QueueId> found;
    for (uint32_t job = 0; job < s_.jobs.size(); ++job)
      if (s_.jobs[job].state != model::WorkState::kRunning &&
          found.count(s_.jobs[job].queue) == 0 && quota_of(job) == Reason::kNone &&
          !fits_never(job))
        found.insert(s_.jobs[job].queue);
    return {found.begin(), found.end()};
  }

  // Equal work that found no room finds none either as long as nothing is stopped or moved.
  bool may_start(uint32_t job) {
    if (holds_.holds_for(job)) return start_where_held(job);
    if (others_ != s_.plan.actions.size() - started_) {
      others_ = s_.plan.actions.size() - started_;
      hopeless_.clear();
    }
    const Job& j = s_.jobs[job];
    const Kind kind{j.shape,       j.queue,          j.work->members,
                    j.work->apart, j.work->together, j.work->priority};
    if (hopeless_.count(kind) != 0) return false;
    const bool started = start(job);
    if (!started) hopeless_.insert(kind);
    return started;
  }

  bool start_where_held(uint32_t job) {
    holds_.open_for(job);
    const bool started = start(job);
    if (started)
      holds_.release(job);
    else
      holds_.close_for(job);
    return started;
  }

  uint32_t passes_left(uint32_t job) const {
    const auto most = static_cast<uint32_t>(s_.policy.backfill_most);
    return most - std::min(most, s_.jobs[job].work->passed_over);
  }

  void hold_for_old_heads() {
    if (!s_.policy.on(Pass::kBackfill)) return;
    std::vector<uint32_t> old;
    for (uint32_t job = 0; job < s_.jobs.size(); ++job)
      if (s_.jobs[job].state != model::WorkState::kRunning && passes_left(job) == 0 &&
          quota_of(job) == Reason::kNone)
        old.push_back(job);
    std::stable_sort(old.begin(), old.end(), [this](uint32_t a, uint32_t b) {
      return s_.jobs[a].work->submitted_ms < s_.jobs[b].work->submitted_ms;
    });
    if (old.size() > s_.cluster.size()) old.resize(s_.cluster.size());
    for (uint32_t job : old) holds_.hold(job);
  }

  void hold_for_new_heads() {
    for (; !turns_.empty() && turns_.begin()->first <= started_; turns_.erase(turns_.begin()))
      holds_.hold(turns_.begin()->second);
  }

  bool start(uint32_t job) {
    if (place_gang(&s_, job)) {
      write(job, s_.jobs[job].members.size() > 1 ? "gang: all members have room" : "has room");
      return true;
    }
    if (quota_of(job) != Reason::kNone || fits_never(job)) return false;
    if (s_.policy.on(Pass::kDefrag) && searches_ < kMostSearches) {
      if (consolidate(&s_, job)) {
        write(job, "has room after moves");
        return true;
      }
      ++searches_;
    }
    if (s_.policy.on(Pass::kReclaim) && by_right(job)) return true;
    if (s_.policy.on(Pass::kPreempt) && preempt(&s_, job)) {
      write(job, "preempted lower priority");
      return true;
    }
    return false;
  }

  // What its queue has a right to; the guarantee goes before nodes that are held for others.
  bool by_right(uint32_t job) {
    const bool past_holds = holds_.any() && s_.queues->within(s_.jobs[job].queue, s_.usage_of(job),
                                                              Queues::Claim::kGuarantee);
    if (past_holds) holds_.open_all();
    const bool room = past_holds && place_gang(&s_, job);
    const bool started = room || reclaim(&s_, job);
    if (past_holds) holds_.close_all();
    if (started)
      write(job, room ? "its queue's guarantee goes before what is held"
                      : "reclaimed for its queue's guarantee");
    return started;
  }

  Reason quota_of(uint32_t job) const {
    if (!s_.policy.on(Rule::kQuota)) return Reason::kNone;
    return quota_reason(s_, job);
  }

  // With backfill only for a head of the own queue, that nodes are held for; without nobody passes
  // a head that wants cards of the same models.
  bool must_wait(uint32_t job) const {
    if (s_.policy.on(Pass::kBackfill)) return holds_.must_save(job);
    const Shape& shape = s_.shapes[s_.jobs[job].shape];
    for (uint64_t models : heads_want_)
      if (shape.cards == 0 || (shape.models & models) != 0) return true;
    return false;
  }

  void wait(uint32_t job, Reason behind) {
    waiting_.emplace_back(job, behind);
    // What is stopped by its own quota, or fits no node at all, keeps nobody waiting.
    if (behind != Reason::kNone || quota_of(job) != Reason::kNone || fits_never(job)) return;
    heads_want_.insert(s_.shapes[s_.jobs[job].shape].models);
    heads_[job] = started_;
    if (s_.policy.on(Pass::kBackfill) && passes_left(job) > 0)
      turns_.emplace(started_ + passes_left(job), job);
  }

  bool fits_never(uint32_t job) {
    const auto [at, fresh] = never_.try_emplace(s_.jobs[job].shape, false);
    if (fresh) at->second = never_fits(s_, job);
    return at->second;
  }

  Verdict explained(uint32_t job) {
    if (!holds_.holds_for(job)) return explain(&s_, job);
    holds_.open_for(job);
    Verdict verdict = explain(&s_, job);
    holds_.close_for(job);
    return verdict;
  }

  // Last, so that what is said is true of the plan as a whole; equal work is explained once.
  void explain_all() {
    std::map<std::tuple<ShapeId, QueueId, uint32_t, bool>, Verdict> known;
    for (const auto& [job, behind] : waiting_) {
      const Job& j = s_.jobs[job];
      Verdict& verdict = known[{j.shape, j.queue, j.work->members, holds_.holds_for(job)}];
      if (behind != Reason::kNone) {
        s_.plan.pending.push_back(waits_behind(s_, job));
        continue;
      }
      if (verdict.reason == Reason::kNone) verdict = explained(job);
      s_.plan.pending.push_back(renamed(s_, verdict, job));
    }
  }

  void finish() {
    for (Verdict& v : s_.plan.pending)
      if (const auto at = heads_.find(v.workload); at != heads_.end())
        v.passed = started_ - at->second;
    std::sort(s_.plan.pending.begin(), s_.plan.pending.end(),
              [](const Verdict& a, const Verdict& b) { return a.workload < b.workload; });
  }

  void write(uint32_t job, const char* reason) {
    Action a;
    a.act = Act::kPlace;
    a.workload = job;
    a.milli = s_.shapes[s_.jobs[job].shape].milli;
    for (ResidentId id : s_.jobs[job].members) {
      a.places.push_back(s_.place_name(s_.residents[id].at));
      s_.residents.edit(id).movable = false;  // what has just started is not moved at once
    }
    a.reason = reason;
    s_.jobs[job].touched = true;
    s_.plan.actions.push_back(std::move(a));
  }

  Session& s_;
  Order order_;
  // Shape, queue, members, apart, together, priority: all that a search for room depends on.
  using Kind = std::tuple<ShapeId, QueueId, uint32_t, bool, bool, int32_t>;
  std::set<Kind> hopeless_;
  uint32_t started_ = 0;
  int searches_ = 0;
  size_t others_ = 0;                        // actions of the plan that are not starts
  std::set<uint64_t> heads_want_;            // models
  std::multimap<uint32_t, uint32_t> turns_;  // heads, by what may start before nodes are held
  std::map<ShapeId, bool> never_;
  Holds holds_;
  std::map<uint32_t, uint32_t> heads_;  // what had started when it had to wait
  std::vector<std::pair<uint32_t, Reason>> waiting_;
};

}  // namespace

void place(Session* session, bool explain) { Placing(session).run(explain); }

}  // namespace flexai::sched::passes
