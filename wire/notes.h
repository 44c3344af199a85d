// Records of the frames by which sessions speak to each other, besides the greeting.
#pragma once

#include <vector>

#include "base/result.h"
#include "wire/codec.h"

namespace flexai::wire {

struct Credit {
  uint16_t lane = 0;
  uint64_t granted = 0;  // bytes ever, see inbox.h
  bool operator==(const Credit&) const = default;
};

inline constexpr size_t kMaxCredits = 256;  // in one frame

void encode(const std::vector<Credit>& credits, Writer& writer);
base::Result<std::vector<Credit>> decode_credits(Bytes bytes);

}  // namespace flexai::wire
