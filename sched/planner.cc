#include "sched/planner.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_set>

namespace flexai::sched {
namespace {

using base::Code;
using base::fail;
using base::Status;
using model::Workload;

constexpr size_t kMostShapes = 20'000;  // then those that nobody asks for any more are forgotten

std::string quoted(const std::string& name) { return "\"" + name.substr(0, 60) + "\""; }

}  // namespace

base::Result<std::unique_ptr<Planner>> Planner::open(Snapshot snapshot) {
  FLEXAI_TRY(validate(snapshot));
  std::unique_ptr<Planner> planner(new Planner(std::move(snapshot)));
  planner->reopen();
  return planner;
}

void Planner::reopen() {
  session_.reset();
  session_ = std::make_unique<Session>(known_);
  ++openings_;
  decided_.clear();
  position_.clear();
  node_position_.clear();
  for (uint32_t i = 0; i < known_.workloads.size(); ++i) position_[known_.workloads[i].name] = i;
  for (uint32_t i = 0; i < known_.nodes.size(); ++i) node_position_[known_.nodes[i].name] = i;
  fit_position_.clear();
  for (uint32_t i = 0; i < known_.fits.size(); ++i) fit_position_[known_.fits[i].name] = i;
  renewals_ = 0;
  say_mix();
}

// What was learnt becomes a fact, in the terms of the snapshot.
void Planner::say_mix() {
  if (renewals_ == session_->placer->renewals()) return;
  renewals_ = session_->placer->renewals();
  known_.mix.clear();
  for (const TypicalDemand& typical : session_->placer->typical())
    known_.mix.push_back({session_->asked.at(session_->shapes.intern(typical.shape)),
                          static_cast<uint32_t>(typical.weight)});
}

void Planner::refer() {
  for (uint32_t i = 0; i < session_->jobs.size(); ++i)
    session_->jobs[i].work = &known_.workloads[i];
}

// What the last plan did in the session becomes what is known: everybody it touched is put where
// the snapshot has him.
void Planner::sync() {
  for (uint32_t job : decided_) session_->stop(job);
  for (uint32_t job : decided_) {
    session_->jobs[job] = session_->job_of(known_.workloads[job]);
    for (const model::MemberPlace& place : known_.workloads[job].places)
      session_->start_member(job, session_->placement_of(place));
  }
  decided_.clear();
  session_->begin_plan();
}

Plan Planner::decide(Explain explain) {
  sync();
  run_passes(session_.get(), explain);
  Plan plan = std::move(session_->plan);
  std::set<uint32_t> touched;
  for (const Action& a : plan.actions) touched.insert(a.workload);
  decided_.assign(touched.begin(), touched.end());
  return plan;
}

void Planner::carry_out(const Plan& plan) {
  std::set<uint32_t> killed;
  for (const Action& a : plan.actions) {
    sched::carry_out(a, known_.now_ms, &known_.workloads[a.workload]);
    if (a.act == Act::kKill) killed.insert(a.workload);
  }
  for (const Verdict& v : plan.pending) known_.workloads[v.workload].passed_over += v.passed;
  sync();
  remove({killed.begin(), killed.end()});
}

// Those behind move up, in the session as in the snapshot.
void Planner::remove(const std::vector<uint32_t>& sorted) {
  if (sorted.empty()) return;
  for (uint32_t job : sorted) {
    session_->stop(job);
    position_.erase(known_.workloads[job].name);
  }
  uint32_t to = sorted.front();
  auto next = sorted.begin();
  for (uint32_t from = to; from < known_.workloads.size(); ++from) {
    if (next != sorted.end() && *next == from) {
      ++next;
      continue;
    }
    known_.workloads[to] = std::move(known_.workloads[from]);
    session_->jobs[to] = std::move(session_->jobs[from]);
    for (ResidentId id : session_->jobs[to].members) session_->residents.set_owner(id, to);
    position_[known_.workloads[to].name] = to;
    ++to;
  }
  known_.workloads.resize(to);
  session_->jobs.resize(to);
  refer();
}

Status Planner::check(const Delta& delta) const {
  if (delta.now_ms < known_.now_ms)
    return fail(Code::kInvalid, "delta: now_ms is " + std::to_string(delta.now_ms) +
                                    ", before what is known, " + std::to_string(known_.now_ms));
  std::unordered_set<std::string_view> named(delta.gone.size() + delta.workloads.size());
  for (const std::string& name : delta.gone)
    if (position_.count(name) == 0 || !named.insert(name).second)
      return fail(Code::kNotFound, "delta: workload " + quoted(name) + " is not there");
  for (const Workload& w : delta.workloads) {
    if (!named.insert(w.name).second)
      return fail(Code::kInvalid, "workload " + quoted(w.name) + ": this name is there twice");
    FLEXAI_TRY(validate(w));
  }
  for (const Delta::Use& use : delta.used) {
    if (position_.count(use.workload) == 0)
      return fail(Code::kNotFound, "delta: workload " + quoted(use.workload) + " is not there");
    if (use.observed_milli < -1 || use.observed_milli > 1000)
      return fail(Code::kInvalid, "workload " + quoted(use.workload) + ": observed_milli is " +
                                      std::to_string(use.observed_milli) + ", must be in -1..1000");
  }
  for (const Delta::Gate& gate : delta.gates)
    if (node_position_.count(gate.node) == 0)
      return fail(Code::kNotFound, "delta: node " + quoted(gate.node) + " is not there");
  const size_t nodes = delta.nodes ? delta.nodes->size() : known_.nodes.size();
  for (const model::Fit& fit : delta.fits) FLEXAI_TRY(validate(fit, nodes));
  return {};
}

Status Planner::change_structure(const Delta& delta) {
  Snapshot next = known_;
  next.now_ms = delta.now_ms;
  std::erase_if(next.workloads, [&](const Workload& w) {
    return std::find(delta.gone.begin(), delta.gone.end(), w.name) != delta.gone.end();
  });
  for (const Workload& w : delta.workloads) {
    const auto at = std::find_if(next.workloads.begin(), next.workloads.end(),
                                 [&](const Workload& o) { return o.name == w.name; });
    if (at == next.workloads.end())
      next.workloads.push_back(w);
    else
      *at = w;
  }
  for (const Delta::Use& use : delta.used)
    for (Workload& w : next.workloads)
      if (w.name == use.workload) w.observed_milli = use.observed_milli;
  if (delta.nodes) next.nodes = *delta.nodes, next.fits.clear();
  for (const model::Fit& fit : delta.fits) {
    const auto at = std::find_if(next.fits.begin(), next.fits.end(),
                                 [&](const model::Fit& o) { return o.name == fit.name; });
    if (at == next.fits.end())
      next.fits.push_back(fit);
    else
      *at = fit;
  }
  for (const Delta::Gate& gate : delta.gates)
    for (model::Node& node : next.nodes)
      if (node.name == gate.node) node.open = gate.open;
  if (delta.queues) next.queues = *delta.queues;
  if (delta.rates) next.rates = *delta.rates;
  if (delta.network) next.network = *delta.network;
  if (delta.policy) next.policy = *delta.policy;
  FLEXAI_TRY(validate(next));
  known_ = std::move(next);
  reopen();
  return {};
}

void Planner::put_fits(const std::vector<model::Fit>& fits) {
  for (const model::Fit& fit : fits) {
    const auto size = static_cast<uint32_t>(known_.fits.size());
    const auto [at, fresh] = fit_position_.try_emplace(fit.name, size);
    if (fresh)
      known_.fits.push_back(fit);
    else
      known_.fits[at->second] = fit;
    session_->use(fit);
  }
}

bool Planner::has_room(uint32_t job) {
  const Workload& w = known_.workloads[job];
  const model::MemberPlace& place = w.places[session_->jobs[job].members.size()];
  for (const std::string* node : {&place.node, &place.card_node})
    if (!node->empty() && node_position_.count(*node) == 0) return false;
  for (uint32_t card : place.cards)
    if (card >= static_cast<uint32_t>(kMaxCards)) return false;
  if (place.cards.size() != w.cards) return false;
  return session_->cluster.fits(session_->shapes[session_->jobs[job].shape],
                                session_->placement_of(place));
}

Status Planner::start(uint32_t job) {
  const Workload& w = known_.workloads[job];
  for (const model::MemberPlace& place : w.places) {
    if (!has_room(job))
      return fail(Code::kInvalid, "workload " + quoted(w.name) + ": its place on node " +
                                      quoted(place.node) + " is not there, or overbooks it");
    session_->start_member(job, session_->placement_of(place));
  }
  return {};
}

// All that is replaced or gone gives its room back first, so two may change places in one delta.
Status Planner::put(Delta* delta) {
  std::vector<uint32_t> changed;
  if (delta->workloads.size() > known_.workloads.size()) {  // all of a cluster
    known_.workloads.reserve(known_.workloads.size() + delta->workloads.size());
    position_.reserve(known_.workloads.capacity());
  }
  for (const std::string& name : delta->gone) session_->stop(position_[name]);
  for (Workload& w : delta->workloads) {
    if (!w.queue.empty() && !session_->names.queues.knows(w.queue))
      return fail(Code::kInvalid,
                  "workload " + quoted(w.name) + ": queue " + quoted(w.queue) + " is not there");
    if (!w.fit.empty() && fit_position_.count(w.fit) == 0)
      return fail(Code::kInvalid,
                  "workload " + quoted(w.name) + ": fit " + quoted(w.fit) + " is not there");
    const auto size = static_cast<uint32_t>(known_.workloads.size());
    const auto [at, fresh] = position_.try_emplace(w.name, size);
    changed.push_back(at->second);
    if (fresh) {
      known_.workloads.push_back(std::move(w));
      session_->jobs.emplace_back();
    } else {
      session_->stop(at->second);
      known_.workloads[at->second] = std::move(w);
    }
  }
  refer();
  for (uint32_t job : changed) {
    session_->jobs[job] = session_->job_of(known_.workloads[job]);
    FLEXAI_TRY(start(job));
  }
  return {};
}

Status Planner::apply(Delta delta) {
  sync();
  FLEXAI_TRY(check(delta));
  if (delta.nodes || delta.queues || delta.rates || delta.network || delta.policy)
    return change_structure(delta);
  std::vector<std::pair<uint32_t, Workload>> before;
  for (const Workload& w : delta.workloads)
    if (const auto at = position_.find(w.name); at != position_.end())
      before.emplace_back(at->second, known_.workloads[at->second]);
  const size_t count = known_.workloads.size();
  std::vector<model::Fit> fits_before;
  if (!delta.fits.empty()) fits_before = known_.fits;
  put_fits(delta.fits);
  if (const Status done = put(&delta); !done.ok()) {
    known_.workloads.resize(count);
    for (auto& [position, work] : before) known_.workloads[position] = std::move(work);
    if (!delta.fits.empty()) known_.fits = std::move(fits_before);
    reopen();
    return done;
  }
  known_.now_ms = delta.now_ms;
  for (const Delta::Use& use : delta.used)
    known_.workloads[position_[use.workload]].observed_milli = use.observed_milli;
  for (const Delta::Gate& gate : delta.gates) {
    known_.nodes[node_position_[gate.node]].open = gate.open;
    session_->cluster.set_open(session_->id_of[node_position_[gate.node]], gate.open);
  }
  for (size_t i = count; i < known_.workloads.size(); ++i)
    session_->placer->learn(session_->intern(known_.workloads[i]));
  std::vector<uint32_t> gone;
  for (const std::string& name : delta.gone) gone.push_back(position_[name]);
  std::sort(gone.begin(), gone.end());
  remove(gone);
  say_mix();
  if (session_->shapes.size() > kMostShapes) reopen();
  return {};
}

}  // namespace flexai::sched
