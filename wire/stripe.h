// Stripe: one bulk connection and the thread that moves chunks over it, both ways. The client's
// connects again after a cut, as long as the session lives; the host's ends.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "wire/bulk.h"
#include "wire/frame.h"

namespace flexai::wire {

class Stripe {
 public:
  // The host's has a transport; a client's connects by itself.
  Stripe(Bulk& bulk, uint8_t number, std::unique_ptr<Transport> transport, uint32_t epoch);
  ~Stripe();  // waits for the thread
  void wake();
  void cut();                      // the connection
  void cut_epoch(uint64_t epoch);  // if it is still that one
  void stop();
  bool done() const { return done_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kPrefix = kHeaderBytes + 16;
  static constexpr size_t kInFlight = 4;  // chunks sent and not acknowledged

  void run();
  base::Status connect();
  void serve();  // until the connection is over
  base::Status move(bool& moved);
  base::Status receive(bool& moved);
  base::Status begin_chunk();
  base::Status finish_chunk();
  base::Status send(bool& moved);
  bool build();
  void reset();  // after the connection is over

  Bulk& bulk_;
  const uint8_t number_;
  std::shared_ptr<Transport> transport_;  // set by the thread, shared with wake() under the mutex
  base::Mutex mutex_;
  std::atomic<bool> stopping_{false}, done_{false};
  std::atomic<uint32_t> epoch_;  // of the connection

  // Receiving: prefix, then the chunk's bytes to `into_`, or to `scratch_` when they are unwanted.
  std::array<std::byte, kPrefix> prefix_{};
  size_t prefix_have_ = 0;
  FrameHeader header_;
  uint64_t id_ = 0, offset_ = 0;
  std::span<std::byte> into_;
  bool placed_ = false;
  size_t have_ = 0;
  std::vector<std::byte> scratch_;

  // Sending: acknowledgements and at most one chunk at a time.
  std::vector<std::byte> acks_, sending_acks_;
  std::array<std::byte, kPrefix> out_prefix_{};
  std::vector<iovec> parts_;
  size_t first_part_ = 0;
  Bulk::Chunk chunk_;
  bool has_chunk_ = false;
  std::vector<Bulk::Chunk> in_flight_;

  std::thread thread_;
};

}  // namespace flexai::wire
