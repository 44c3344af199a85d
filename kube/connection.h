// Connection: one HTTP/2 connection to the API server: dialing, requests, and finding out that the
// other end is gone. A server that is silent for `quiet` while somebody waits is asked by a PING;
// no byte within `patience` of that ends the connection. Threads: the loop's. Lifetime: not to be
// destroyed from within its own callbacks; exchanges are borrowed until they end.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "kube/h2_session.h"
#include "kube/net_stream.h"

namespace flexai::kube {

struct Liveness {
  base::Nanos dial = 5 * base::kSecond;  // for each address
  base::Nanos quiet = 15 * base::kSecond;
  base::Nanos patience = 5 * base::kSecond;
};

class Connection {
 public:
  struct Events {
    std::function<void()> room;                      // open, or streams have ended
    std::function<void(const base::Error&)> closed;  // the last one; all exchanges have ended
  };

  Connection(base::Loop& loop, NetStream::Peer peer, const H2Limits& limits,
             const Liveness& liveness, Events events);
  ~Connection();
  void dial();

  bool open() const { return state_ == State::kOpen; }
  bool was_open() const { return session_ != nullptr; }
  bool draining() const { return open() && session_->draining(); }
  size_t room() const { return open() ? session_->room() : 0; }
  size_t active() const { return session_ != nullptr ? session_->active() : 0; }

  // REQUIRES: room() != 0
  base::Result<int32_t> start(const RequestHead& head, std::string body, Exchange* exchange);
  void reset(int32_t stream);
  void consumed(int32_t stream, size_t bytes);
  void suspect();  // somebody has waited in vain: ask by a PING now

 private:
  enum class State { kDialing, kOpen, kClosed };
  void opened(const H2Limits& limits);
  void received(std::string_view bytes);
  void flush_soon();
  void flush();
  void check();
  void check_at(base::Nanos when);
  void close(const base::Error& why);

  base::Loop& loop_;
  const std::string name_;
  const Liveness liveness_;
  const Events events_;
  State state_ = State::kDialing;
  NetStream stream_;
  std::unique_ptr<H2Session> session_;
  std::string out_;
  size_t out_sent_ = 0;
  bool full_ = false;
  std::shared_ptr<bool> flushing_;  // a flush is posted; false when we are gone
  base::Nanos heard_ = 0, asked_ = 0;
  bool doubted_ = false;
  base::Loop::TimerId timer_ = 0;
};

}  // namespace flexai::kube
