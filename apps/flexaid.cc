// flexaid: the agent of one host.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <thread>

#include "agent/agent.h"
#include "agent/discovery.h"
#include "apps/installation.h"
#include "base/log.h"

using flexai::agent::Agent;
using flexai::agent::AgentConfig;

namespace {

struct Options {
  AgentConfig config;
  std::string state, runtime, log_file, lock_folder;
  int ready_fd = -1;
  double idle_exit = 0, probe_time = 20;
  bool verbose = false;
};

void add_options(CLI::App& app, Options& o) {
  auto& c = o.config;
  app.add_flag("--embedded", c.embedded, "serve this user only; leave after a minute without use");
  app.add_option("--state", o.state, "folder of the checkpoint")->take_last();
  app.add_option("--runtime", o.runtime, "folder of the sockets")->take_last();
  app.add_option("--probe", c.probes, "probe program instead of those installed (repeatable)");
  app.add_option("--probe-time", o.probe_time, "seconds a driver has to answer a probe");
  app.add_option("--inject", c.inject_folder, "folder of the files that say how to limit an API");
  app.add_option("--libdir", c.libdir, "folder of the libraries they name");
  app.add_option("--keeper", c.keeper_program, "path of flexai-keeper");
  app.add_option("--group", c.group, "group that may use the sockets");
  app.add_option("--lock-folder", o.lock_folder, "folder of the host-wide card locks");
  app.add_option("--idle-exit", o.idle_exit, "leave after so many seconds without use; 0 = never")
      ->take_last();
  app.add_flag("--reset-state", c.reset_state,
               "set a damaged checkpoint aside; forgets all slices");
  app.add_option("--log", o.log_file, "append log lines to this file instead of standard error");
  app.add_flag("--verbose", o.verbose, "log more");
  app.add_option("--ready-fd", o.ready_fd, "write one line there when ready or failed");
}

void complete(Options& o, bool idle_given) {
  auto here = flexai::apps::find_installation();
  auto& c = o.config;
  c.folders = c.embedded ? flexai::agent::embedded_folders() : flexai::agent::service_folders();
  if (!o.state.empty()) c.folders.state = o.state;
  if (!o.runtime.empty()) c.folders.runtime = o.runtime;
  if (!o.lock_folder.empty()) c.locks = {o.lock_folder, o.lock_folder + "-"};
  if (c.probes.empty()) {
    for (const auto& folder : {here.bin, here.libexec})
      for (const auto& probe : flexai::agent::find_probes(folder)) c.probes.push_back(probe);
  }
  if (c.inject_folder.empty()) c.inject_folder = here.share + "/inject";
  if (c.libdir.empty()) c.libdir = here.lib;
  if (c.keeper_program.empty()) c.keeper_program = here.program("flexai-keeper");
  if (c.group.empty() && !c.embedded) c.group = "flexai";
  if (c.embedded && !idle_given) o.idle_exit = 60;
  c.idle_exit = static_cast<flexai::base::Nanos>(o.idle_exit * 1e9);
  c.probe_limits.time = static_cast<flexai::base::Nanos>(o.probe_time * 1e9);
}

void tell(int fd, const std::string& line) {
  if (fd < 0) return;
  [[maybe_unused]] ssize_t n = ::write(fd, (line + "\n").data(), line.size() + 1);
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"flexaid: finds the cards of this host, cuts them into slices, keeps them to it"};
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  complete(options, app.count("--idle-exit") > 0);
  if (options.ready_fd >= 0) ::fcntl(options.ready_fd, F_SETFD, FD_CLOEXEC);
  int log = 2;
  if (!options.log_file.empty())
    log = ::open(options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  flexai::base::set_log(log,
                        options.verbose ? flexai::base::Level::kDebug : flexai::base::Level::kInfo);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // for sigwait() below, inherited by all threads
  ::signal(SIGPIPE, SIG_IGN);
  auto agent = Agent::start(options.config);
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
