#include "wire/fork_guard.h"

#include <sys/mman.h>

#include <atomic>
#include <cstddef>

namespace flexai::wire {
namespace {

constexpr size_t kPage = 4096;
// A child that makes a guard of its own gets a page of its own, so that the parent's guards go on
// telling it that it is the child.
std::atomic<volatile char*> current{nullptr};

}  // namespace

ForkGuard::ForkGuard() : page_(nullptr) {
  volatile char* present = current.load();
  if (present != nullptr && *present != 0) {
    page_ = present;
    return;
  }
  void* fresh = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fresh == MAP_FAILED || ::madvise(fresh, kPage, MADV_WIPEONFORK) != 0) return;
  auto* page = static_cast<volatile char*>(fresh);
  *page = 1;
  if (current.compare_exchange_strong(present, page)) {
    page_ = page;
  } else {
    ::munmap(fresh, kPage);
    page_ = present;
  }
}

}  // namespace flexai::wire
