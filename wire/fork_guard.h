// ForkGuard: tells the process that made it from children forked later, without a system call and
// without a handler: a page that the kernel clears in children (MADV_WIPEONFORK).
// Any thread. In a child, sockets and threads of the parent must not be touched.
#pragma once

namespace flexai::wire {

class ForkGuard {
 public:
  ForkGuard();  // this process is the owner
  bool in_child() const { return page_ != nullptr && *page_ == 0; }

 private:
  const volatile char* page_;  // one for the whole process, never unmapped
};

}  // namespace flexai::wire
