// Ladder: what a plan does to pods that run: their leases are written (shrink, share, suspend,
// resume, grow, move), or they are evicted, which disruption budgets may refuse. Who is to get the
// room waits here, with his place assumed, until the cards' agents have given it up; what an agent
// cannot do, or does not in its time, is taken back, and the pod is spared for a while.
// docs/formats/kubernetes.md, "What is done to pods that run".
//
// Threads: all on the thread of `loop`. Lifetime: client and loop outlive it; answers that come
// later are dropped.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "control/world.h"
#include "kube/client.h"

namespace flexai::control {

struct LadderCounts {
  uint64_t shrunk = 0, grown = 0, shared = 0, suspended = 0, resumed = 0, moved = 0, evicted = 0;
  uint64_t refused = 0;  // by an agent, a budget, or not in time
};

class Ladder {
 public:
  struct Handlers {
    std::function<bool()> may_write;             // we lead
    std::function<void(const PodPlace&)> start;  // there is room now
    std::function<void()> changed;               // the world is to be looked at again
    std::function<void(const PodFacts& pod, const std::string& reason, const std::string& message)>
        tell;  // an event
  };
  Ladder(kube::Client& client, base::Loop& loop, World& world, Handlers handlers);
  ~Ladder();

  // Acts of one plan on running pods. `names`: of the plan's workloads. Those for the sake of a
  // workload that the plan starts, kPlace included, make one transaction; acts for nobody's sake
  // are their own. True: something did not fit after all, the planner is to be asked again.
  bool make_way(const std::string& unit, const sched::Action& place,
                const std::vector<sched::Action>& acts, const std::vector<std::string>& victims,
                const std::function<std::string()>& uuid);
  void act(const std::string& pod, const sched::Action& action);
  // Suspended work goes on. False: there is no room in fact.
  bool resume(const std::string& pod);

  // Whoever has his room by now starts; what takes too long is taken back.
  void look(base::Nanos now);
  // The first moment to look again; 0: none.
  base::Nanos next() const;
  // Pods that wait for others to give way, with whom.
  std::map<std::string, std::string> waiting() const;
  // The lead is lost: what was begun is what the next one finds.
  void drop();
  const LadderCounts& counts() const { return counts_; }

 private:
  struct Victim {
    std::string pod, uid, lease;  // lease: empty: it is evicted
    LeaseAim before, after;
    bool refused = false;
  };
  struct Way {                  // to the room of somebody
    std::string unit, resumes;  // resumes: a suspended pod
    std::vector<PodPlace> places;
    std::vector<Victim> victims;
    base::Nanos until = 0;
  };
  bool aim(const std::string& pod, const LeaseAim& aim, const std::string& why, Victim* made);
  void write(const std::string& lease, const LeaseAim& aim, const std::string& pod);
  void evict(const std::string& pod, const std::string& why);
  void evict_one(const std::string& pod, const std::string& why);
  bool begin(const std::string& pod, const sched::Action& action, const std::string& why,
             Victim* victim);
  void undo(const Way& way);
  void refuse(const std::string& pod, const std::string& why);
  bool arrived(const Way& way) const;
  void mend_refused();
  void mend_moves();
  void send(kube::Call call, std::function<void(kube::Reply)> then);
  int64_t until_ms(base::Nanos pause) const;

  kube::Client& client_;
  base::Loop& loop_;
  World& world_;
  const Handlers handlers_;
  LadderCounts counts_;
  std::list<Way> ways_;
  std::map<std::string, base::Nanos> pauses_;  // of pods that were spared, the last
  std::set<std::string> landing_;              // leases, while that is being written
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace flexai::control
