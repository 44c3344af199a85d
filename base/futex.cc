#include "base/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
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

void futex_wake(const std::atomic<uint32_t>* word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_BITSET, count, nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace flexai::base
