// Depart: the worker's side of giving its session up to a worker of another host (handover.h).
// What takes the driver there long goes before, while the program works; then calls wait, what is
// under way comes to its end, and the rest goes. Every error leaves the session here, at work.
// Threads: any but the driver's and the worker's own.
#pragma once

#include <memory>
#include <vector>

#include "remote/handover.h"
#include "remote/opencl/worker/inventory.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

class Depart {
 public:
  explicit Depart(Worker& worker) : worker_(worker) {}

  // `channel`: to the agent. What is under way has until `patience` from then to end. Returns the
  // bytes of memory that went; from then on the session is there, and this process is only to
  // show its client the way: let follow() run, then end.
  base::Result<size_t> go(const base::Fd& channel, base::Nanos patience);
  // Until the client has come to the new place, or the grace of the session is over; then it ends
  // here.
  void follow();

 private:
  base::Status greet(const Place& place, base::Fd socket);
  base::Status beforehand();
  base::Result<size_t> hand_over(base::Nanos deadline);
  base::Status unmap_all();
  base::Status send_memory(const std::vector<cl_mem>& objects, const Inventory& inventory);
  bool at_rest(base::Nanos deadline);

  Worker& worker_;
  std::unique_ptr<wire::Transport> there_;
  OwnQueues queues_{worker_.table()};
};

}  // namespace flexai::remote::opencl
