// WorkerDoor: gives each program that knocks a worker of its own. A program connects to the door's
// socket, which starts a worker, and reads one line: the worker's endpoint, or "error " and why
// there is none. Nothing is read from the program.
// Threads: serve() on one. Errors name the path.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace flexai::remote {

class WorkerDoor {
 public:
  // Listens at FOLDER/door, for this user only. `worker` is the command of a worker but for
  // --listen; it prints its endpoint when its client may come.
  static base::Result<WorkerDoor> open(const std::string& folder, std::vector<std::string> worker);

  std::string endpoint() const { return "door:" + path_; }
  base::Status serve();  // for ever

 private:
  WorkerDoor(std::string folder, std::vector<std::string> worker, base::Fd listener);
  base::Result<std::string> start_worker();

  std::string folder_, path_;
  std::vector<std::string> worker_;
  base::Fd listener_;
  uint64_t started_ = 0;
};

// What the door at `endpoint` ("door:PATH") answers: the endpoint of a fresh worker.
base::Result<std::string> knock(const std::string& endpoint, base::Nanos deadline);
bool is_door(const std::string& endpoint);

}  // namespace flexai::remote
