// Order: which pending workload is next. Queues by fairness, level by level (Queues::key): those
// below their guarantee first, then below what they deserve, then by what they are over for their
// weight. Inside a queue by priority, raised by one for every Policy::aging_ms of waiting, then by
// age. With the pass off: by age alone, over all queues.
#pragma once

#include <vector>

#include "sched/session.h"

namespace flexai::sched::passes {

class Order {
 public:
  explicit Order(const Session* session);

  // kNone when nobody is left. The same until drop() or a charge to a queue changes it.
  uint32_t next() const;
  void drop(uint32_t job);  // placed, or not to be looked at again in this plan
  void drop_queue(QueueId queue);

 private:
  const Session& s_;
  std::vector<std::vector<uint32_t>> lines_;  // by queue, next at the back
  std::vector<uint32_t> waiting_;             // by queue: in it and below
  uint32_t oldest() const;
  void count(QueueId queue, int by);
};

}  // namespace flexai::sched::passes
