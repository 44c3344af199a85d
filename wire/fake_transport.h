// Two connected ends inside one process, with faults at chosen bytes: for tests.
// Threads: as Transport, both ends.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "wire/transport.h"

namespace flexai::wire {

enum class Fault {
  kNone,
  kFin,      // the reader gets what was sent before, then the end; so does the other side
  kReset,    // both sides fail at once, bytes under way are lost
  kSilence,  // nothing arrives any more, nobody is told
  kFlip,     // one bit of that byte changes
};

struct FakeLink {
  Fault fault = Fault::kNone;
  int direction = 0;            // whose bytes are counted: 0 the first end's, 1 the second's
  uint64_t after = 0;           // bytes of that direction that still pass
  base::Nanos delay = 0;        // one way
  size_t capacity = 64u << 10;  // bytes under way a direction
  bool keeps_bytes = true;
  bool tells_end = false;
};

using TransportPair = std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>>;
TransportPair make_fake_pair(const FakeLink& link = {});

}  // namespace flexai::wire
