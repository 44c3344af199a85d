// WatchPort: what looks after the agent asks over plain HTTP: GET /healthz, /readyz and /metrics,
// and nothing else. It tells what the cards and slices do and changes nothing, so it asks nobody
// who he is: on loopback, or where a network policy or firewall holds strangers off.
// Threads: one accepts, two answer; open() and stop() on any but the Loop's, which runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/api.h"

namespace flexai::agent {

class WatchPort {
 public:
  // `address`: HOST:PORT; port 0: any. `ready`, on the Loop: why not, or nothing.
  using Ready = std::function<std::string()>;
  static base::Result<std::unique_ptr<WatchPort>> open(const std::string& address, base::Loop* loop,
                                                       Api* api, Ready ready);
  ~WatchPort();
  int port() const;
  void stop();

 private:
  struct Server;
  explicit WatchPort(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace flexai::agent
