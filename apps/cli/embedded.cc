#include "apps/cli/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "apps/installation.h"
#include "base/clock.h"
#include "base/fd.h"

namespace flexai::apps {
namespace {

using base::Code;
using base::fail;
using base::Fd;

constexpr base::Nanos kStartTime = 40 * base::kSecond;  // drivers have 20 s to answer their probe

// In the child: becomes the agent, in a session of its own, grandchild of the caller.
[[noreturn]] void become_agent(const std::string& program, const std::string& log, int ready) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  int null = ::open("/dev/null", O_RDWR);
  int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0) out = null;
  ::dup2(null, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  // Nothing else of the caller goes along, least of all a pipe somebody waits for the end of.
  if (ready == 3)
    ::fcntl(3, F_SETFD, 0);
  else
    ::dup2(ready, 3);
  for (int fd = 4; fd < 256; ++fd) ::close(fd);
  [[maybe_unused]] int rc = ::chdir("/");
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execl(program.c_str(), program.c_str(), "--embedded", "--ready-fd", "3",
          static_cast<char*>(nullptr));
  ::dprintf(3, "unavailable cannot start %s\n", program.c_str());
  ::_exit(127);
}

// The line the agent writes, empty when it ended without one.
std::string read_line(int fd, base::Nanos deadline) {
  std::string line;
  char c;
  for (;;) {
    base::Nanos left = deadline - base::monotonic_now();
    pollfd p{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&p, 1, static_cast<int>(left / base::kMillisecond) + 1) <= 0)
      return line;
    if (::read(fd, &c, 1) != 1 || c == '\n') return line;
    line += c;
  }
}

}  // namespace

base::Status start_embedded(const std::function<bool()>& running) {
  const std::string program = find_installation().program("flexaid");
  if (::access(program.c_str(), X_OK) != 0)
    return fail(Code::kUnavailable,
                "no agent runs and " + program + " is not there to start one; install flexaid");
  agent::Folders folders = agent::embedded_folders();
  FLEXAI_TRY(agent::make_own_folder(folders.state, 0700));
  const base::Nanos deadline = base::monotonic_now() + kStartTime;
  std::string line;
  while (base::monotonic_now() < deadline) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail_errno("pipe");
    Fd reading(ends[0]), writing(ends[1]);
    pid_t child = ::fork();
    if (child < 0) return base::fail_errno("fork");
    if (child == 0) become_agent(program, folders.state + "/flexaid.log", writing.get());
    writing.reset();
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    line = read_line(reading.get(), deadline);
    if (line == "ready") return {};
    if (line.rfind("conflict ", 0) != 0) break;
    // Another command starts one at the same moment, or the last one is just leaving.
    for (int i = 0; i < 20; ++i) {
      if (running()) return {};
      ::usleep(50000);
    }
  }
  if (running()) return {};
  size_t blank = line.find(' ');
  return fail(Code::kUnavailable,
              "the agent did not start: " +
                  (blank == std::string::npos ? "no answer" : line.substr(blank + 1)) + "; see " +
                  folders.state + "/flexaid.log");
}

}  // namespace flexai::apps
