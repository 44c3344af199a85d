// Hold: the turnstile of a worker's calls. One call passes at a time; whoever has something to do
// to the session's objects as a whole keeps the next one waiting, for as long as it likes. The
// session's end lets go of a call that waits. A call that makes an object for long lets others pass
// meanwhile, and nobody has the objects as a whole before it is known.
// Threads: any; take() and let_go() may be of two.
#pragma once

#include <condition_variable>
#include <mutex>

#include "base/clock.h"
#include "wire/session.h"

namespace flexai::remote::opencl {

class Hold {
 public:
  explicit Hold(const wire::Session& session) : session_(session) {}

  // Around each call. False: the session has ended meanwhile, nothing was entered.
  bool enter();
  void leave();

  // Instead of leave(), until the object is known; then enter() again.
  void leave_making();
  void made();

  // No call is inside or makes something when this returns true, and none enters. False: one was,
  // all the time.
  bool take(base::Nanos deadline);
  void let_go();

 private:
  const wire::Session& session_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool inside_ = false, held_ = false;
  int making_ = 0;
};

}  // namespace flexai::remote::opencl
