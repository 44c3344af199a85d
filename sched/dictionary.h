// Dictionary: the numbers that a session uses for the names of a snapshot. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace flexai::sched {

// Numbers for names, in order of first appearance.
class Numbers {
 public:
  uint32_t of(const std::string& name) {
    return ids_.try_emplace(name, static_cast<uint32_t>(ids_.size())).first->second;
  }
  bool knows(const std::string& name) const { return ids_.count(name) != 0; }
  size_t size() const { return ids_.size(); }

 private:
  std::map<std::string, uint32_t> ids_;
};

struct Dictionary {
  Numbers models, zones, labels, nodes, queues, kinds, fits;
};

}  // namespace flexai::sched
