#include "wire/shm_transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/futex.h"
#include "wire/hope.h"
#include "wire/patience.h"
#include "wire/shm_layout.h"
#include "wire/socket.h"
#include "wire/socket_wait.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Fd;
using base::kMillisecond;
using base::Mapping;
using base::monotonic_now;
using base::Nanos;
using base::Result;

namespace {

constexpr Nanos kFutexTime = 10 * kMillisecond;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

class ShmTransport final : public Transport {
 public:
  ShmTransport(Fd socket, Mapping memory, uint64_t ring_bytes, int side, SocketWait wait)
      : socket_(std::move(socket)),
        memory_(std::move(memory)),
        bytes_(ring_bytes),
        page_(*memory_.as<ShmPage>()),
        mine_(page_.sides[side]),
        theirs_(page_.sides[1 - side]),
        out_(page_.rings[side]),
        in_(page_.rings[1 - side]),
        out_data_(memory_.as<std::byte>() + kShmPage + static_cast<uint64_t>(side) * ring_bytes),
        in_data_(memory_.as<std::byte>() + kShmPage + static_cast<uint64_t>(1 - side) * ring_bytes),
        wait_(std::move(wait)),
        peer_(peer_of(socket_.get(), Carrier::kShared)),
        hope_(side == 0 ? kAskerSpin : kAnswererSpin) {}

  Result<size_t> send(std::span<const iovec> parts) override {
    if (over_.load(std::memory_order_acquire)) return gone();
    FLEXAI_TRY_ASSIGN(uint64_t room, room_left());
    uint64_t sent = 0, head = head_.load(std::memory_order_relaxed);
    for (const iovec& part : parts) {
      uint64_t size = std::min<uint64_t>(part.iov_len, room - sent);
      copy_in(head + sent, static_cast<const std::byte*>(part.iov_base), size);
      sent += size;
    }
    if (sent == 0) return size_t{0};
    head_.store(head + sent, std::memory_order_relaxed);
    out_.head.store(head + sent, std::memory_order_release);
    ring();
    return static_cast<size_t>(sent);
  }

  Result<size_t> receive(std::span<std::byte> into) override {
    FLEXAI_TRY_ASSIGN(uint64_t there, bytes_there());
    uint64_t got = std::min<uint64_t>(there, into.size());
    if (got == 0) {
      if (over_.load(std::memory_order_acquire)) return gone();
      if (theirs_.closed.load(std::memory_order_acquire) == 0) return size_t{0};
      // Bytes from before it closed may have come since we looked.
      FLEXAI_TRY_ASSIGN(there, bytes_there());
      if (there == 0) return gone();
      return size_t{0};
    }
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    copy_out(into.data(), tail, got);
    tail_.store(tail + got, std::memory_order_relaxed);
    in_.tail.store(tail + got, std::memory_order_release);
    ring_for_room();
    return static_cast<size_t>(got);
  }

  void wait(unsigned events, Nanos deadline) override {
    const Nanos begin = monotonic_now();
    const bool reads = (events & kReadable) != 0;
    const bool came = reads ? hope_.look(deadline, [&] { return spin(events); }) : spin(events);
    if (!came) {
      const bool writes = (events & kWritable) != 0;
      if (writes) mine_.rooms.fetch_add(1, std::memory_order_seq_cst);
      sleep(events, begin + kFutexTime, deadline);
      if (writes) mine_.rooms.fetch_sub(1, std::memory_order_seq_cst);
    }
    if (reads) woken_.store(false, std::memory_order_release);
  }

  void wake() override {
    woken_.store(true, std::memory_order_release);
    mine_.bell.fetch_add(1, std::memory_order_seq_cst);
    base::futex_wake(&mine_.bell, INT32_MAX);
    wait_.wake();
  }

  void shutdown() override {
    over_.store(true, std::memory_order_release);
    mine_.closed.store(1, std::memory_order_release);
    theirs_.bell.fetch_add(1, std::memory_order_seq_cst);
    base::futex_wake(&theirs_.bell, INT32_MAX);
    ::shutdown(socket_.get(), SHUT_RDWR);
    wake();
  }

  const Peer& peer() const override { return peer_; }
  bool tells_end() const override { return true; }

 private:
  base::Error gone() const { return fail(Code::kUnavailable, peer_.name + " closed its memory"); }
  base::Error nonsense() const {
    return fail(Code::kUnavailable, peer_.name + " wrote nonsense into the ring's words");
  }

  Result<uint64_t> room_left() const {
    uint64_t used =
        head_.load(std::memory_order_relaxed) - out_.tail.load(std::memory_order_acquire);
    if (used > bytes_) return nonsense();
    return bytes_ - used;
  }
  Result<uint64_t> bytes_there() const {
    uint64_t there =
        in_.head.load(std::memory_order_acquire) - tail_.load(std::memory_order_relaxed);
    if (there > bytes_) return nonsense();
    return there;
  }

  void copy_in(uint64_t at, const std::byte* from, uint64_t size) {
    uint64_t place = at & (bytes_ - 1), first = std::min(size, bytes_ - place);
    if (first != 0) std::memcpy(out_data_ + place, from, first);
    if (size != first) std::memcpy(out_data_, from + first, size - first);
  }
  void copy_out(std::byte* into, uint64_t at, uint64_t size) {
    uint64_t place = at & (bytes_ - 1), first = std::min(size, bytes_ - place);
    std::memcpy(into, in_data_ + place, first);
    if (size != first) std::memcpy(into + first, in_data_, size - first);
  }

  // A sleeper announces itself and looks again; we write and then look for sleepers. The fences
  // make one of the two see the other (Dekker).
  void ring() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (theirs_.sleepers.load(std::memory_order_relaxed) != 0) {
      theirs_.bell.fetch_add(1, std::memory_order_seq_cst);
      base::futex_wake(&theirs_.bell, INT32_MAX);
    }
    if (theirs_.pollers.load(std::memory_order_relaxed) != 0) {
      char byte = 0;
      ::send(socket_.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }

  // Most who sleep wait for bytes: room is no news to them.
  void ring_for_room() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (theirs_.rooms.load(std::memory_order_relaxed) != 0) ring();
  }

  bool ready(unsigned events) const {
    if (over_.load(std::memory_order_acquire)) return true;
    if (theirs_.closed.load(std::memory_order_acquire) != 0) return true;
    if ((events & kReadable) != 0 &&
        (woken_.load(std::memory_order_acquire) ||
         in_.head.load(std::memory_order_acquire) != tail_.load(std::memory_order_relaxed)))
      return true;
    return (events & kWritable) != 0 &&
           head_.load(std::memory_order_relaxed) - out_.tail.load(std::memory_order_acquire) !=
               bytes_;
  }

  bool spin(unsigned events) const {
    for (int i = 0; i < 16; ++i) {
      if (ready(events)) return true;
      relax();
    }
    return false;
  }

  void sleep(unsigned events, Nanos patience, Nanos deadline) {
    while (!ready(events)) {
      Nanos now = monotonic_now();
      if (deadline != 0 && now >= deadline) return;
      if (socket_is_over()) {
        over_.store(true, std::memory_order_release);
        return;
      }
      if (now >= patience && (events & kReadable) != 0) {
        sleep_on_socket(events, deadline);
      } else {
        if (now >= patience) patience = now + kFutexTime;
        sleep_on_bell(events, deadline == 0 ? patience : std::min(patience, deadline));
      }
    }
  }

  void sleep_on_bell(unsigned events, Nanos deadline) {
    uint32_t seen = mine_.bell.load(std::memory_order_acquire);
    mine_.sleepers.fetch_add(1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!ready(events)) base::futex_wait(&mine_.bell, seen, deadline);
    mine_.sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }

  void sleep_on_socket(unsigned events, Nanos deadline) {
    mine_.pollers.fetch_add(1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!ready(events)) wait_.wait(socket_.get(), kReadable, deadline);
    mine_.pollers.fetch_sub(1, std::memory_order_seq_cst);
  }

  // Also empties it of the bytes that woke us.
  bool socket_is_over() {
    char bytes[64];
    for (;;) {
      ssize_t n = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
      if (n > 0) continue;
      return n == 0 || (errno != EAGAIN && errno != EINTR);
    }
  }

  const Fd socket_;
  const Mapping memory_;
  const uint64_t bytes_;
  ShmPage& page_;
  ShmSide &mine_, &theirs_;
  ShmRing &out_, &in_;
  std::byte *out_data_, *in_data_;
  // Our own words as we know them; written by who sends and who receives, read by who waits.
  std::atomic<uint64_t> head_{0}, tail_{0};
  SocketWait wait_;
  const Peer peer_;
  Hope hope_;
  std::atomic<bool> woken_{false}, over_{false};
};

Result<std::unique_ptr<Transport>> make(Fd socket, Fd memory, uint64_t ring_bytes, int side) {
  FLEXAI_TRY_ASSIGN(Mapping mapping, Mapping::map(memory.get(), kShmPage + 2 * ring_bytes,
                                                  Mapping::Access::kReadWrite));
  FLEXAI_TRY_ASSIGN(SocketWait wait, SocketWait::make());
  return std::unique_ptr<Transport>(
      new ShmTransport(std::move(socket), std::move(mapping), ring_bytes, side, std::move(wait)));
}

base::Status wait_readable(int socket, Nanos deadline, const char* what) {
  Patience patience(deadline, monotonic_now());
  for (Nanos now = monotonic_now(); !patience.over(now); now = monotonic_now()) {
    wait_socket(socket, POLLIN, -1, patience.next(now));
    pollfd check{socket, POLLIN, 0};
    if (::poll(&check, 1, 0) > 0) return {};
  }
  return fail(Code::kTimeout, what);
}

}  // namespace

Result<std::unique_ptr<Transport>> offer_shared_memory(Fd socket, Nanos deadline,
                                                       uint64_t ring_bytes) {
  FLEXAI_TRY_ASSIGN(Fd memory, base::make_memfd("flexai-wire", kShmPage + 2 * ring_bytes));
  ShmOffer offer{kShmMagic, kShmVersion, ring_bytes};
  int fd = memory.get();
  FLEXAI_TRY(send_with_fds(socket.get(), std::as_bytes(std::span(&offer, 1)), {&fd, 1}));
  FLEXAI_TRY(wait_readable(socket.get(), deadline, "the host does not take the shared memory"));
  char taken = 0;
  if (::recv(socket.get(), &taken, 1, MSG_DONTWAIT) != 1 || taken != 1)
    return fail(Code::kUnavailable, "the host does not take the shared memory");
  return make(std::move(socket), std::move(memory), ring_bytes, 0);
}

Result<std::unique_ptr<Transport>> take_shared_memory(Fd socket, Nanos deadline) {
  FLEXAI_TRY(wait_readable(socket.get(), deadline, "no shared memory was offered in time"));
  ShmOffer offer{};
  FLEXAI_TRY_ASSIGN(
      auto fds, receive_with_fds(socket.get(), std::as_writable_bytes(std::span(&offer, 1)), 1));
  if (offer.magic != kShmMagic || offer.version != kShmVersion || fds.size() != 1 ||
      !std::has_single_bit(offer.ring_bytes) || offer.ring_bytes < kLeastRing ||
      offer.ring_bytes > kMostRing)
    return fail(Code::kCorrupt, "an offer of shared memory that makes no sense");
  // Without the seal a client could cut the file short under our feet (SIGBUS).
  int seals = ::fcntl(fds[0].get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return fail(Code::kCorrupt, "the shared memory offered is not sealed against shrinking");
  char taken = 1;
  FLEXAI_TRY_ASSIGN(Fd copy, socket.duplicate());
  FLEXAI_TRY_ASSIGN(auto transport,
                    make(std::move(socket), std::move(fds[0]), offer.ring_bytes, 1));
  if (::send(copy.get(), &taken, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
    return fail(Code::kUnavailable, "the client went away");
  return transport;
}

}  // namespace flexai::wire
