// What a worker pushes to its client, besides what every API's does. Constants; any thread.
#pragma once

#include "remote/message.h"

namespace flexai::remote::opencl {

// u64 event, u64 offset, bytes: what the command of the event read; its completion follows.
inline constexpr uint32_t kReadData = kFirstPush;
// Bytes that kernels printed.
inline constexpr uint32_t kPrinted = kFirstPush + 1;
// u64 context, blob text, blob of the driver's own: what the driver says of an error in a context.
// At most kMostNews bytes each.
inline constexpr uint32_t kContextNews = kFirstPush + 2;
inline constexpr uint32_t kMostNews = 4096;

}  // namespace flexai::remote::opencl
