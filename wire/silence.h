// Silence: when a peer that owes bytes is asked whether it is there, and when it is given up: asked
// after `allowed`, given up when as long again has passed. Pure: told the time, keeps no clock.
// Only time in which somebody listened counts. What a wait took longer than it was to, and what
// passed between two waits, this process was stopped or starved, which says nothing of its peer.
// Where the kernel tells that a peer is gone (`told_of_ends`), it is asked again and never given
// up: it may be stopped, or in a debugger. Who keeps something for a peer (`watches`) also asks one
// that owes nothing, when it has been quiet for twice `allowed`: a connection may end in the middle
// with both of its ends alive.
#pragma once

#include "base/clock.h"

namespace flexai::wire {

class Silence {
 public:
  enum class Verdict { kNone, kAsk, kGiveUp };

  Silence(base::Nanos allowed, bool told_of_ends, bool watches = false)
      : allowed_(allowed), told_of_ends_(told_of_ends), watches_(watches && !told_of_ends) {}

  bool due() const { return since_ != 0; }
  void owe(base::Nanos now);  // bytes are due from now on, if they were not yet
  // Bytes came; whether more are due.
  void heard(base::Nanos now, bool more);
  void settle() { heard(0, false); }  // nothing is due any more

  // Before a wait: when it ends at the latest; 0: nothing is due and nobody watches.
  base::Nanos plan(base::Nanos now);
  // After a wait that brought nothing and was to end at `planned` (0: never).
  Verdict waited(base::Nanos planned, base::Nanos now);

 private:
  base::Nanos look() const { return since_ + allowed_ * (asked_ ? 2 : 1); }

  const base::Nanos allowed_;
  const bool told_of_ends_, watches_;
  base::Nanos since_ = 0;  // bytes are due since then, so far as somebody listened; 0: none are
  base::Nanos quiet_until_ = 0;  // while nothing is due: when a peer that is watched is asked
  bool asked_ = false;
};

}  // namespace flexai::wire
