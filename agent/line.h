// Line: requests that wait for room on a card, served first come, first served. A request waits for
// its card; one that names no card waits for any, and so stands in everybody's line. Threads: one
// (the agent's Loop).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>

namespace flexai::agent {

class Line {
 public:
  // `attempt` returns true when the request has been answered, false to go on waiting. It is called
  // from poke(), never from join().
  uint64_t join(const std::string& card, std::function<bool()> attempt);
  void leave(uint64_t id);
  // Room may have come free: tries every request that has none of its card before it.
  void poke();
  // Whether somebody waits whose turn comes before a newcomer for `card` ("" = any).
  bool ahead_of(const std::string& card) const;
  size_t size() const { return waiting_.size(); }

 private:
  struct Entry {
    uint64_t id;
    std::string card;
    std::function<bool()> attempt;
  };
  std::list<Entry> waiting_;
  uint64_t next_ = 1;
};

}  // namespace flexai::agent
