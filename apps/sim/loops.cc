#include "apps/sim/loops.h"

#include <algorithm>

namespace flexai::apps::sim {

void Loops::stopped(const std::string& task, const std::string& for_whom) {
  const auto [at, fresh] = exchanges_.try_emplace(std::minmax(task, for_whom));
  if (fresh) {
    partners_[task].push_back(for_whom);
    partners_[for_whom].push_back(task);
  }
  Exchange& e = at->second;
  // The same one stopped again for the same other is no exchange; it starts anew.
  e.length = e.last.empty() || e.last == task ? 1 : e.length + 1;
  e.last = task;
  longest_ = std::max(longest_, e.length);
  found_ += e.length > kMostExchange;
}

void Loops::moved(const std::string& task, uint32_t member, const std::string& from,
                  const std::string& to, double now) {
  Member& m = moved_[task][member];
  std::erase_if(m.left, [&](const Left& l) { return now - l.at > kSoon; });
  if (std::any_of(m.left.begin(), m.left.end(), [&](const Left& l) { return l.place == to; })) {
    ++returns_;
    found_ += ++m.returns > kMostReturns;
  }
  m.left.push_back({from, now});
}

void Loops::gone(const std::string& task) {
  moved_.erase(task);
  const auto at = partners_.find(task);
  if (at == partners_.end()) return;
  for (const std::string& other : at->second) {
    exchanges_.erase(std::minmax(task, other));
    if (const auto o = partners_.find(other); o != partners_.end()) std::erase(o->second, task);
  }
  partners_.erase(at);
}

}  // namespace flexai::apps::sim
