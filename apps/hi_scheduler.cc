// hi-scheduler: places pods that ask for cards on Kubernetes.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <thread>

#include "base/log.h"
#include "control/pages.h"
#include "control/scheduler.h"
#include "kube/requirement.h"
#include "kube/retry.h"

using namespace flexai;

namespace {

struct Options {
  control::SchedulerOptions scheduler;
  kube::ClientOptions client;
  std::string kubeconfig, listen = "127.0.0.1:10260";
  bool verbose = false, no_election = false;

  void add_to(CLI::App* app) {
    app->add_option("--kubeconfig", kubeconfig, "how to reach the API server; default: as the pod");
    app->add_option("--listen", listen, "HOST:PORT of /metrics, /healthz, /readyz and /v1");
    app->add_option("--namespace", scheduler.ns, "of the lease by which one of several leads");
    app->add_option("--class", scheduler.world.classes,
                    "device classes that are ours besides those that say so");
    app->add_option("--remote-percent", scheduler.world.remote_percent,
                    "of all cards, how many may be used from other nodes")
        ->check(CLI::Range(0, 100));
    app->add_option("--kube-api-qps", client.rate, "requests a second; 0: no limit");
    app->add_option("--kube-api-burst", client.burst, "at once");
    app->add_flag("--no-election", no_election, "lead at once; for one scheduler only");
    app->add_flag("--verbose", verbose, "tell more in the log");
  }
};

int complain(const base::Error& error) {
  ::dprintf(2, "hi-scheduler: %s\n", error.message.c_str());
  return 1;
}

const kube::Requirement kNeeds{
    "slices of cards", 1, 36, {kube::kResourceClaims, kube::kResourceSlices, kube::kDeviceClasses}};

int run(const Options& options, const sigset_t& signals) {
  // First, so that it is there until the client has answered all that is open.
  auto loop = base::Loop::make();
  if (!loop.ok()) return complain(loop.error());
  auto credentials = kube::find_credentials(options.kubeconfig);
  if (!credentials.ok()) return complain(credentials.error());
  auto client = kube::Client::make(*credentials, options.client);
  if (!client.ok()) return complain(client.error());
  control::Scheduler scheduler(**client, **loop, options.scheduler);
  auto pages = control::Pages::make(options.listen, **loop, scheduler);
  if (!pages.ok()) return complain(pages.error());
  if (const auto started = scheduler.start(); !started.ok()) return complain(started.error());
  base::log(base::Level::kInfo, "scheduler", "started",
            {{"server", (*credentials).server.authority()},
             {"listen", std::to_string((*pages)->port())}});
  // Before it has led: what a server does not have will not come while it runs.
  int code = 0;
  kube::check(**client, **loop, kNeeds, [&](const base::Status& served) {
    if (served.ok()) return;
    code = complain(served.error());
    scheduler.stop([&] { (*loop)->stop(); });
  });
  std::thread waiter([&] {
    int signal = 0;
    sigwait(&signals, &signal);
    (*loop)->post([&] { scheduler.stop([&] { (*loop)->stop(); }); });
  });
  (*loop)->run();
  ::pthread_kill(waiter.native_handle(), SIGTERM);
  waiter.join();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.client.rate = 200;
  options.client.burst = 400;
  CLI::App app{"hi-scheduler: places pods that ask for cards, on their node or with a remote card"};
  options.add_to(&app);
  CLI11_PARSE(app, argc, argv);
  options.scheduler.elect = !options.no_election;
  char host[128] = "";
  ::gethostname(host, sizeof host - 1);
  options.scheduler.identity =
      std::string(host) + "_" + std::to_string(kube::fresh_seed() & 0xffffffff);
  base::set_log(2, options.verbose ? base::Level::kDebug : base::Level::kInfo);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // for sigwait(), inherited by all threads
  ::signal(SIGPIPE, SIG_IGN);
  return run(options, signals);
}
