// The thread of a Session: receives when nobody waits, flushes late batches, connects again, and
// ends the session when its grace is over.
#include <algorithm>
#include <utility>

#include "base/futex.h"
#include "wire/greeting.h"
#include "wire/lane.h"
#include "wire/waiter.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::kMillisecond;
using base::monotonic_now;
using base::MutexLock;
using base::Nanos;

namespace {

// A caller that has just been the reader will be again: the keeper stays out of its way so long,
// and longer, doubling up to 2^kLongestLead times, the more often that was true. (Waking up by the
// clock costs tens of microseconds on virtual machines: once for each kernel of a millisecond, it
// was a twentieth of a card that is the host's processor.)
constexpr Nanos kLeadMemory = 2 * kMillisecond;
constexpr int kLongestLead = 3;
// A program that has just sent will again.
constexpr Nanos kSendMemory = 20 * kMillisecond;
// Where batches never wait for the keeper (their program asks or flushes), it looks less often:
// doubling up to 2^kRarest times the usual. A batch that it
// finds where the program has flushed others since the last look is no more than a program kept
// from its processor between two calls.
constexpr int kRarest = 5;
constexpr Nanos kFirstPause = kMillisecond / 2, kLongestPause = 500 * kMillisecond;

Nanos earlier(Nanos a, Nanos b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }
Nanos until(Nanos deadline) { return deadline == 0 ? INT64_MAX : deadline; }

}  // namespace

void Session::keep() {
  std::function<void(const base::Error&)> on_end;
  base::Error why;
  {
    MutexLock lock(mutex_);
    while (!stopping_ && !over_) {
      if (connection_ == nullptr) {
        keep_cut();
      } else {
        keep_connected();
      }
    }
    if (!stopping_ && !closing_) on_end = options_.on_end;
    why = end_why_;
    if (!over_) finish(fail(Code::kUnavailable, "the session was let go"));
  }
  if (on_end) on_end(why);
}

void Session::keep_connected() {
  Nanos now = monotonic_now();
  const Nanos flush_at = frozen_ ? 0 : flush_at_;
  if (flush_at != 0 && now >= flush_at) {
    flush_at_ = 0;
    flush_armed_.store(false, std::memory_order_release);
    mutex_.unlock();
    auto flushed = flush_lanes(false);
    mutex_.lock();
    const uint64_t own = own_flushes_.load(std::memory_order_relaxed);
    const bool left = flushed.ok() && *flushed != 0 && own == seen_flushes_;
    seen_flushes_ = own;
    rarely_ = left ? 0 : std::min(rarely_ + 1, kRarest);
    return;
  }
  // A program that sends will send again: woken by the clock, the keeper is not woken by it.
  const Nanos look = now - armed_at_ < kSendMemory ? now + late_look() : 0;
  std::shared_ptr<Connection> connection = connection_;
  if (!connection->reading && waiters_ == nullptr && now - led_at_ >= lead_memory()) {
    lead_trust_ = 0;
    keeper_reads_ = true;
    bool waited = waiters_ != nullptr;
    keeper_until_ = until(earlier(flush_at, look));
    read_once(connection, earlier(flush_at, look));
    keeper_until_ = 0;
    keeper_reads_ = false;
    waited |= waiters_ != nullptr;
    if (waiters_ != nullptr) mark_to_wake(*waiters_);
    if (waited) led_at_ = monotonic_now();
    wake_marked();
    return;
  }
  uint64_t leads = leads_;
  keeper_sleep(earlier(earlier(flush_at, look), std::max(now, led_at_) + lead_memory()));
  if (leads_ != leads && led_at_ > now) lead_trust_ = std::min(lead_trust_ + 1, kLongestLead);
  // One caller waits for long: nothing to do until it leaves.
  if (connection == connection_ && connection->reading && leads_ == leads && !stopping_) {
    keeper_deep_ = true;
    keeper_sleep(earlier(flush_at, look));
    keeper_deep_ = false;
  }
}

Nanos Session::lead_memory() const { return kLeadMemory << lead_trust_; }

Nanos Session::late_look() const { return (2 * options_.batch_delay) << rarely_; }

void Session::keep_cut() {
  Nanos end = cut_since_ + options_.grace;
  if (monotonic_now() >= end) {
    finish(fail(Code::kUnavailable, "no connection to " + peer_.name + " for " +
                                        std::to_string(options_.grace / base::kSecond) +
                                        " s: " + cut_why_.message));
    return;
  }
  if (!connector_) {
    keeper_sleep(end);
    return;
  }
  reconnect(end);
}

// Once, unless the grace ends at `end` before that.
void Session::reconnect(Nanos end) {
  if (attempts_ != 0) {
    Nanos pause = std::min(kLongestPause, kFirstPause << std::min(attempts_, 12));
    keeper_sleep(std::min(monotonic_now() + pause, end));
    if (stopping_ || over_ || connection_ != nullptr) return;
  }
  // A host that takes the connection and says nothing does not make the grace longer.
  const Nanos now = monotonic_now();
  if (now >= end) return;
  Nanos deadline = std::min(now + options_.handshake, end);
  ++attempts_;
  ++epoch_;
  Hello hello = make_hello();
  const bool move_due = std::exchange(move_due_, false);
  mutex_.unlock();
  if (move_due) {
    MutexLock lock(bulk_mutex_);
    if (moved_) moved_();
  }
  bool refused = false;
  std::vector<std::byte> place;
  auto transport = connector_(Purpose::kCommands, deadline);
  base::Result<Welcome> welcome = fail(Code::kUnavailable, "not connected");
  if (transport.ok()) welcome = greet(**transport, hello, deadline, refused, &place);
  mutex_.lock();
  if (stopping_ || over_) return;
  if (refused) {
    finish(welcome.error());
  } else if (!place.empty()) {
    auto there = moved(place);
    if (!there.ok()) finish(there.error());
  } else if (!transport.ok() && transport.error().code == Code::kNotFound) {
    finish(transport.error());  // known to be gone
  } else if (!transport.ok() || !welcome.ok()) {
    cut_why_ = transport.ok() ? welcome.error() : transport.error();
  } else if (welcome->session != id_) {
    finish(fail(Code::kCorrupt, "the host answers for another session"));
  } else {
    auto installed = install(std::move(transport).value(), welcome->received);
    if (!installed.ok()) finish(installed.error());
  }
}

void Session::drop(Connection& connection, const base::Error& why) {
  if (connection_.get() != &connection) return;
  if (connection.bids_farewell) {
    connection.transport->finish_sending();
    connection.transport->wake();
  } else {
    connection.transport->shutdown();
  }
  // Closed with bytes of the peer unread, TCP would take the farewell back.
  if (connection.writing || connection.bids_farewell) retired_ = connection_;
  connection_.reset();
  cut_since_ = monotonic_now();
  cut_why_ = why;
  wake_all();
  wake_keeper();
}

void Session::finish(base::Error why) {
  if (over_) return;
  end_why_ = std::move(why);
  over_.store(true, std::memory_order_release);
  if (connection_ != nullptr) drop(*connection_, end_why_);
  wake_all();
  wake_keeper();
}

void Session::keeper_sleep(Nanos deadline) {
  uint32_t seen = keeper_word_.load(std::memory_order_acquire);
  keeper_until_ = until(deadline);
  mutex_.unlock();
  base::futex_wait(&keeper_word_, seen, deadline);
  mutex_.lock();
  keeper_until_ = 0;
}

void Session::wake_keeper() {
  keeper_word_.fetch_add(1, std::memory_order_acq_rel);
  if (keeper_reads_ && connection_ != nullptr) {
    connection_->transport->wake();
  } else {
    base::futex_wake(&keeper_word_, 1);
  }
}

void Session::watch() {
  MutexLock lock(mutex_);
  if (keeper_reads_) return;
  led_at_ = 0;
  wake_keeper();
}

}  // namespace flexai::wire
