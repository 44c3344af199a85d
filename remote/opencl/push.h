// What a worker pushes to its client, besides what every API's does. Constants; any thread.
#pragma once

#include "remote/message.h"

namespace flexai::remote::opencl {

// u64 event, u64 offset, bytes: what the command of the event read; its completion follows.
inline constexpr uint32_t kReadData = kFirstPush;
// Bytes that kernels printed.
inline constexpr uint32_t kPrinted = kFirstPush + 1;

}  // namespace flexai::remote::opencl
