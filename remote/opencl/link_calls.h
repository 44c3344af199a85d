// Calls of the client that are none of the API's: they make the bytes of a buffer go straight from
// one host to another. Only on sessions that both know links (remote/links.h). Format:
// docs/formats/remote.md. Constants; any thread.
#pragma once

#include <cstdint>

#include "remote/opencl/push.h"

namespace flexai::remote::opencl {

// Above every entry that a Spec numbers.
inline constexpr uint16_t kFirstOwnEntry = 0xff00;
// To the target. values key (32): a worker may come with it. Asked.
inline constexpr uint16_t kAllowLink = 0xff00;
// To the target. queue, buffer, u64 offset, u64 size, values ticket (32), id event: the bytes of
// the ticket go there. The event ends when they have come or were given up, without an error.
inline constexpr uint16_t kExpectMove = 0xff01;
// To the target. queue, values ticket (32): not any more, if they have not begun to come.
inline constexpr uint16_t kForgetMove = 0xff02;
// To the source. As clEnqueueReadBuffer (queue, buffer, u64 offset, u64 size, u32 count, waits),
// then text link, values ticket (32), id event. The bytes go over the link, which kMoved says
// before the event's end; if they cannot, to the client, as those of a read.
inline constexpr uint16_t kSendMove = 0xff03;

// Pushed: u64 event: its bytes have gone over the link.
inline constexpr uint32_t kMoved = kFirstPush + 3;

}  // namespace flexai::remote::opencl
