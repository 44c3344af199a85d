#include "sched/passes/order.h"

#include <algorithm>

namespace flexai::sched::passes {

Order::Order(const Session* session)
    : s_(*session), lines_(s_.queues->root() + 1), waiting_(s_.queues->root() + 1) {
  for (uint32_t job = 0; job < s_.jobs.size(); ++job) {
    if (s_.jobs[job].state == model::WorkState::kRunning) continue;
    lines_[s_.jobs[job].queue].push_back(job);
    count(s_.jobs[job].queue, 1);
  }
  const int64_t step = std::max<int64_t>(1, s_.policy.aging_ms);
  auto rank = [&](uint32_t job) {
    const model::Workload& w = *s_.jobs[job].work;
    const int64_t age = std::max<int64_t>(0, s_.snapshot.now_ms - w.submitted_ms) / step;
    return s_.policy.on(Pass::kOrder) ? -(w.priority + age) : 0;
  };
  for (auto& line : lines_)
    std::sort(line.begin(), line.end(), [&](uint32_t a, uint32_t b) {
      if (rank(a) != rank(b)) return rank(a) > rank(b);
      const int64_t at = s_.jobs[a].work->submitted_ms, bt = s_.jobs[b].work->submitted_ms;
      return at != bt ? at > bt : a > b;
    });
}

void Order::count(QueueId queue, int by) {
  for (QueueId q = queue;; q = s_.queues->parent(q)) {
    waiting_[q] += static_cast<uint32_t>(by);
    if (q == s_.queues->root()) return;
  }
}

uint32_t Order::oldest() const {
  uint32_t best = kNone;
  for (const auto& line : lines_) {
    if (line.empty()) continue;
    const uint32_t job = line.back();
    if (best == kNone || s_.jobs[job].work->submitted_ms < s_.jobs[best].work->submitted_ms)
      best = job;
  }
  return best;
}

uint32_t Order::next() const {
  if (!s_.policy.on(Pass::kOrder)) return oldest();
  QueueId queue = s_.queues->root();
  if (waiting_[queue] == 0) return kNone;
  while (lines_[queue].empty()) {
    QueueId best = kNone;
    Queues::Key least;
    for (QueueId child : s_.queues->children(queue)) {
      if (waiting_[child] == 0) continue;
      const Queues::Key key = s_.queues->key(child, Usage{});
      if (best == kNone || key < least) best = child, least = key;
    }
    if (best == kNone) return kNone;
    queue = best;
  }
  return lines_[queue].back();
}

void Order::drop(uint32_t job) {
  auto& line = lines_[s_.jobs[job].queue];
  const auto at = std::find(line.rbegin(), line.rend(), job);
  if (at == line.rend()) return;
  line.erase(std::next(at).base());
  count(s_.jobs[job].queue, -1);
}

void Order::drop_queue(QueueId queue) {
  count(queue, -static_cast<int>(lines_[queue].size()));
  lines_[queue].clear();
}

}  // namespace flexai::sched::passes
