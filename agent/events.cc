#include "agent/events.h"

#include <time.h>

#include "base/log.h"

namespace flexai::agent {

void Events::add(const std::string& kind, const std::string& subject, const std::string& message) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  kept_.push_back(
      Event{next_++, now.tv_sec * 1000 + now.tv_nsec / 1000000, kind, subject, message});
  if (kept_.size() > kKept) kept_.pop_front();
  base::log(base::Level::kInfo, "event", message, {{"kind", kind}, {"subject", subject}});
  auto waiters = std::move(waiters_);
  waiters_.clear();
  for (auto& [id, wake] : waiters) wake();
}

std::vector<Event> Events::since(uint64_t sequence) const {
  std::vector<Event> found;
  for (const Event& event : kept_)
    if (event.sequence > sequence) found.push_back(event);
  return found;
}

uint64_t Events::on_next(std::function<void()> wake) {
  waiters_.emplace(next_waiter_, std::move(wake));
  return next_waiter_++;
}

}  // namespace flexai::agent
