// Client: calls to one API server: our own rate limit, repetition of what may be repeated, waiting
// when the server says so, tokens read again when they are refused. Every call is answered exactly
// once, within its time-out. Source of the rate limit and of which answers are repeated:
// client-go's rest.Config (QPS, Burst) and its handling of 429 and Retry-After.
// Threads: send() and wait() from any; the destructor on any but the client's own, where it waits.
// Lifetime: it outlives its reflectors and electors; the destructor answers everything that is
// open.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>

#include "base/loop.h"
#include "kube/call.h"
#include "kube/credentials.h"
#include "kube/rate_limit.h"
#include "kube/reply.h"
#include "kube/server_clock.h"
#include "kube/transport.h"

namespace flexai::kube {

struct ClientOptions {
  double rate = 50;  // requests a second, urgent ones besides; 0: no limit
  double burst = 100;
  size_t most_waiting = 20000;  // calls; more are refused at once
  int most_attempts = 8;
  base::Nanos first_backoff = 50 * base::kMillisecond;
  base::Nanos most_backoff = 5 * base::kSecond;
  TransportOptions transport;
};

// Since the start. For metrics and tests.
struct ClientCounts {
  std::atomic<uint64_t> sent{0};    // requests, repetitions included, watches not
  std::atomic<uint64_t> writes{0};  // of those, not GET
  std::atomic<uint64_t> repeated{0};
  std::atomic<uint64_t> failed{0};     // calls that failed in the end
  std::atomic<uint64_t> throttled{0};  // answers 429
};

class Client {
 public:
  static base::Result<std::unique_ptr<Client>> make(Credentials credentials, ClientOptions options);
  ~Client();

  // `done` runs on `loop`, or on the client's own thread when that is null (then it must be short).
  void send(Call call, base::Loop* loop, OnReply done);
  // Blocks. Not on the client's own thread.
  Reply wait(Call call);

  const ClientCounts& counts() const { return counts_; }
  const Credentials& credentials() const { return credentials_; }
  Transport& transport() { return *transport_; }
  const ServerClock& server_clock() const { return *options_.transport.limits.clock; }

 private:
  struct Job;
  class Answer;
  using JobPtr = std::shared_ptr<Job>;

  Client(Credentials credentials, ClientOptions options, std::unique_ptr<Transport> transport);
  void take(const JobPtr& job);
  void pump();
  void drop_expired();
  void attempt(const JobPtr& job);
  void answered(const JobPtr& job, Reply reply);
  bool again(const JobPtr& job, const Failure& failure);
  void finish(const JobPtr& job, Reply reply);

  const Credentials credentials_;
  const ClientOptions options_;
  ClientCounts counts_;
  // On the transport's thread only, from here.
  std::deque<JobPtr> waiting_[3];
  std::set<JobPtr> sleeping_;  // until they are repeated
  base::Nanos swept_ = 0;
  TokenBucket bucket_;
  bool timer_set_ = false;
  bool closing_ = false;
  std::unique_ptr<Transport> transport_;
};

}  // namespace flexai::kube
