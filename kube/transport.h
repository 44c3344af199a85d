// Transport: requests to one API server over a few connections, on a thread of its own. Calls and
// watches have separate connections, so that many events delay no write. A request that finds no
// room waits; urgent ones go first. When no connection can be made, those that wait end at once and
// the next attempt is made later (backoff); who wants to try again asks again.
// Threads: everything but make(), io() and the destructor only on the thread of io(). Lifetime: the
// destructor ends every exchange and joins the thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/loop.h"
#include "kube/call.h"
#include "kube/connection.h"
#include "kube/credentials.h"
#include "kube/exchange.h"
#include "kube/retry.h"

namespace flexai::kube {

enum class Lane { kCalls, kWatches };

struct Request {
  std::string method = "GET";
  std::string path;
  std::string body;
  std::string content_type;
  std::string accept = "application/json";
  Lane lane = Lane::kCalls;
  Priority priority = Priority::kNormal;
  base::Nanos deadline = 0;  // monotonic; 0: none
};

struct TransportOptions {
  std::string user_agent = "flexai";
  H2Limits limits;
  Liveness liveness;
  base::Nanos first_backoff = 100 * base::kMillisecond;
  base::Nanos most_backoff = 5 * base::kSecond;
};

class Transport {
 public:
  using Id = uint64_t;

  static base::Result<std::unique_ptr<Transport>> make(Credentials credentials,
                                                       TransportOptions options);
  ~Transport();
  base::Loop& io() { return *loop_; }

  Id open(Request request, std::shared_ptr<Exchange> exchange);
  void cancel(Id id);  // the exchange is not called any more
  void consumed(Id id, size_t bytes);
  // The server did not take our token: read it again. False: it is still the same.
  bool renew_token() { return token_.renew(); }

 private:
  struct Flight;
  struct LaneState {
    explicit LaneState(const TransportOptions& options)
        : backoff(options.first_backoff, options.most_backoff, fresh_seed()) {}
    std::deque<Id> waiting[3];
    std::vector<std::unique_ptr<Connection>> connections;
    Backoff backoff;
    base::Nanos not_before = 0;
    bool dialing = false, timer_set = false;
    size_t most_connections = 1, reserve = 0;
  };

  Transport(Credentials credentials, TransportOptions options, std::unique_ptr<base::Loop> loop);
  void pump(LaneState& lane);
  Connection* with_room(LaneState& lane, Priority priority);
  bool send_next(LaneState& lane);
  void begin(Flight& flight, Connection& connection);
  void dial(LaneState& lane);
  void dial_to(LaneState& lane, NetStream::Peer peer);
  void look_up_and_dial(LaneState& lane, NetStream::Peer peer);
  void closed(LaneState& lane, Connection* connection, const base::Error& why);
  void dial_failed(LaneState& lane, const base::Error& why);
  void over(Id id, const Ending& ending);
  void arm();
  void expire();
  void end_all();

  const Credentials credentials_;
  const TransportOptions options_;
  std::unique_ptr<base::Loop> loop_;
  Token token_;
  LaneState calls_, watches_;
  std::map<Id, std::shared_ptr<Flight>> flights_;
  std::set<std::pair<base::Nanos, Id>> deadlines_;
  base::Nanos armed_ = 0;
  base::Loop::TimerId timer_ = 0;
  Id next_ = 1;
  bool ending_ = false;
  std::vector<std::thread> resolvers_;
  std::thread thread_;
};

}  // namespace flexai::kube
