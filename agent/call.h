// One request to the agent and its answer, between a connection's thread and the Loop.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/process.h"
#include "base/mutex.h"
#include "base/result.h"

namespace flexai::agent {

struct Call {
  Peer peer;
  std::string host;  // that asks over the network, by its certificate; empty: somebody of this host
  std::vector<std::string> names;  // what stands for {name} and {id} in the path
  std::map<std::string, std::string> query;
  nlohmann::json body;
};

struct Answer {
  int status = 200;
  std::string text;  // sent as it is when not empty, with `type`
  std::string type;
  nlohmann::json json;
};

// The place of one answer. finish() is called once, on the Loop; wait_for() on the connection's
// thread. Shared by both, because either may give up first.
class Pending {
 public:
  void finish(base::Result<Answer> answer) {
    base::MutexLock lock(mutex_);
    if (!answer_) answer_ = std::move(answer);
    ready_.notify_all();
  }
  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock<base::Mutex> lock(mutex_);
    return ready_.wait_for(lock, time, [this] { return answer_.has_value(); });
  }
  bool finished() {
    base::MutexLock lock(mutex_);
    return answer_.has_value();
  }
  base::Result<Answer> take() {
    base::MutexLock lock(mutex_);
    return std::move(*answer_);
  }

  // On the Loop only: what to undo when the caller hangs up; call it once.
  std::function<void()> on_cancel;

 private:
  base::Mutex mutex_;
  std::condition_variable_any ready_;
  std::optional<base::Result<Answer>> answer_;
};

}  // namespace flexai::agent
