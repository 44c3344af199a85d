#include "remote/isolation.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "remote/apart.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;

namespace {

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kMachine = 0;  // not known: no filter
#endif
constexpr uint32_t kOtherAbi = 0x40000000;  // x32 numbers on x86-64
constexpr rlim_t kMostDescriptors = 4096;

constexpr long kRefused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_userfaultfd,
    SYS_fanotify_init,
    SYS_vhangup,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_syslog,
    SYS_kcmp,
    SYS_io_uring_setup,  // its operations, sockets among them, pass no filter
};

base::Status become(const std::string& user) {
  if (user.empty() || ::geteuid() != 0) return {};
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr)
    return fail(Code::kNotFound, "there is no user " + user +
                                     " for workers; make it, or start "
                                     "flexaid with another --worker-user");
  if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 ||
      ::setuid(entry->pw_uid) != 0)
    return fail_errno("becoming user " + user);
  return {};
}

void limit(__rlimit_resource what, rlim_t most) {
  rlimit now{};
  if (::getrlimit(what, &now) != 0) return;
  now.rlim_max = now.rlim_max == RLIM_INFINITY ? most : std::min(now.rlim_max, most);
  now.rlim_cur = now.rlim_max;
  ::setrlimit(what, &now);
}

sock_filter statement(int code, uint32_t value) {
  return {static_cast<uint16_t>(code), 0, 0, value};
}
sock_filter jump(int code, uint32_t value, uint8_t yes, uint8_t no) {
  return {static_cast<uint16_t>(code), yes, no, value};
}

// Loads word `at` of the call's description.
sock_filter load(size_t at) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(at));
}

std::vector<sock_filter> make_filter() {
  const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
  std::vector<sock_filter> filter{
      load(offsetof(seccomp_data, arch)),
      jump(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0),
      statement(BPF_RET | BPF_K, refuse),
      load(offsetof(seccomp_data, nr)),
      jump(BPF_JMP | BPF_JGE | BPF_K, kOtherAbi, 0, 1),
      statement(BPF_RET | BPF_K, refuse),
  };
  for (long call : kRefused) {
    filter.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1));
    filter.push_back(statement(BPF_RET | BPF_K, refuse));
  }
  // New sockets are local ones; those of the session were handed over.
  filter.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3));
  filter.push_back(load(offsetof(seccomp_data, args)));
  filter.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0));
  filter.push_back(statement(BPF_RET | BPF_K, refuse));
  filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return filter;
}

bool install_filter() {
  if (kMachine == 0) return false;
  std::vector<sock_filter> filter = make_filter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

}  // namespace

base::Result<Confined> confine(const Isolation& isolation) {
  std::optional<Apart> apart;  // made as who can still look everywhere
  if (!isolation.hidden.empty()) {
    auto made = Apart::make(isolation.hidden, isolation.kept);
    if (!made.ok() && made.error().code != Code::kUnsupported) return made.error();
    if (made.ok()) apart.emplace(std::move(*made));
  }
  FLEXAI_TRY(become(isolation.user));
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, kMostDescriptors);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs");
  ::prctl(PR_SET_DUMPABLE, 0);  // no core file with other people's memory
  Confined confined;
  if (apart) {
    FLEXAI_TRY(apart->enforce());
    confined.apart = true;
  }
  confined.filtered = isolation.filter && install_filter();
  return confined;
}

}  // namespace flexai::remote
