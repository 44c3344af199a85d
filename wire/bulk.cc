#include "wire/bulk.h"

#include <algorithm>

#include "base/futex.h"
#include "wire/stripe.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::MutexLock;
using base::Nanos;

namespace {

constexpr uint32_t kReady = 1;  // id, size: the receiver has a place
constexpr uint32_t kWrong = 2;  // id: the sender has another size
constexpr uint32_t kOver = 3;   // stripe, epoch: the host has given that connection up
constexpr size_t kMostEarly = 4096, kMostStripes = 16;
constexpr Nanos kLook = 100 * base::kMillisecond;

uint64_t chunks_of(size_t size) { return (size + kMaxChunk - 1) / kMaxChunk; }

}  // namespace

base::Result<std::unique_ptr<Bulk>> Bulk::make(Session& session, int stripes) {
  FLEXAI_TRY_ASSIGN(Lane * lane, session.lane(static_cast<uint16_t>(session.lanes() - 1)));
  std::unique_ptr<Bulk> bulk(
      new Bulk(session, lane, std::clamp(stripes, 1, static_cast<int>(kMostStripes))));
  Bulk* raw = bulk.get();
  lane->set_sink([raw](const Message& message) { raw->on_message(message); });
  if (!session.connector())
    session.set_bulk([raw](auto transport, uint8_t stripe, uint32_t epoch) {
      raw->attach(std::move(transport), stripe, epoch);
    });
  if (session.connector()) session.set_moved([raw] { raw->cut(); });
  return bulk;
}

Bulk::Bulk(Session& session, Lane* lane, int stripes)
    : session_(session), lane_(lane), wanted_stripes_(stripes) {}

Bulk::~Bulk() {
  session_.set_bulk({});
  session_.set_moved({});
  lane_->set_sink({});
  std::vector<std::unique_ptr<Stripe>> stripes;
  {
    MutexLock lock(mutex_);
    stripes.swap(stripes_);
  }
  for (auto& stripe : stripes) stripe->stop();
}

void Bulk::on_message(const Message& message) {
  Reader reader(message.body);
  uint64_t id = reader.u64("id"), size = message.tag == kReady ? reader.u64("size") : 0;
  const uint64_t epoch = message.tag == kOver ? reader.u64("epoch") : 0;
  if (!reader.finish().ok()) return;
  MutexLock lock(mutex_);
  if (message.tag == kOver) {
    // Only its client can connect anew; one that is owed bytes would not notice by itself.
    if (session_.connector() && id < stripes_.size()) stripes_[id]->cut_epoch(epoch);
    return;
  }
  if (message.tag == kWrong) {
    auto found = incoming_.find(id);
    if (found != incoming_.end()) found->second.cancelled = true;
  } else if (auto found = outgoing_.find(id); found != outgoing_.end()) {
    found->second.ready = true;
    found->second.wrong = size != found->second.from.size();
  } else if (early_.size() < kMostEarly) {
    early_[id] = size;
  }
  wake_stripes();
}

base::Status Bulk::start() {
  MutexLock lock(mutex_);
  if (started_ || !session_.connector()) return session_.status();
  started_ = true;
  for (int n = 0; n < wanted_stripes_; ++n)
    stripes_.push_back(std::make_unique<Stripe>(*this, static_cast<uint8_t>(n), nullptr, 0));
  return {};
}

void Bulk::lost_stripe(uint8_t number, uint32_t epoch) {
  Writer writer;
  writer.u64(number);
  writer.u64(epoch);
  [[maybe_unused]] auto told = lane_->send(kOver, writer.bytes(), {}, Push::kNow);
}

void Bulk::attach(std::unique_ptr<Transport> transport, uint8_t number, uint32_t epoch) {
  std::vector<std::unique_ptr<Stripe>> over;  // joined without the lock
  MutexLock lock(mutex_);
  for (auto it = stripes_.begin(); it != stripes_.end();) {
    if ((*it)->done()) {
      over.push_back(std::move(*it));
      it = stripes_.erase(it);
    } else {
      ++it;
    }
  }
  if (stripes_.size() < 2 * kMostStripes)
    stripes_.push_back(std::make_unique<Stripe>(*this, number, std::move(transport), epoch));
}

void Bulk::wake_stripes() {
  for (auto& stripe : stripes_) stripe->wake();
  changed_.fetch_add(1, std::memory_order_acq_rel);
  base::futex_wake(&changed_, INT32_MAX);
}

base::Status Bulk::expect(uint64_t id, std::span<std::byte> into) {
  FLEXAI_TRY(start());
  {
    MutexLock lock(mutex_);
    auto [at, fresh] = incoming_.try_emplace(id);
    if (!fresh) return fail(Code::kConflict, "bulk transfer " + std::to_string(id) + " exists");
    at->second.into = into;
    at->second.missing = chunks_of(into.size());
    at->second.have.assign(at->second.missing, false);
  }
  Writer writer;
  writer.u64(id);
  writer.u64(into.size());
  auto sent = lane_->send(kReady, writer.bytes(), {}, Push::kNow);
  if (!sent.ok()) cancel_receive(id);
  return sent;
}

base::Status Bulk::send(uint64_t id, Bytes from) {
  FLEXAI_TRY(start());
  bool wrong = false;
  {
    MutexLock lock(mutex_);
    auto [at, fresh] = outgoing_.try_emplace(id);
    if (!fresh) return fail(Code::kConflict, "bulk transfer " + std::to_string(id) + " exists");
    Outgoing& out = at->second;
    out.from = from;
    out.chunks = out.missing = chunks_of(from.size());
    out.acked.assign(out.missing, false);
    if (auto early = early_.find(id); early != early_.end()) {
      out.ready = true;
      wrong = out.wrong = early->second != from.size();
      early_.erase(early);
    }
    wake_stripes();
  }
  if (!wrong) return {};
  Writer writer;
  writer.u64(id);
  return lane_->send(kWrong, writer.bytes(), {}, Push::kNow);
}

base::Status Bulk::wait_received(uint64_t id, Nanos deadline) {
  for (;;) {
    uint32_t seen = changed_.load(std::memory_order_acquire);
    {
      MutexLock lock(mutex_);
      auto found = incoming_.find(id);
      if (found == incoming_.end())
        return fail(Code::kNotFound, "bulk transfer " + std::to_string(id) + " is not expected");
      Incoming& in = found->second;
      bool over = in.missing == 0 || in.cancelled || session_.ended();
      if (over && in.writing.empty()) {
        bool whole = in.missing == 0, wrong = in.cancelled;
        incoming_.erase(found);
        if (whole) return {};
        if (wrong) return fail(Code::kCorrupt, "the peer sends another size than is expected");
        return session_.status();
      }
    }
    if (deadline != 0 && monotonic_now() >= deadline)
      return fail(Code::kTimeout, "bulk data is late");
    rest(seen, deadline);
  }
}

base::Status Bulk::wait_sent(uint64_t id, Nanos deadline) {
  for (;;) {
    uint32_t seen = changed_.load(std::memory_order_acquire);
    bool tell = false;
    {
      MutexLock lock(mutex_);
      auto found = outgoing_.find(id);
      if (found == outgoing_.end())
        return fail(Code::kNotFound, "bulk transfer " + std::to_string(id) + " is not being sent");
      Outgoing& out = found->second;
      bool over = (out.ready && out.missing == 0) || out.wrong || session_.ended();
      if (over && out.senders == 0) {
        bool whole = out.missing == 0 && !out.wrong;
        tell = out.wrong;
        outgoing_.erase(found);
        if (whole) return {};
        if (!tell) return session_.status();
      }
    }
    if (tell) {
      Writer writer;
      writer.u64(id);
      FLEXAI_TRY(lane_->send(kWrong, writer.bytes(), {}, Push::kNow));
      return fail(Code::kCorrupt, "the peer expects another size than is sent");
    }
    if (deadline != 0 && monotonic_now() >= deadline)
      return fail(Code::kTimeout, "bulk data is not taken");
    rest(seen, deadline);
  }
}

template <typename Transfers, typename Busy>
bool Bulk::forget(Transfers& transfers, uint64_t id, const Busy& busy) {
  auto found = transfers.find(id);
  if (found == transfers.end()) return true;
  found->second.cancelled = true;
  if (!busy(found->second)) {
    transfers.erase(found);
    return true;
  }
  // A stripe is in the middle of a chunk; without its connection it lets go.
  for (auto& stripe : stripes_) stripe->cut();
  return false;
}

void Bulk::cancel_receive(uint64_t id) {
  for (bool forgotten = false; !forgotten;) {
    uint32_t seen = changed_.load(std::memory_order_acquire);
    {
      MutexLock lock(mutex_);
      forgotten = forget(incoming_, id, [](const Incoming& in) { return !in.writing.empty(); });
    }
    if (!forgotten) rest(seen);
  }
}

void Bulk::cancel_send(uint64_t id) {
  for (bool forgotten = false; !forgotten;) {
    uint32_t seen = changed_.load(std::memory_order_acquire);
    {
      MutexLock lock(mutex_);
      early_.erase(id);
      forgotten = forget(outgoing_, id, [](const Outgoing& out) { return out.senders != 0; });
    }
    if (!forgotten) rest(seen);
  }
}

void Bulk::rest(uint32_t seen, Nanos deadline) {
  const Nanos look = monotonic_now() + kLook;
  base::futex_wait(&changed_, seen, deadline == 0 ? look : std::min(deadline, look));
}

std::map<uint64_t, uint64_t> Bulk::awaited() const {
  MutexLock lock(mutex_);
  return early_;
}

base::Status Bulk::restore(std::map<uint64_t, uint64_t> awaited) {
  if (awaited.size() > kMostEarly)
    return fail(Code::kCorrupt, "more bulk transfers are awaited than may be");
  MutexLock lock(mutex_);
  early_ = std::move(awaited);
  return {};
}

void Bulk::cut() {
  MutexLock lock(mutex_);
  for (auto& stripe : stripes_) stripe->cut();
}

}  // namespace flexai::wire
