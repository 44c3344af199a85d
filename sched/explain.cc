#include "sched/explain.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "sched/passes/gang.h"
#include "sched/rules/affinity.h"
#include "sched/rules/capacity.h"
#include "sched/rules/memory.h"
#include "sched/rules/model.h"
#include "sched/rules/topology.h"

namespace flexai::sched {
namespace {

bool starts_with(Session* s, uint32_t job, const std::function<void(Shape*)>& change) {
  const ShapeId own = s->jobs[job].shape;
  Shape changed = s->shapes[own];
  change(&changed);
  s->jobs[job].shape = s->shapes.intern(changed);
  const bool starts = passes::members_that_fit(s, job) == s->jobs[job].work->members;
  s->jobs[job].shape = own;
  return starts;
}

// The largest smaller share that would start, 0: none.
int smaller_share(Session* s, uint32_t job) {
  const Shape& shape = s->shapes[s->jobs[job].shape];
  if (shape.cards != 1) return 0;
  int best = 0;
  for (NodeId n = 0; n < s->cluster.size(); ++n) {
    Shape tiny = shape;
    tiny.milli = 1;
    if (first_obstacle(*s, tiny, n) == Reason::kNone)
      best = std::max<int>(best, s->cluster[n].most);
  }
  best = std::min<int>(best, shape.milli - 1);
  if (best <= 0) return 0;
  return starts_with(s, job, [best](Shape* c) { c->milli = static_cast<int16_t>(best); }) ? best
                                                                                          : 0;
}

std::string alternative(Session* s, uint32_t job, bool ever) {
  const Shape shape = s->shapes[s->jobs[job].shape];
  const model::Workload& w = *s->jobs[job].work;
  if (shape.reach == Reach::kLocal && shape.cards > 0 && s->policy.remote_most_milli > 0 &&
      starts_with(s, job, [](Shape* c) { c->reach = Reach::kPreferLocal; }))
    return "with a remote card allowed";
  for (size_t m = 0; m < s->models.size(); ++m)
    if (!w.models.empty() && (shape.models >> m & 1) == 0 && !s->models[m].empty() &&
        starts_with(s, job, [m](Shape* c) { c->models |= uint64_t{1} << m; }))
      return "with cards of model " + s->models[m] + " as well";
  if (const int milli = smaller_share(s, job); milli > 0)
    return "with a share of " + std::to_string(milli) + " instead of " +
           std::to_string(shape.milli);
  if (shape.cpu_milli > 0 && starts_with(s, job, [](Shape* c) { c->cpu_milli = 0; })) {
    int32_t low = 0, high = shape.cpu_milli;
    while (high - low > 500) {
      const int32_t middle = low + (high - low) / 2;
      (starts_with(s, job, [&](Shape* c) { c->cpu_milli = middle; }) ? low : high) = middle;
    }
    return "with " + std::to_string(low) + " milli-cpu instead of " +
           std::to_string(shape.cpu_milli);
  }
  if (w.members > 1) {
    const uint32_t fit = passes::members_that_fit(s, job);
    if (fit > 0)
      return "with " + std::to_string(fit) + " of its " + std::to_string(w.members) + " members";
  }
  return shape.cards > 0 && ever ? "when a card of its kind is given back" : "";
}

std::string line_of(const Session& s, const Verdict& v) {
  std::string line = s.jobs[v.workload].work->name + " waits: " + reason_name(v.reason);
  std::string counts;
  for (int r = 1; r < kReasons; ++r)
    if (v.nodes[static_cast<size_t>(r)] > 0)
      counts += (counts.empty() ? "" : ", ") + std::to_string(v.nodes[static_cast<size_t>(r)]) +
                " " + reason_name(static_cast<Reason>(r));
  if (!counts.empty()) line += " (nodes: " + counts + ")";
  if (!v.alternative.empty()) line += "; would start " + v.alternative;
  return line;
}

}  // namespace

// Whether the shape's fit has a place for the program and enough cards there.
bool allows(const Session& s, const Shape& shape, NodeId n) {
  if (shape.fit == 0) return true;
  const uint32_t word = s.cluster.allowed(shape.fit, n);
  if (!shape.cards_only && (word & model::Fit::kProcessor) == 0) return false;
  return std::popcount(word & ((1u << s.cluster.spec(n).cards) - 1)) >= shape.cards;
}

bool fits_empty(const Session& s, const Shape& shape, NodeId n) {
  const NodeSpec& spec = s.cluster.spec(n);
  if (s.policy.on(Rule::kAffinity) && !allows(s, shape, n)) return false;
  return (shape.cards == 0 || (shape.models >> spec.model & 1) != 0) &&
         (shape.labels & ~spec.labels) == 0 && spec.cards >= shape.cards &&
         (shape.cards == 0 || spec.card_memory_mib >= shape.card_memory_mib) &&
         spec.cpu_milli >= shape.cpu_milli && spec.memory_mib >= shape.memory_mib;
}

Reason first_obstacle(const Session& s, const Shape& shape, NodeId id) {
  const Policy& p = s.policy;
  if (s.cluster[id].open && p.on(Rule::kAffinity) && !allows(s, shape, id))
    return Reason::kNotAllowed;
  const NodeState n = p.on(Rule::kAffinity) ? s.cluster.seen_by(shape, id) : s.cluster[id];
  if (!n.open) return id < s.held.size() && s.held[id] ? Reason::kBehindHead : Reason::kNodeClosed;
  if (p.on(Rule::kModel) && !rules::model(shape, n)) return Reason::kWrongModel;
  if (p.on(Rule::kAffinity) && !rules::affinity(shape, n)) return Reason::kLabelMissing;
  if (p.on(Rule::kTopology) && !rules::topology(shape, n)) return Reason::kWrongZone;
  if (p.on(Rule::kCapacity) && !rules::cards(shape, n)) return Reason::kNoCards;
  if (p.on(Rule::kCapacity) && !rules::processors(shape, n)) return Reason::kNoProcessor;
  if (p.on(Rule::kMemory) && !rules::memory(shape, n)) return Reason::kNoMemory;
  if (p.on(Rule::kMemory) && shape.card_memory_mib > 0 &&
      !rules::card_memory(shape, n, s.cluster.card_memory_free(id)))
    return Reason::kNoCardMemory;
  return Reason::kNone;
}

Reason quota_reason(const Session& s, uint32_t job) {
  const Shape& shape = s.shapes[s.jobs[job].shape];
  Reason found = Reason::kNone;
  const int64_t members = s.jobs[job].work->members;
  for (size_t m = 0; m < s.models.size(); ++m) {
    if (shape.cards > 0 && (shape.models >> m & 1) == 0) continue;
    Usage more;
    more.model = static_cast<uint8_t>(m);
    more.milli = shape.total_milli() * members;
    more.ncu = more.milli * s.ncu(m, shape.kind) / kWholeCard;
    const Reason reason = s.queues->allows(s.jobs[job].queue, more);
    if (reason == Reason::kNone) return reason;
    found = reason;
  }
  return found;
}

Verdict renamed(const Session& s, const Verdict& verdict, uint32_t job) {
  Verdict v = verdict;
  v.workload = job;
  v.line = line_of(s, v);
  return v;
}

bool never_fits(const Session& s, uint32_t job) {
  const Shape& shape = s.shapes[s.jobs[job].shape];
  for (NodeId n = 0; n < s.cluster.size(); ++n)
    if (fits_empty(s, shape, n)) return false;
  return shape.reach == Reach::kLocal;
}

Verdict waits_behind(const Session& s, uint32_t job) {
  Verdict v;
  v.workload = job;
  v.reason = Reason::kBehindHead;
  v.line = line_of(s, v);
  return v;
}

Verdict explain(Session* s, uint32_t job) {
  Verdict v;
  v.workload = job;
  const Shape shape = s->shapes[s->jobs[job].shape];
  const bool ever = !never_fits(*s, job);
  for (NodeId n = 0; n < s->cluster.size(); ++n)
    ++v.nodes[static_cast<size_t>(first_obstacle(*s, shape, n))];
  const uint32_t fitting = v.nodes[0];
  v.nodes[0] = 0;
  const Reason quota = s->policy.on(Rule::kQuota) ? quota_reason(*s, job) : Reason::kNone;
  if (quota != Reason::kNone) {
    v.reason = quota;
  } else if (fitting > 0 && s->jobs[job].work->members > 1) {
    v.reason = Reason::kGangPartial;
  } else {
    const auto most = std::max_element(v.nodes.begin(), v.nodes.end());
    v.reason = static_cast<Reason>(most - v.nodes.begin());
    if (!ever) v.reason = Reason::kNeverFits;
  }
  if (quota == Reason::kNone) v.alternative = alternative(s, job, ever);
  v.line = line_of(*s, v);
  return v;
}

}  // namespace flexai::sched
