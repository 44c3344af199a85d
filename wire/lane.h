// Lane: one ordered stream of messages in each direction of a Session. How a program uses lanes is
// its own choice: one a thread, a queue, a kind of message.
// Threads: several may send (their order is that of the calls), one at a time receives.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "wire/session.h"

namespace flexai::wire {

enum class Push { kLater, kNow, kHeld };

class Lane {
 public:
  // Sends head followed by body as one message of at most kMaxMessage bytes; copied, so both may
  // change afterwards. kLater leaves it in a batch, which goes when it has 64 messages or 16 KiB,
  // at flush(), at a receive() of this lane, and by itself after `batch_delay`; kHeld the same, but
  // not by itself: the caller flushes soon. Blocks while the windows are full.
  base::Status send(uint32_t tag, Bytes head, Bytes body = {}, Push push = Push::kLater);
  base::Status flush();

  // The next message; its body stays valid until the next receive. Flushes this lane first.
  // kTimeout after `deadline` (0 = none).
  base::Result<Message> receive(base::Nanos deadline);
  // The same without waiting; kTimeout when nothing is there.
  base::Result<Message> poll();

  // Instead of receive(): `sink` gets every message, in order, on whichever thread receives. It
  // must be quick, not wait and not send; the body is valid during the call. To be set before the
  // first message can arrive; an empty one ends it, and no call is under way afterwards.
  void set_sink(std::function<void(const Message&)> sink);

  uint16_t id() const { return id_; }

 private:
  friend class Session;
  Lane(Session& session, uint16_t id, size_t send_credit, size_t window);
  base::Status flush_batch(bool may_wait) FLEXAI_REQUIRES(batch_mutex_);
  base::Result<Message> next();
  bool has_more() const { return at_ < current_.size(); }

  Session& session_;
  const uint16_t id_;

  base::Mutex batch_mutex_;  // taken before the session's
  std::vector<std::byte> batch_ FLEXAI_GUARDED_BY(batch_mutex_);
  uint32_t batched_ FLEXAI_GUARDED_BY(batch_mutex_) = 0;
  bool timed_ FLEXAI_GUARDED_BY(batch_mutex_) = false;  // goes by itself
  std::atomic<bool> dirty_{false};

  // Under the session's mutex.
  Inbox inbox_;
  uint64_t sent_ = 0, credit_;  // bytes ever, as frame_cost()
  Session::Waiter* waiter_ = nullptr;
  std::function<void(const Message&)> sink_;

  // The receiver's.
  Block current_;
  size_t at_ = 0;
};

}  // namespace flexai::wire
