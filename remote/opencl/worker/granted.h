// What a worker's session gets to see: the cards of one driver.
// Threads: one, at start. Runs the driver's start-up code.
#pragma once

#include <string>

#include "base/result.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

// The cards of the driver of the .icd file (or library) `icd`. Empty: those of the first platform
// that the host's loader finds any on; layers that the environment names are between, so a worker
// that was started for a slice is limited as a program in direct mode is.
base::Result<Granted> grant(const std::string& icd);

}  // namespace flexai::remote::opencl
