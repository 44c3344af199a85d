#include "wire/fake_transport.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

namespace flexai::wire {
namespace {

using base::Code;
using base::fail;
using base::Nanos;

struct Parcel {
  Nanos due;
  std::vector<std::byte> bytes;
};

struct Pipe {
  std::deque<Parcel> parcels;
  size_t held = 0;
  uint64_t passed = 0;
  bool ended = false;  // its reader gets the end after what is there
};

// Both directions; the ends share it.
struct Wire {
  explicit Wire(const FakeLink& l) : link(l) {}
  const FakeLink link;
  std::mutex mutex;
  std::condition_variable changed;
  Pipe pipes[2];  // [0]: written by end 0
  bool reset = false, silent = false;

  void strike(Pipe& pipe) {
    if (link.fault == Fault::kFin) {
      pipe.ended = true;
    } else if (link.fault == Fault::kReset) {
      reset = true;
    } else if (link.fault == Fault::kSilence) {
      silent = true;
    }
  }

  void put(int direction, const std::byte* from, size_t size) {
    Pipe& pipe = pipes[direction];
    std::vector<std::byte> bytes(from, from + size);
    bool mine = link.fault != Fault::kNone && direction == link.direction;
    if (mine && link.fault == Fault::kFlip && pipe.passed <= link.after &&
        link.after < pipe.passed + size)
      bytes[link.after - pipe.passed] ^= std::byte{4};
    bool strikes = mine && link.fault != Fault::kFlip && pipe.passed + size >= link.after;
    if (strikes) bytes.resize(link.after - std::min(pipe.passed, link.after));
    pipe.passed += size;
    pipe.held += bytes.size();
    Nanos due = link.delay != 0 ? base::monotonic_now() + link.delay : 0;
    if (!bytes.empty()) pipe.parcels.push_back({due, std::move(bytes)});
    if (strikes) strike(pipe);
  }
};

class FakeEnd final : public Transport {
 public:
  FakeEnd(std::shared_ptr<Wire> wire, int side) : wire_(std::move(wire)), side_(side) {
    peer_.name = side == 0 ? "fake:second" : "fake:first";
    peer_.identity = "fake";
  }
  ~FakeEnd() override { FakeEnd::shutdown(); }

  base::Result<size_t> send(std::span<const iovec> parts) override {
    std::lock_guard lock(wire_->mutex);
    if (over_ || wire_->reset || mine().ended) return over();
    size_t sent = 0;
    for (const iovec& part : parts) {
      size_t room = wire_->link.capacity - std::min(wire_->link.capacity, mine().held);
      size_t size = std::min(part.iov_len, room);
      if (size == 0) break;
      // Into silence everything goes until the pipe is full.
      if (wire_->silent) {
        mine().held += size;
      } else {
        wire_->put(side_, static_cast<const std::byte*>(part.iov_base), size);
      }
      sent += size;
    }
    wire_->changed.notify_all();
    return sent;
  }

  base::Result<size_t> receive(std::span<std::byte> into) override {
    std::lock_guard lock(wire_->mutex);
    if (over_ || wire_->reset) return over();
    Pipe& pipe = theirs();
    size_t got = 0;
    while (got < into.size() && arrived()) {
      auto& bytes = pipe.parcels.front().bytes;
      size_t size = std::min(bytes.size(), into.size() - got);
      std::memcpy(into.data() + got, bytes.data(), size);
      got += size;
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      if (bytes.empty()) pipe.parcels.pop_front();
    }
    pipe.held -= got;
    if (got != 0) wire_->changed.notify_all();
    if (got == 0 && pipe.ended && pipe.parcels.empty() && !wire_->silent) return over();
    return got;
  }

  void wait(unsigned events, Nanos deadline) override {
    std::unique_lock lock(wire_->mutex);
    auto ready = [&] {
      bool read = (events & kReadable) != 0, write = (events & kWritable) != 0;
      return over_ || wire_->reset || (read && (woken_ || arrived() || at_end())) ||
             (write && (mine().held < wire_->link.capacity || mine().ended));
    };
    while (!ready()) {
      Nanos until = deadline;
      if (!theirs().parcels.empty() && theirs().parcels.front().due != 0)
        until = std::min(until == 0 ? INT64_MAX : until, theirs().parcels.front().due);
      if (until == 0) {
        wire_->changed.wait(lock);
        continue;
      }
      if (base::monotonic_now() >= until) {
        if (until == deadline) break;
        continue;
      }
      wire_->changed.wait_until(
          lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until)));
    }
    if ((events & kReadable) != 0) woken_ = false;
  }

  void wake() override {
    std::lock_guard lock(wire_->mutex);
    woken_ = true;
    wire_->changed.notify_all();
  }

  void shutdown() override {
    std::lock_guard lock(wire_->mutex);
    over_ = true;
    if (!wire_->silent) mine().ended = theirs().ended = true;
    wire_->changed.notify_all();
  }

  const Peer& peer() const override { return peer_; }
  bool keeps_bytes() const override { return wire_->link.keeps_bytes; }
  bool tells_end() const override { return wire_->link.tells_end; }

 private:
  Pipe& mine() { return wire_->pipes[side_]; }
  Pipe& theirs() { return wire_->pipes[1 - side_]; }
  bool arrived() {
    const auto& parcels = theirs().parcels;
    return !parcels.empty() &&
           (parcels.front().due == 0 || parcels.front().due <= base::monotonic_now());
  }
  bool at_end() { return theirs().ended && theirs().parcels.empty() && !wire_->silent; }
  base::Error over() const { return fail(Code::kUnavailable, peer_.name + " closed the stream"); }

  std::shared_ptr<Wire> wire_;
  const int side_;
  Peer peer_;
  bool over_ = false, woken_ = false;
};

}  // namespace

TransportPair make_fake_pair(const FakeLink& link) {
  auto wire = std::make_shared<Wire>(link);
  return {std::make_unique<FakeEnd>(wire, 0), std::make_unique<FakeEnd>(wire, 1)};
}

}  // namespace flexai::wire
