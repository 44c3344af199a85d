// What a worker's session gets to see: the cards of one driver, whole or limited to a slice.
// Threads: one, at start. Runs the driver's start-up code.
#pragma once

#include <string>

#include "base/result.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

// The cards of the driver of the .icd file (or library) `icd`; empty: the first of this host. When
// the environment names a slice (see limit/attach.h) they are the slice's, and every call goes
// through the limiting layer as it does in direct mode.
base::Result<Granted> grant(const std::string& icd);

}  // namespace flexai::remote::opencl
