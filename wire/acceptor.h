// Acceptor: takes the connections that come to a listening socket and serves each on a thread of
// its own. While a connection is greeted (its handshake is not over) it counts: above the limit of
// all further ones wait to be accepted; those above the limit of their address are closed, so that
// one peer cannot take every place. An address is that of IPv4 or the network (/64) of IPv6; local
// sockets have none.
// Threads: open(), stop() and the destructor on one; callbacks on the acceptor's.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::wire {

// Whose connection it is, as bytes: what is counted above. Empty: of this host.
std::string source_of(int socket);

// Who is being greeted, counted as above. Not thread-safe.
class Greeted {
 public:
  int all() const { return all_; }
  int of(const std::string& source) const;  // 0 for this host's
  void add(const std::string& source);
  void remove(const std::string& source);

 private:
  std::map<std::string, int> from_;
  int all_ = 0;
};

class Acceptor {
 public:
  struct Options {
    int greetings = 64;          // at once
    int an_address = 0;          // of these; 0: no limit
    std::function<void()> tick;  // about once a second, if there is one
  };

  // The place that a connection takes while it is greeted.
  class Greeting {
   public:
    Greeting(Acceptor& acceptor, std::string address)
        : acceptor_(acceptor), address_(std::move(address)) {}
    ~Greeting() { over(); }
    Greeting(const Greeting&) = delete;
    Greeting& operator=(const Greeting&) = delete;
    void over();  // it may be served for long now

   private:
    Acceptor& acceptor_;
    const std::string address_;
    bool over_ = false;
  };
  using Serve = std::function<void(base::Fd socket, Greeting& greeting)>;

  static base::Result<std::unique_ptr<Acceptor>> open(base::Fd listener, Options options,
                                                      Serve serve);
  ~Acceptor() { stop(); }
  void stop();  // accepts nobody any more; waits for those who are served

 private:
  Acceptor(base::Fd listener, base::Fd stop, Options options, Serve serve);
  void run();
  void start(base::Fd socket, std::string address);

  const base::Fd listener_, stop_;  // stop_: eventfd
  const Options options_;
  const Serve serve_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Greeted greeted_;
  int serving_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace flexai::wire
