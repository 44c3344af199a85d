// The sweep: every entry of the API, called with right and with wrong arguments. The calls are
// generated (api/gen/sweep.py from api/opencl.cases.toml); what they need and how they report is
// the Bench. Threads: one, but for callbacks of the driver.
#pragma once

#include "test/e2e/opencl_sweep/bench.h"

namespace flexai::test {

struct Case {
  const char* name;
  // Not 0: the call does not reach a driver or no driver survives it; what it must be answered.
  cl_int expected;
};

struct Entry {
  const char* name;
  void (*call)(Bench& bench, size_t number);
  const Case* cases;
  size_t count;
};

extern const Entry kEntries[];
extern const size_t kEntryCount;

}  // namespace flexai::test
