// NetStream: the bytes of one connection on a Loop: TCP, and TLS when asked for. Nothing blocks.
// Threads: the loop's. Lifetime: it may be destroyed in any of its callbacks' callers' later tasks,
// not from within a callback.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "kube/server_address.h"
#include "kube/tls.h"

namespace flexai::kube {

class NetStream {
 public:
  struct Peer {
    std::string name;  // for messages
    std::vector<SocketAddress> addresses;
    std::optional<TlsMaterial> tls;
  };
  struct Events {
    std::function<void()> open;
    std::function<void(std::string_view)> bytes;
    std::function<void()> writable;  // after write() took less than it was given
    // The last one. kDenied and kInvalid: trying again does not help by itself.
    std::function<void(const base::Error&)> closed;
  };

  // Tries the addresses one after the other, each for at most `patience`.
  NetStream(base::Loop& loop, Peer peer, base::Nanos patience, Events events);
  ~NetStream();
  void dial();

  // REQUIRES: open. How many bytes were taken.
  size_t write(std::string_view bytes);

 private:
  enum class State { kIdle, kConnecting, kHandshake, kOpen, kClosed };
  void next_address();
  void ready(uint32_t events);
  void connected();
  void shake();
  void read();
  void opened();
  void failed(const base::Error& why);  // this address
  void close(const base::Error& why);
  void listen(uint32_t events);
  void drop();

  base::Loop& loop_;
  const Peer peer_;
  const base::Nanos patience_;
  const Events events_;
  State state_ = State::kIdle;
  size_t tried_ = 0;
  base::Fd socket_;
  Ssl ssl_;
  uint32_t interest_ = 0;
  bool wants_room_ = false;
  base::Loop::TimerId timer_ = 0;
};

}  // namespace flexai::kube
