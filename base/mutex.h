// Mutex with clang thread-safety annotations. Never held across a driver call.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define FLEXAI_ATTR(x) __attribute__((x))
#else
#define FLEXAI_ATTR(x)
#endif
#define FLEXAI_GUARDED_BY(m) FLEXAI_ATTR(guarded_by(m))
#define FLEXAI_REQUIRES(m) FLEXAI_ATTR(requires_capability(m))

namespace flexai::base {

class FLEXAI_ATTR(capability("mutex")) Mutex {
 public:
  void lock() FLEXAI_ATTR(acquire_capability()) { mutex_.lock(); }
  void unlock() FLEXAI_ATTR(release_capability()) { mutex_.unlock(); }
  bool try_lock() FLEXAI_ATTR(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class FLEXAI_ATTR(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FLEXAI_ATTR(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() FLEXAI_ATTR(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace flexai::base
