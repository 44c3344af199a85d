// Program keeper: puts programs that were built into a store, on a thread of its own and out of
// the way: when nothing has been built for a while, as some drivers compile once more when they are
// asked for binaries. It works on programs of its own, so nobody sees a difference in theirs: one
// is built from source, a second one from the binaries of that, and only when both answer every
// question alike are the binaries kept. A driver whose programs do not is left alone from then on.
// Threads: any. Lifetime: the driver outlives it; the destructor waits for what is under way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "driver/opencl/table.h"
#include "remote/content_store.h"

namespace flexai::remote::opencl {

// A program to be kept.
struct BuildRecipe {
  wire::Digest key{};
  cl_context context = nullptr;
  std::vector<cl_device_id> devices;
  std::string source, options;
};

class ProgramKeeper {
 public:
  // `quiet`: how long nothing was built before it begins.
  ProgramKeeper(const driver::opencl::Table& driver, std::shared_ptr<ContentStore> store,
                base::Nanos quiet);
  ~ProgramKeeper();

  // Takes a reference to the context until it is done. More than it can remember is forgotten.
  void post(BuildRecipe recipe);
  // Around a build of the session's.
  void build_begins();
  void build_ends();
  // No more waiting for quiet: until all is done, or `deadline`.
  void finish(base::Nanos deadline);
  uint64_t kept() const { return kept_; }

 private:
  void run();
  bool keep(const BuildRecipe& recipe);

  const driver::opencl::Table driver_;
  const std::shared_ptr<ContentStore> store_;
  const base::Nanos quiet_;
  std::atomic<uint64_t> kept_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<BuildRecipe> waiting_;
  size_t bytes_ = 0;  // of their sources
  int building_ = 0;
  base::Nanos built_ = 0;  // the last build's end
  bool busy_ = false, hurry_ = false, stop_ = false, useless_ = false;
  std::thread thread_;
};

}  // namespace flexai::remote::opencl
