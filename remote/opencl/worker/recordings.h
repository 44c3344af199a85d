// Recordings: how the client's command buffers were made, so that they can be made again when the
// memory they name has been away, or at another host: the calls as they came, which name objects by
// the client's ids, with what the arguments of a kernel were when it was recorded. Played back they
// must be answered as they were (the driver gives out sync points anew).
// Threads: the worker's one thread, or with its hold taken. Memory: at most kMost bytes of calls a
// session; a buffer that was not noted whole cannot be made again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "remote/opencl/kind.h"
#include "remote/opencl/worker/argument.h"

namespace flexai::remote {
struct Call;
}

namespace flexai::remote::opencl {

class Incoming;
class Worker;

struct RecordedCall {
  uint16_t entry = 0;
  std::vector<std::byte> body, results;
  ObjectId kernel = 0;  // that it launches
  KernelArguments arguments;
  bool operator==(const RecordedCall&) const = default;
};

struct Recording {
  ObjectId id = 0;
  uint32_t references = 0;  // while it is away
  bool whole = true, final = false;
  std::vector<RecordedCall> calls;
  bool operator==(const Recording&) const = default;
};

class Recordings {
 public:
  static constexpr size_t kMost = 64u << 20;
  // Whether it is a call of that kind, all that may be played back.
  static bool records(uint16_t entry);

  explicit Recordings(Worker& worker) : worker_(worker) {}

  // After a call that succeeded.
  void note(const Call& call, Incoming& incoming);
  void forget(ObjectId id);

  // Whether all of them can be made again: kUnsupported or kConflict and why not.
  base::Status may_go();
  std::vector<Recording> all();  // with their references
  void drop();                   // the driver's objects; the ids stay
  // The driver's objects anew, for ids that are known. One that fails, fails when it is used.
  void play();
  // At another host: the ids, too.
  base::Status take(const std::vector<Recording>& all);

 private:
  base::Status play(const Recording& recording);
  bool set_arguments(ObjectId kernel, const KernelArguments& arguments);

  Worker& worker_;
  size_t bytes_ = 0;
  std::map<ObjectId, Recording> all_;
};

}  // namespace flexai::remote::opencl
