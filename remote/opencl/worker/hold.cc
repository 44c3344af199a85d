#include "remote/opencl/worker/hold.h"

#include <chrono>

namespace flexai::remote::opencl {
namespace {

constexpr std::chrono::milliseconds kLook{100};  // whether the session has ended

}  // namespace

bool Hold::enter() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  while (held_ && !session_.ended()) changed_.wait_for(lock, kLook);
  --waiting_;
  if (held_) return false;
  inside_ = true;
  return true;
}

void Hold::leave() {
  std::unique_lock lock(mutex_);
  inside_ = false;
  if (held_) changed_.notify_all();
}

void Hold::leave_making() {
  std::unique_lock lock(mutex_);
  inside_ = false;
  ++making_;
  ++outside_;
  if (held_) changed_.notify_all();
}

void Hold::made() {
  std::unique_lock lock(mutex_);
  --making_;
  if (held_) changed_.notify_all();
}

void Hold::step_out() {
  std::unique_lock lock(mutex_);
  inside_ = false;
  ++outside_;
  if (held_) changed_.notify_all();
}

void Hold::step_in() {
  std::unique_lock lock(mutex_);
  while (held_ && !lets_in_ && !session_.ended()) changed_.wait_for(lock, kLook);
  --outside_;
  inside_ = true;
  changed_.notify_all();
}

bool Hold::take(base::Nanos deadline) {
  std::unique_lock lock(mutex_);
  return take(lock, deadline, [this] { return !inside_ && making_ == 0; });
}

// Who has stepped out may need a turn that a call before the turnstile has: it is not held until
// all are back, and let go again when one steps out meanwhile.
bool Hold::take_whole(base::Nanos deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const base::Nanos left = deadline - base::monotonic_now();
    const bool back =
        changed_.wait_for(lock, std::chrono::nanoseconds(std::max<base::Nanos>(left, 0)),
                          [this] { return outside_ == 0 && !held_; });
    if (!back) return false;
    lets_in_ = true;
    const bool taken = take(lock, deadline, [this] { return !inside_ || outside_ != 0; });
    lets_in_ = false;
    if (!taken) return false;
    if (outside_ == 0) return true;
    held_ = false;
    changed_.notify_all();
  }
}

bool Hold::take(std::unique_lock<std::mutex>& lock, base::Nanos deadline,
                const std::function<bool()>& free) {
  if (held_) return false;
  held_ = true;
  const std::chrono::nanoseconds left(std::max<base::Nanos>(deadline - base::monotonic_now(), 0));
  if (changed_.wait_for(lock, left, free)) return true;
  held_ = false;
  changed_.notify_all();
  return false;
}

bool Hold::someone_waits() {
  std::unique_lock lock(mutex_);
  return waiting_ != 0;
}

void Hold::let_go() {
  std::unique_lock lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

}  // namespace flexai::remote::opencl
