#include "agent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spawn.h"
#include "base/fd.h"

extern char** environ;

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

constexpr size_t kErrBytes = 4096;

base::Status make_pipe(Fd* reading, Fd* writing) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  *reading = Fd(ends[0]);
  *writing = Fd(ends[1]);
  return {};
}

base::Result<pid_t> spawn(const std::vector<std::string>& argv, int out, int err) {
  std::vector<char*> args;
  for (const auto& arg : argv) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  SpawnAttributes a;
  posix_spawn_file_actions_adddup2(&a.actions, out, 1);
  posix_spawn_file_actions_adddup2(&a.actions, err, 2);
  pid_t pid = 0;
  int rc = posix_spawn(&pid, args[0], &a.actions, &a.attributes, args.data(), environ);
  if (rc != 0) {
    errno = rc;
    return fail_errno("starting " + argv[0]);
  }
  return pid;
}

bool cancelled(int fd) {
  pollfd p{fd, POLLIN, 0};
  return fd >= 0 && ::poll(&p, 1, 0) > 0;
}

// Reads both pipes until their ends, the deadline or too much output.
base::Status collect(Fd out, Fd err, const ChildLimits& limits, base::Nanos deadline,
                     ChildOutput* result) {
  pollfd fds[3] = {{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {limits.cancel_fd, POLLIN, 0}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    base::Nanos left = deadline - base::monotonic_now();
    if (left <= 0) return fail(Code::kTimeout, "timed out");
    int rc = ::poll(fds, 3, static_cast<int>(left / base::kMillisecond + 1));
    if (rc < 0 && errno != EINTR) return fail_errno("poll");
    if (rc <= 0) continue;
    if (fds[2].revents != 0) return fail(Code::kUnavailable, "the agent is stopping");
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[8192];
      ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n <= 0) {
        fds[i].fd = -1;
        continue;
      }
      std::string& into = i == 0 ? result->out : result->err;
      into.append(buffer, static_cast<size_t>(n));
      if (i == 1 && into.size() > kErrBytes) into.erase(0, into.size() - kErrBytes);
      if (i == 0 && into.size() > limits.output_bytes)
        return fail(Code::kExhausted,
                    "printed more than " + std::to_string(limits.output_bytes) + " bytes");
    }
  }
  return {};
}

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  size_t start = text.rfind('\n');
  if (start != std::string::npos) text.erase(0, start + 1);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text.substr(0, 300);
}

// Waits for the child until the deadline, then kills its group and waits again.
int reap(pid_t pid, base::Nanos deadline, int cancel_fd, bool kill_now, bool* killed) {
  int status = 0;
  *killed = false;
  for (;;) {
    if (kill_now || base::monotonic_now() >= deadline || cancelled(cancel_fd)) {
      ::kill(-pid, SIGKILL);
      *killed = !kill_now;
      kill_now = true;
    }
    pid_t done = ::waitpid(pid, &status, kill_now ? 0 : WNOHANG);
    if (done == pid || (done < 0 && errno != EINTR)) break;
    if (done == 0) ::usleep(2000);
  }
  ::kill(-pid, SIGKILL);  // grandchildren that stayed behind
  return status;
}

}  // namespace

base::Result<ChildOutput> run_child(const std::vector<std::string>& argv,
                                    const ChildLimits& limits) {
  Fd out_read, out_write, err_read, err_write;
  FLEXAI_TRY(make_pipe(&out_read, &out_write));
  FLEXAI_TRY(make_pipe(&err_read, &err_write));
  base::Nanos deadline = base::monotonic_now() + limits.time;
  FLEXAI_TRY_ASSIGN(pid_t pid, spawn(argv, out_write.get(), err_write.get()));
  out_write.reset();
  err_write.reset();
  ChildOutput result;
  base::Status read = collect(std::move(out_read), std::move(err_read), limits, deadline, &result);
  bool killed = false;
  int status = reap(pid, deadline, limits.cancel_fd, !read.ok(), &killed);
  const std::string in_time =
      "no answer within " + std::to_string(limits.time / base::kSecond) + " s";
  if (killed || (!read.ok() && read.error().code == Code::kTimeout))
    return fail(Code::kTimeout, in_time);
  if (!read.ok()) return read.error();
  std::string why = last_line(result.err);
  if (WIFSIGNALED(status))
    return fail(Code::kUnavailable, "killed by signal " + std::to_string(WTERMSIG(status)) +
                                        (why.empty() ? "" : ": " + why));
  if (WEXITSTATUS(status) != 0)
    return fail(Code::kUnavailable, "exit status " + std::to_string(WEXITSTATUS(status)) +
                                        (why.empty() ? "" : ": " + why));
  return result;
}

}  // namespace flexai::agent
