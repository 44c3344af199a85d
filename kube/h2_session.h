// H2Session: the client's side of one HTTP/2 connection, without its socket: bytes in, bytes out.
// Memory is bounded whatever the server sends: a header block by nghttp2 (64 KiB), bodies by the
// windows, acknowledgements by nghttp2's flood limits. Source: RFC 9113 through nghttp2.
// Threads: one. Exchanges are called from within feed(), end() and reset(); they may start, reset
// and consume, but neither feed nor destroy the session.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "kube/exchange.h"
#include "kube/server_clock.h"

struct nghttp2_session;

namespace flexai::kube {

struct H2Limits {
  uint32_t stream_window = 1 << 20;       // bytes that wait for a slow exchange, at most
  uint32_t connection_window = 16 << 20;  // bytes under way together
  size_t most_streams = 200;              // less when the server says so
  std::shared_ptr<ServerClock> clock;     // is told the Date of answers; may be null
};

class H2Session {
 public:
  static base::Result<std::unique_ptr<H2Session>> make(const H2Limits& limits);
  ~H2Session();

  // The stream's number. `exchange` is borrowed until its ended(), or until reset().
  base::Result<int32_t> start(const RequestHead& head, std::string body, Exchange* exchange);
  void reset(int32_t stream);  // its exchange is not called any more
  void consumed(int32_t stream, size_t bytes);
  void ping();
  void end(const Ending& ending);  // of every exchange; the connection is gone

  base::Status feed(std::string_view bytes);
  // What is to be sent next, valid until the next call of anything; empty: nothing now.
  std::string_view output();

  size_t active() const { return streams_.size(); }
  size_t room() const;    // streams that may be started now
  bool draining() const;  // the server takes no new streams
  bool over() const;      // nothing is said any more: the server left, or broke the protocol
  uint64_t pongs() const { return pongs_; }

 private:
  friend struct H2Callbacks;
  struct Stream {
    Exchange* exchange = nullptr;
    std::string body;
    size_t sent = 0;
    int http = 0;
    std::string retry_after;
    bool answered = false;
    bool whole = false;
  };

  explicit H2Session(const H2Limits& limits) : limits_(limits) {}
  Stream* find(int32_t id);
  void close(int32_t id, uint32_t error);

  const H2Limits limits_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, Stream> streams_;
  bool goaway_ = false;
  uint64_t pongs_ = 0;
};

}  // namespace flexai::kube
