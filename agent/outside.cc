#include "agent/outside.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/host_group.h"
#include "base/fd.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

constexpr off_t kMostLog = 1 << 20;
constexpr const char* kGroups = "/sys/fs/cgroup";
// The mounts last: the paths of the others are of before.
constexpr const char* kSpaces[] = {"cgroup", "ipc", "uts", "net", "mnt"};

bool same(const char* one, const char* other) {
  struct stat a {
  }, b{};
  return ::stat(one, &a) == 0 && ::stat(other, &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

base::Status sees_host() {
  if (::access("/proc/1/ns/pid", F_OK) != 0 || ::getpid() == 1 ||
      !same("/proc/1/ns/pid", "/proc/self/ns/pid"))
    return fail(Code::kDenied,
                "--programs: the host's processes are not seen here; its pod needs hostPID: true "
                "and privileged: true");
  return {};
}

base::Status enter(const std::string& space) {
  const std::string theirs = "/proc/1/ns/" + space, ours = "/proc/self/ns/" + space;
  if (::access(theirs.c_str(), F_OK) != 0 || same(theirs.c_str(), ours.c_str())) return {};
  const Fd fd(::open(theirs.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() || ::setns(fd.get(), 0) != 0)
    return fail_errno("entering the host's " + space + " namespace");
  return {};
}

// The agent's own standard error is a pipe of its container, which would not end while a worker has
// it open. One that is full begins anew: it is for the last few lines.
void write_to(const std::string& log) {
  struct stat about {};
  const bool full = ::stat(log.c_str(), &about) == 0 && about.st_size > kMostLog;
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | (full ? O_TRUNC : 0);
  Fd fd(log.empty() ? -1 : ::open(log.c_str(), flags, 0600));
  if (!fd.valid()) fd = Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (fd.valid()) ::dup2(fd.get(), 2);
}

// A program of a tenant is nobody whom the system cannot do without, as the agent's pod is.
void be_like_others() {
  const Fd fd(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (fd.valid()) [[maybe_unused]]
    const ssize_t n = ::write(fd.get(), "0", 1);
}

}  // namespace

std::vector<std::string> Outside::words(const std::string& member, bool tenant) const {
  if (!wanted()) return {};
  return {launcher,  "--group",  group_of(member),      "--libraries",
          libraries, "--tenant", tenant ? "yes" : "no", "--log",
          log,       "--"};
}

base::Status check_outside(const std::string& folder, const std::string& group) {
  FLEXAI_TRY(check_group_name(group));
  FLEXAI_TRY(sees_host());
  if (hierarchies(kHostGroups).empty())
    return fail(Code::kDenied, std::string("--programs: no control groups in ") + kHostGroups +
                                   "; the agent's pod needs privileged: true");
  if (!same(folder.c_str(), ("/proc/1/root" + folder).c_str()))
    return fail(Code::kInvalid, "--programs: " + folder +
                                    " is not the host's folder of that name; mount it from there "
                                    "(hostPath) at the same path");
  return {};
}

base::Status go_outside(const Way& way) {
  FLEXAI_TRY(sees_host());
  for (const char* space : kSpaces) FLEXAI_TRY(enter(space));
  FLEXAI_TRY(join_group(kGroups, way.group));
  if (way.tenant) be_like_others();
  if (::chdir("/") != 0) return fail_errno("the host's root");
  write_to(way.log);
  if (way.libraries.empty())
    ::unsetenv("LD_LIBRARY_PATH");
  else
    ::setenv("LD_LIBRARY_PATH", way.libraries.c_str(), 1);
  return {};
}

}  // namespace flexai::agent
