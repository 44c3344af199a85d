// Program cache: a Layer under which a program that was built from the same text before, with the
// same options by the same driver for the same devices, is made from the binaries of then. What the
// caller holds is the program that it made from source; behind it stands one made from binaries,
// which answers for what was built: kernels, status, binaries. The source, and what the compiler
// said then, are answered as if it had been compiled now.
//
// Only what comes out the same is kept: when a build is worth it (it took long), a second program
// is made from its binaries at once, and both are asked everything. Builds that fail, that depend
// on files or on the time, that are for some of a program's devices, or that have a callback, are
// the driver's. Nothing that goes wrong with the store is an error here.
// Threads: any, as a driver's. Lifetime: of the process; the last one made counts.
#pragma once

#include <memory>

#include "base/clock.h"
#include "driver/opencl/table.h"
#include "remote/content_store.h"

namespace flexai::remote::opencl {

driver::opencl::Table with_program_cache(const driver::opencl::Table& driver,
                                         std::shared_ptr<ContentStore> store,
                                         base::Nanos worth = 20 * base::kMillisecond);

// Since the layer was made.
struct ProgramCacheCounts {
  uint64_t compiled = 0, found = 0, kept = 0;
};
ProgramCacheCounts program_cache_counts();

}  // namespace flexai::remote::opencl
