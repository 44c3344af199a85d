#include "remote/opencl/worker/hold.h"

#include <chrono>

namespace flexai::remote::opencl {
namespace {

constexpr std::chrono::milliseconds kLook{100};  // whether the session has ended

}  // namespace

bool Hold::enter() {
  std::unique_lock lock(mutex_);
  while (held_) {
    if (session_.ended()) return false;
    changed_.wait_for(lock, kLook);
  }
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
}

void Hold::made() {
  std::unique_lock lock(mutex_);
  --making_;
  if (held_) changed_.notify_all();
}

bool Hold::take(base::Nanos deadline) {
  std::unique_lock lock(mutex_);
  if (held_) return false;
  held_ = true;
  const auto free = [this] { return !inside_ && making_ == 0; };
  const std::chrono::nanoseconds left(std::max<base::Nanos>(deadline - base::monotonic_now(), 0));
  if (changed_.wait_for(lock, left, free)) return true;
  held_ = false;
  changed_.notify_all();
  return false;
}

void Hold::let_go() {
  std::unique_lock lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

}  // namespace flexai::remote::opencl
