// Caches: Knowledge from reflectors. Threads: made and destroyed on the thread of `loop`, or before
// and after it runs; what knowledge() gives is asked from any thread, until the Caches are gone.
#pragma once

#include <memory>

#include "base/loop.h"
#include "control/webhook/knowledge.h"
#include "kube/client.h"

namespace flexai::control::webhook {

class Caches {
 public:
  Caches(kube::Client& client, base::Loop& loop);
  ~Caches();

  Knowledge knowledge() const;
  bool synced() const;  // on the loop's thread

 private:
  struct All;
  std::unique_ptr<All> all_;
};

}  // namespace flexai::control::webhook
