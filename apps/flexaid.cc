// flexaid: the agent of one host.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "apps/agent_options.h"
#include "base/log.h"

using flexai::agent::Agent;

namespace {

void tell(int fd, const std::string& line) {
  if (fd < 0) return;
  [[maybe_unused]] ssize_t n = ::write(fd, (line + "\n").data(), line.size() + 1);
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  flexai::apps::AgentOptions options;
  CLI::App app{"flexaid: finds the cards of this host, cuts them into slices, keeps them to it"};
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  options.complete(app.count("--idle-exit") > 0);
  if (options.ready_fd >= 0) ::fcntl(options.ready_fd, F_SETFD, FD_CLOEXEC);
  int log = 2;
  if (!options.log_file.empty())
    log = ::open(options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log < 0) {
    ::dprintf(2, "flexaid: cannot write %s; choose another file with --log\n",
              options.log_file.c_str());
    return 1;
  }
  flexai::base::set_log(log,
                        options.verbose ? flexai::base::Level::kDebug : flexai::base::Level::kInfo);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // for sigwait() below, inherited by all threads
  ::signal(SIGPIPE, SIG_IGN);
  const flexai::base::Status published = options.publish();
  auto agent = published.ok() ? Agent::start(options.config) : published.error();
  if (!agent.ok()) {
    const auto& error = agent.error();
    ::dprintf(2, "flexaid: %s\n", error.message.c_str());
    tell(options.ready_fd, std::string(code_name(error.code)) + " " + error.message);
    return 1;
  }
  tell(options.ready_fd, "ready");
  std::thread waiter([&] {
    int signal = 0;
    sigwait(&signals, &signal);
    (*agent)->stop();
  });
  (*agent)->run();
  ::pthread_kill(waiter.native_handle(),
                 SIGTERM);  // wakes it when it was not a signal that ended us
  waiter.join();
  flexai::base::log(flexai::base::Level::kInfo, "agent", "stopped");
  return 0;
}
