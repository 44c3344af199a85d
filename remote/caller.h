// Caller: the client's end of a session of calls. A call is either told, one way and in order, or
// asked: then it has a reply and costs a round trip. What the worker pushes goes to a sink.
//
// Threads: any, also at once; what one thread sends before another (in the program's order) arrives
// before. A thread that waits receives by itself. Errors: the session's; once it has ended every
// call fails at once with the reason. Fork: everything fails in a child.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "remote/message.h"
#include "wire/lane.h"
#include "wire/session.h"

namespace flexai::remote {

struct Answer {
  int32_t code = 0;  // the API's
  std::vector<std::byte> body;
};

// What a session's calls cost. A round trip is a call that was asked, or a wait for what the worker
// pushes that had not come yet.
struct CallCounts {
  static constexpr size_t kEntries = 512;
  std::atomic<uint64_t> told{0}, asked{0}, waited{0};
  std::atomic<uint32_t> asked_of[kEntries] = {};  // by entry; those above are not told apart
};

class Caller {
 public:
  // Gets what the worker pushes (kCompletions, and kFirstPush and up), in order, also between the
  // replies. Must be quick, not wait and not call back.
  using Sink = std::function<void(uint32_t kind, wire::Bytes body)>;
  static base::Result<std::unique_ptr<Caller>> make(std::unique_ptr<wire::Session> session,
                                                    Sink sink);
  ~Caller();

  base::Status tell(uint16_t entry, wire::Bytes body);
  base::Result<Answer> ask(uint16_t entry, wire::Bytes body);
  base::Status flush() { return lane_->flush(); }

  // Until `ready`, which the sink makes true, or the session has ended. See wire::Session::wait.
  base::Status wait(const std::function<bool()>& ready, base::Nanos deadline = 0);

  wire::Session& session() { return *session_; }
  // Counts there from now on; before the first call.
  void count_in(CallCounts& counts) { counts_ = &counts; }
  const CallCounts& counts() const { return *counts_; }

 private:
  struct Pending {
    Answer answer;
    bool too_long = false;
    std::atomic<bool> done{false};
  };
  Caller(std::unique_ptr<wire::Session> session, Sink sink);
  base::Status send(uint32_t tag, wire::Bytes head, wire::Bytes body, wire::Push push);
  void on_message(const wire::Message& message);
  void on_reply(const wire::Message& message);

  std::unique_ptr<wire::Session> session_;
  wire::Lane* lane_ = nullptr;
  const Sink sink_;
  base::Mutex parts_mutex_;  // one long call at a time
  base::Mutex mutex_;
  std::map<uint32_t, Pending*> pending_ FLEXAI_GUARDED_BY(mutex_);
  uint32_t number_ FLEXAI_GUARDED_BY(mutex_) = 0;
  CallCounts own_counts_;
  CallCounts* counts_ = &own_counts_;
};

}  // namespace flexai::remote
