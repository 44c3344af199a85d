// Hold: the turnstile of a worker's calls. One call passes at a time; whoever has something to do
// to the session's objects as a whole keeps the next one waiting, for as long as it likes. The
// session's end lets go of a call that waits. A call that makes an object for long lets others pass
// meanwhile, and nobody has the objects as a whole before it is known.
// Threads: any; take() and let_go() may be of two.
#pragma once

#include <condition_variable>
#include <functional>
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
  // Around what takes a driver long within a call.
  void step_out();
  void step_in();

  // Instead of step_out(), until the object is known.
  void leave_making();
  void made();

  // No call is inside or makes something when this returns true, and none enters. False: one was,
  // all the time.
  bool take(base::Nanos deadline);
  // And none has stepped out: each is done or has not begun.
  bool take_whole(base::Nanos deadline);
  void let_go();
  // Taken, whether a call stands before the turnstile.
  bool someone_waits();

 private:
  bool take(std::unique_lock<std::mutex>& lock, base::Nanos deadline,
            const std::function<bool()>& free);

  const wire::Session& session_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool inside_ = false, held_ = false;
  int making_ = 0;
  bool lets_in_ = false;  // those that had stepped out, although it is held
  int outside_ = 0, waiting_ = 0;
};

}  // namespace flexai::remote::opencl
