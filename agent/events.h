// Events: what happened lately, for `flexai events` and for people who ask why. The last 1,024 are
// kept. Threads: one (the agent's Loop). Sequence numbers start at 1 in every incarnation of the
// agent.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace flexai::agent {

struct Event {
  uint64_t sequence = 0;
  int64_t time_ms = 0;  // since 1970
  std::string kind;     // "slice-created", "attached", "unmetered", ...
  std::string subject;  // slice, run or card it is about
  std::string message;
};

class Events {
 public:
  static constexpr size_t kKept = 1024;

  void add(const std::string& kind, const std::string& subject, const std::string& message);
  std::vector<Event> since(uint64_t sequence) const;  // those after it
  uint64_t last() const { return next_ - 1; }

  // Calls `wake` at the next event, once. The id cancels it.
  uint64_t on_next(std::function<void()> wake);
  void cancel(uint64_t id) { waiters_.erase(id); }

 private:
  std::deque<Event> kept_;
  uint64_t next_ = 1;
  uint64_t next_waiter_ = 1;
  std::map<uint64_t, std::function<void()>> waiters_;
};

}  // namespace flexai::agent
