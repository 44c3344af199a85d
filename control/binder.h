// Binder: carries out places that were decided: for each claim the finalizer, then allocation and
// reservation in one write, and its leases; then the pod's gate, for a gang only when all members
// have their claims: who runs has a lease, so that his card is his until its agent has let it go.
// What may have been written is found out before its place is forgotten. Whatever fails leaves the
// rest as it is: the next look at the facts goes on from there. Threads: all on the thread of
// `loop`. Lifetime: client and loop outlive it; answers that come later are dropped.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "base/loop.h"
#include "control/world.h"
#include "kube/client.h"

namespace flexai::control {

struct BinderCounts {
  uint64_t allocated = 0;  // claims
  uint64_t opened = 0;     // gates
  uint64_t conflicts = 0, failures = 0;
};

class Binder {
 public:
  struct Handlers {
    std::function<bool()> may_write;                        // we lead
    std::function<void(const std::string& pod)> opened;     // its gate
    std::function<void(const std::string& pod)> allocated;  // the last of its claims
    std::function<void(const std::string& pod, const std::string& why)> failed;
    std::function<void()> changed;  // the world is to be looked at again
  };
  Binder(kube::Client& client, base::Loop& loop, World& world, Handlers handlers);
  ~Binder();

  // The place is assumed already.
  void carry_out(const PodPlace& place);
  // Gates, leases and reservations that the facts lack.
  void mend();
  // Their places are taken back: who is bound is evicted as far as budgets let him, the others'
  // claims are deallocated.
  void requeue(const std::vector<std::string>& pods);
  bool idle() const { return busy_.empty(); }
  const BinderCounts& counts() const { return counts_; }

 private:
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;
  void next_claim(const TaskPtr& task);
  void write_allocation(const TaskPtr& task, const std::string& version);
  void answered(const TaskPtr& task, const std::string& version, const kube::Reply& reply);
  void find_out(const TaskPtr& task);
  void allocated(const TaskPtr& task);
  void written(const TaskPtr& task);
  void open(const std::string& pod);
  // `task`: waits for them; may be null.
  void make_leases(const std::string& claim, const std::vector<Given>& given,
                   const kube::Reference& pod, const std::string& node, const std::string& queue,
                   const TaskPtr& task);
  void make_lease(const std::string& key, const kube::Call& call, const std::string& share,
                  const TaskPtr& task);
  void lease_made(const std::string& key, bool there, const TaskPtr& task);
  void later(base::Nanos pause, std::function<void()> then);
  void finish(const std::string& pod);
  void look_for(const std::string& lease);
  void drop(const kube::Lease& lease);
  void look_after_orphan(const kube::Lease& lease);
  void fail(const TaskPtr& task, const kube::Failure& failure);
  void send(kube::Call call, std::function<void(kube::Reply)> then);
  bool ready(const std::string& pod) const;

  kube::Client& client_;
  base::Loop& loop_;
  World& world_;
  const Handlers handlers_;
  BinderCounts counts_;
  std::set<std::string> busy_;     // pods, leases and claims that are being written
  std::set<std::string> written_;  // pods whose claims are, and whose gate is not yet
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace flexai::control
