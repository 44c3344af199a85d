// XpuQueue: who may have how much. Source: deploy/crds/xpuqueue.yaml. Threads: any; pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/world.h"
#include "kube/call.h"
#include "model/queue.h"

namespace flexai::control {

struct QueueFacts {
  model::Queue queue;
  int64_t generation = 0;
  std::string uid;
  int64_t ncu_hours = 0;    // thousandths, as said last
  std::string ncu_counted;  // until when; empty: not said
  std::string status;       // JSON of what was written last, without times
};
base::Result<QueueFacts> read_queue(std::string_view text);

// Queues that make sense together; the others with the reason, by name.
std::vector<model::Queue> sound(const std::vector<QueueFacts>& all,
                                std::map<std::string, std::string>* wrong);

// What status says; without the time at which it last changed. `whole`: milli-NCU of all cards.
std::string status_of(const QueueFacts& queue, const World::QueueUse& use, const std::string& wrong,
                      int64_t whole, int64_t ncu_hours);
// `counted`: until when the hours are; `when`: now.
kube::Call write_status(const QueueFacts& queue, const std::string& status,
                        const std::string& counted, const std::string& when);

}  // namespace flexai::control
