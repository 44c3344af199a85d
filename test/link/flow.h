// Flow: one direction of a relayed connection: bytes with the time at which they may leave.
// Pure but for the two sockets it is given. Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/clock.h"

namespace flexai::link {

struct Conditions {
  base::Nanos delay = 0;
  double bandwidth = 0;  // bytes a second, 0 no limit
  double read_rate = 0;  // bytes a second taken from the sender, 0 no limit
};

class Flow {
 public:
  // What read() or write() found out about the socket.
  enum class State { kOpen, kEnded, kBroken };

  // Takes what there is, at most what the conditions and the buffer allow.
  State read(int from, const Conditions& conditions, base::Nanos now);
  // Passes on what is due; kEnded when the sender's end has been passed on too.
  State write(int to, base::Nanos now);

  bool wants_read(base::Nanos now) const { return !ended_ && held_ < kBuffer && now >= read_at_; }
  bool wants_write(base::Nanos now) const;
  base::Nanos next(base::Nanos now) const;  // when something changes by itself; 0 never
  uint64_t passed() const { return passed_; }
  void limit(uint64_t bytes) { limit_ = bytes; }  // no more than that ever passes
  bool at_limit() const { return passed_ >= limit_; }

 private:
  static constexpr size_t kBuffer = 4u << 20;
  struct Parcel {
    base::Nanos due;
    std::vector<std::byte> bytes;
    size_t begin = 0;
  };
  std::deque<Parcel> parcels_;
  size_t held_ = 0;
  uint64_t passed_ = 0, limit_ = UINT64_MAX;
  base::Nanos line_free_ = 0;  // when the modelled line has sent what it got
  base::Nanos read_at_ = 0;
  bool ended_ = false, told_ = false;
};

}  // namespace flexai::link
