// HttpServer: the agent's HTTP+JSON interface on a unix socket. Who calls is known from the kernel
// (SO_PEERCRED), not from what the caller says; of other hosts, from their certificate, and they
// may call a few routes only. One request per connection.
//
// Threads: one per connection, at most kMaxConnections (of one user at most half of them, root
// aside); more are turned away at once. They only read, parse and write; every request is carried
// out on the Loop. Sizes are bounded: 1 MiB of body, 64 KiB of headers, 10 s to send a request.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "agent/api.h"
#include "base/loop.h"
#include "wire/transport.h"

namespace flexai::agent {

class HttpServer {
 public:
  static constexpr int kMaxConnections = 256;
  static constexpr size_t kMaxBody = 1 << 20;

  HttpServer(base::Loop* loop, Api* api);
  ~HttpServer();  // stop() must have been called

  void serve(base::Fd listener);  // returns at once
  // One request of `host` over a connection whose handshake is done. Any thread; blocks.
  void serve_host(wire::Transport& transport, const std::string& host);
  // Ends waiting requests, joins all threads. Call while the Loop still runs, not on its thread.
  void stop();

  int connections() const;
  base::Nanos last_request() const { return last_request_; }

 private:
  class Server;
  std::atomic<base::Nanos> last_request_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

int http_status(base::Code code);

}  // namespace flexai::agent
