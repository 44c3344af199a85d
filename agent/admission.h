// Admission: may this slice have its place on that card. Guarantees of a card never add up to more
// than the card; memory limits never to more than its memory. Besteffort slices promise no compute,
// so they may overbook that. Pure: no clock, no I/O. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/device.h"
#include "model/slice.h"

namespace flexai::agent {

struct Room {
  uint32_t granted_milli = 0;  // sum of guarantees
  uint64_t granted_bytes = 0;
  uint32_t slices = 0;
  uint32_t free_milli() const { return granted_milli >= 1000 ? 0 : 1000 - granted_milli; }
  uint64_t free_bytes(const model::Device& card) const {
    return granted_bytes >= card.memory_bytes ? 0 : card.memory_bytes - granted_bytes;
  }
};

// What the slices on `card` have been promised; one named `without` is left out.
Room room_of(const std::string& card, const std::vector<model::Slice>& slices,
             const std::string& without = "");

// `slice.card` is `card.id`. A slice of the same name counts as being replaced. kExhausted: no
// room, with what is free and the way out; kInvalid: would not fit on the empty card; kUnavailable:
// the card is not healthy.
base::Status admit(const model::Device& card, const std::vector<model::Slice>& slices,
                   const model::Slice& slice);

// The card for a slice that names none: of the healthy ones with room, the one that is left with
// the least free compute (ties: memory, then order), so that big slices still find a place. The
// error is that of the best candidate.
base::Result<std::string> choose_card(const std::vector<model::Device>& cards,
                                      const std::vector<model::Slice>& slices,
                                      const model::Slice& slice);

// Memory of a slice that names none: its guarantee's part of the card. kInvalid without a
// guarantee.
base::Result<uint64_t> default_memory(const model::Device& card, const model::Slice& slice);

}  // namespace flexai::agent
