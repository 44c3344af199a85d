// Door: accepts connections at an endpoint and has a Host serve each on a thread of its own, at
// most 64 handshakes at once. Threads: make() and the destructor on one thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "wire/dial.h"
#include "wire/host.h"

namespace flexai::wire {

class Door {
 public:
  // Listens at once; `host` outlives the door.
  static base::Result<std::unique_ptr<Door>> open(const Endpoint& endpoint,
                                                  std::shared_ptr<TlsContext> tls, Host& host);
  // The same on a socket that listens already, at `endpoint`.
  static base::Result<std::unique_ptr<Door>> on(base::Fd listener, const Endpoint& endpoint,
                                                Host& host);
  ~Door();  // stops listening, waits for handshakes under way

  const Endpoint& endpoint() const { return endpoint_; }  // with the port that was taken

 private:
  Door(Endpoint endpoint, std::shared_ptr<TlsContext> tls, Host& host, base::Fd listener,
       base::Fd stop);
  void run();
  void serve(base::Fd socket);

  const Endpoint endpoint_;
  const std::shared_ptr<TlsContext> tls_;
  Host& host_;
  const base::Fd listener_;
  const base::Fd stop_;  // eventfd
  std::mutex mutex_;
  std::condition_variable changed_;
  int serving_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace flexai::wire
