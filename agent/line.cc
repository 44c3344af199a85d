#include "agent/line.h"

#include <vector>

namespace flexai::agent {
namespace {

bool same_line(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() || a == b;
}

}  // namespace

uint64_t Line::join(const std::string& card, std::function<bool()> attempt) {
  waiting_.push_back(Entry{next_, card, std::move(attempt)});
  return next_++;
}

void Line::leave(uint64_t id) {
  waiting_.remove_if([id](const Entry& entry) { return entry.id == id; });
}

void Line::poke() {
  std::vector<std::string> blocked;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    bool behind = false;
    for (const std::string& card : blocked) behind = behind || same_line(card, it->card);
    if (!behind && it->attempt()) {
      it = waiting_.erase(it);
      continue;
    }
    blocked.push_back(it->card);
    ++it;
  }
}

bool Line::ahead_of(const std::string& card) const {
  for (const Entry& entry : waiting_)
    if (same_line(entry.card, card)) return true;
  return false;
}

}  // namespace flexai::agent
