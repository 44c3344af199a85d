// Program cache: a Layer under which a program that was built from the same text before, with the
// same options by the same driver for the same devices, is made from the binaries of then. What the
// caller holds is the program that it made from source; behind it stands one made from binaries,
// which answers for what was built: kernels, status, binaries. The source, and what the compiler
// said then, are answered as if it had been compiled now.
//
// What took long to build is kept, beside everything else (program_keeper.h). Builds that fail,
// that depend on files or on the time, that are for some of a program's devices, or that have a
// callback, are the driver's. Nothing that goes wrong with the store is an error here. Threads:
// any, as a driver's. Lifetime: of the process; the last one made counts.
#pragma once

#include <memory>

#include "base/clock.h"
#include "driver/opencl/table.h"
#include "remote/content_store.h"

namespace flexai::remote::opencl {

struct ProgramCacheTimes {
  base::Nanos worth = 20 * base::kMillisecond;   // of a build that is kept
  base::Nanos quiet = 300 * base::kMillisecond;  // without a build before that is done
};
driver::opencl::Table with_program_cache(const driver::opencl::Table& driver,
                                         std::shared_ptr<ContentStore> store,
                                         ProgramCacheTimes times = {});

// At the end of a session: keeps what is yet to be kept, until `deadline`.
void finish_program_cache(base::Nanos deadline);

// Since the layer was made.
struct ProgramCacheCounts {
  uint64_t compiled = 0, found = 0, kept = 0;
};
ProgramCacheCounts program_cache_counts();

}  // namespace flexai::remote::opencl
