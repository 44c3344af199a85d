// Pages: what the hi-scheduler tells over HTTP: /metrics (Prometheus text, kube-scheduler's names
// where they fit), /healthz, /readyz, /v1/explain[?pod=NS/NAME], /v1/queues, /v1/snapshot. It
// changes nothing, so it asks nobody who he is: listen on loopback, or where a network policy holds
// strangers off. Threads: make() and the destructor on any; answers are asked for on `loop`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "base/result.h"
#include "control/scheduler.h"

namespace flexai::control {

std::string metrics_text(const Figures& figures, double cpu_seconds, long resident_bytes);

class Pages {
 public:
  // `address`: HOST:PORT; port 0: any. Both outlive it, and `loop` runs.
  static base::Result<std::unique_ptr<Pages>> make(const std::string& address, base::Loop& loop,
                                                   const Scheduler& scheduler);
  ~Pages();
  int port() const;

 private:
  struct Server;
  explicit Pages(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace flexai::control
