#include "wire/silence.h"

#include <algorithm>

namespace flexai::wire {

using base::Nanos;

void Silence::owe(Nanos now) {
  if (since_ == 0) since_ = now;
}

void Silence::heard(Nanos now, bool more) {
  since_ = more ? now : 0;
  asked_ = false;
}

Nanos Silence::plan(Nanos now) {
  if (since_ == 0) return quiet_until_ = watches_ ? now + 2 * allowed_ : 0;
  // The last wait had not come so far: nobody listened since then. This one gets a fair time.
  if (now > look()) since_ += now - look() + allowed_ / 8;
  return look();
}

Silence::Verdict Silence::waited(Nanos planned, Nanos now) {
  if (since_ == 0) {
    if (quiet_until_ == 0 || now < quiet_until_) return Verdict::kNone;
    since_ = now - allowed_;
  }
  if (planned != 0 && now - planned > allowed_ / 8)
    since_ = std::min(since_ + (now - planned), now - (asked_ ? allowed_ : 0));
  if (now - since_ < (asked_ ? 2 : 1) * allowed_) return Verdict::kNone;
  if (asked_ && !told_of_ends_) return Verdict::kGiveUp;
  asked_ = true;
  since_ = now - allowed_;
  return Verdict::kAsk;
}

}  // namespace flexai::wire
