// The options of flexai-worker.
#pragma once

#include <string>

namespace flexai::apps {

extern const char* const kWorkerUsage;

struct WorkerOptions {
  std::string listen, icd, pki, user, home, hide;
  int session = -1, appointment = -1, orders = -1;
  long patience = 60, grace = 30, linger = 300;
  unsigned long long keep = 256ull << 20;  // bytes
};

// False when they make no sense.
bool parse(int argc, char** argv, WorkerOptions& options);

}  // namespace flexai::apps
