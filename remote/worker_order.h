// WorkerOrder: what the agent has a worker do to the memory of its session. The worker listens on a
// socket of its own for that (SOCK_SEQPACKET, inherited), one order a connection, answered on it
// when it is done; see docs/formats/remote.md. The agent may be another process each time: nothing
// is kept open. Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "wire/acceptor.h"
#include "wire/codec.h"

namespace flexai::remote {

enum class OrderWord : uint8_t {
  kSwapOut = 1,  // the bytes leave the card: into the file, or into memory when none came along
  kSwapIn = 2,
  kMove = 3,  // the session goes on at another host; the file is a socket, see handover.h
  kLink = 4,  // bytes may go to a worker of another host; the file as before, see links.h
};

struct WorkerOrder {
  OrderWord word{};
  base::Nanos patience = 0;  // how long what is under way may take to end
  base::Fd file;
};

// Has it done and waits: at most the patience and `more`. The bytes moved; an error of the worker's
// as it said it. kNotFound: there is no such worker.
base::Result<uint64_t> order_worker(const std::string& socket, const WorkerOrder& order,
                                    base::Nanos more);

// The worker's end: carries orders out one after the other on a thread of its own.
class OrderDoor {
 public:
  using CarryOut = std::function<base::Result<uint64_t>(WorkerOrder)>;
  // `listener` listens. The destructor waits for the order in hand.
  static base::Result<std::unique_ptr<OrderDoor>> open(base::Fd listener, CarryOut carry_out);

 private:
  explicit OrderDoor(CarryOut carry_out) : carry_out_(std::move(carry_out)) {}
  void serve(const base::Fd& connection);

  const CarryOut carry_out_;
  std::unique_ptr<wire::Acceptor> acceptor_;
};

// For tests and the fuzzer: one message.
base::Result<WorkerOrder> decode_order(wire::Bytes bytes);
base::Result<uint64_t> decode_outcome(wire::Bytes bytes);

}  // namespace flexai::remote
