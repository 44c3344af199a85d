#include "base/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace flexai::base {

bool futex_wait(const std::atomic<uint32_t>* word, uint32_t expected, Nanos deadline) {
  timespec ts{};
  ts.tv_sec = deadline / kSecond;
  ts.tv_nsec = deadline % kSecond;
  // WAIT_BITSET takes an absolute CLOCK_MONOTONIC deadline, so an interrupted wait needs no
  // arithmetic.
  long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, deadline != 0 ? &ts : nullptr,
                    nullptr, FUTEX_BITSET_MATCH_ANY);
  return !(rc != 0 && errno == ETIMEDOUT);
}

void futex_wait_either(FutexWord first, FutexWord second, Nanos deadline) {
  static std::atomic<bool> known{true};
  if (known.load(std::memory_order_relaxed)) {
    const auto waiter = [](const FutexWord& word) {
      ::futex_waitv made{};
      made.uaddr = reinterpret_cast<uintptr_t>(word.word);
      made.val = word.expected;
      made.flags = FUTEX_32;
      return made;
    };
    ::futex_waitv words[2] = {waiter(first), waiter(second)};
    timespec until{};
    until.tv_sec = deadline / kSecond;
    until.tv_nsec = deadline % kSecond;
    if (syscall(SYS_futex_waitv, words, 2, 0, &until, CLOCK_MONOTONIC) >= 0 ||
        (errno != ENOSYS && errno != EPERM))
      return;
    known = false;
  }
  futex_wait(first.word, first.expected, deadline);
}

void futex_wake(const std::atomic<uint32_t>* word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_BITSET, count, nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace flexai::base
