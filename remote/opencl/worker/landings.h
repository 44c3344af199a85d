// Landings: where bytes go that other workers send here straight (remote/links.h). The client tells
// a range of a buffer and a ticket for it; the range is mapped, and bytes that come with the ticket
// are received into the driver's own mapping of it. A landing is over when they have come, when the
// client forgets it before they do, or when it is too old.
//
// The driver is asked for everything when the client tells it, on the worker's thread: the mapping,
// and the unmapping, which waits for a gate. The threads of the links only open gates.
// Threads: as said at each.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "remote/links.h"
#include "remote/opencl/worker/flow.h"

namespace flexai::remote::opencl {

class Landings {
 public:
  static constexpr size_t kMost = 4096;
  static constexpr base::Nanos kLife = 600 * base::kSecond;

  // On the worker's thread. `event` ends when the landing is over, without an error.
  cl_int expect(Incoming& call, const BufferRange& range, const MoveTicket& ticket, ObjectId event);
  void forget(const MoveTicket& ticket);
  // Before the objects are touched as a whole: what has not begun is over. Any thread but the
  // driver's.
  void forget_all();

  // For Links::land, on a link's thread. One that is not known may be on its way from the client,
  // and is waited for.
  base::Result<std::span<std::byte>> open(const MoveTicket& ticket, uint64_t size);
  base::Status close(const MoveTicket& ticket, bool there);

 private:
  static constexpr size_t kMostSpent = 4096;
  struct Landing;
  using Found = std::shared_ptr<Landing>;
  Found take(const MoveTicket& ticket, uint64_t size);
  static void give_up(const Found& landing);
  void spend(const MoveTicket& ticket);  // REQUIRES: the mutex

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<MoveTicket, Found> waiting_, open_;
  std::set<MoveTicket> spent_;  // the last that were used or forgotten
  std::deque<MoveTicket> spent_order_;
};

}  // namespace flexai::remote::opencl
