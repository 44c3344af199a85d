// How calls travel on a session: tags of the messages of lane 0, the same for every API. Format:
// docs/formats/remote.md. Constants; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flexai::remote {

inline constexpr uint16_t kCallLane = 0;

// From the client: the entry as the Spec numbers it, and these.
inline constexpr uint32_t kAsked = 1u << 31;  // the body begins with a u32: a reply is due to it
inline constexpr uint32_t kPart = 1u << 30;   // bytes that go before those of the next kTail
inline constexpr uint32_t kTail = 1u << 29;   // the end of a call that came in parts
inline constexpr uint32_t kEntryMask = 0xffff;

// From the worker.
inline constexpr uint32_t kReply = 1;        // u32 number, i32 code of the API, results
inline constexpr uint32_t kReplyPart = 2;    // u32 number, bytes that go before the results
inline constexpr uint32_t kCompletions = 3;  // see completions.h
inline constexpr uint32_t kFirstPush = 16;   // from here on the API's own

inline constexpr size_t kPartBytes = 96u << 10;     // of a long message
inline constexpr size_t kMostCall = 512u << 20;     // of all parts of a call
inline constexpr size_t kMostReply = 1024u << 20;   // of all parts of a reply
inline constexpr size_t kBulkBytes = 256u << 10;    // from this size on, data goes as bulk
inline constexpr uint32_t kMostObjects = 1u << 20;  // of a session

}  // namespace flexai::remote
