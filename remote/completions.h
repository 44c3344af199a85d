// Completions: what a worker pushes to its client when commands end, many in one message, so that
// the client waits for an event without asking.
// Values and pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "remote/ids.h"
#include "wire/codec.h"

namespace flexai::remote {

struct Completion {
  ObjectId event = 0;
  int32_t status = 0;               // the API's: complete, or a negative error
  std::array<uint64_t, 4> times{};  // queued, submitted, started, ended; on the device's clock
  bool operator==(const Completion&) const = default;
};

inline constexpr size_t kMostCompletions = 1024;  // in one message

void encode(const std::vector<Completion>& completions, wire::Writer& writer);
base::Result<std::vector<Completion>> decode_completions(wire::Bytes bytes);

}  // namespace flexai::remote
