#include "apps/cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/cli/exit_codes.h"
#include "base/fd.h"

namespace flexai::apps {
namespace {

using base::Fd;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH})
    sigaddset(&set, s);
  return set;
}

[[noreturn]] void become(const std::vector<std::string>& command, const sigset_t& mask, int tell) {
  std::vector<char*> args;
  for (const auto& word : command) args.push_back(const_cast<char*>(word.c_str()));
  args.push_back(nullptr);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(args[0], args.data());
  int why = errno;
  [[maybe_unused]] ssize_t n = ::write(tell, &why, sizeof why);
  ::_exit(kExitNoProgram);
}

// Collects every child that has ended; true when `main` is among them.
bool collect(pid_t main, int* status) {
  bool ended = false;
  for (;;) {
    int one = 0;
    pid_t pid = ::waitpid(-1, &one, WNOHANG);
    if (pid <= 0) return ended;
    if (pid == main) {
      *status = one;
      ended = true;
    }
  }
}

int wait_and_forward(pid_t main) {
  sigset_t set = watched_signals();
  int status = 0;
  while (!collect(main, &status)) {
    siginfo_t info{};
    int signal = ::sigwaitinfo(&set, &info);
    if (signal <= 0 || signal == SIGCHLD) continue;
    // What the terminal sends (Ctrl-C) has reached the whole process group already.
    if (info.si_code == SI_KERNEL) continue;
    ::kill(main, signal);
  }
  return status;
}

int exec_failure(const std::string& program, int why) {
  if (why == ENOENT) {
    fprintf(stderr, "flexai: %s: program not found; check its name and PATH\n", program.c_str());
    return kExitNoProgram;
  }
  fprintf(stderr, "flexai: %s: cannot be executed: %s; check its rights\n", program.c_str(),
          strerror(why));
  return kExitNotExecutable;
}

}  // namespace

base::Result<int> run_program(const std::vector<std::string>& command) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail_errno("pipe");
  Fd reading(ends[0]), writing(ends[1]);
  sigset_t set = watched_signals(), before;
  ::sigprocmask(SIG_BLOCK, &set, &before);
  pid_t child = ::fork();
  if (child < 0) return base::fail_errno("starting " + command[0]);
  if (child == 0) become(command, before, writing.get());
  writing.reset();
  int why = 0;
  ssize_t n;
  do {
    n = ::read(reading.get(), &why, sizeof why);
  } while (n < 0 && errno == EINTR);
  int status = wait_and_forward(child);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (n == sizeof why) return exec_failure(command[0], why);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace flexai::apps
