// flexai-webhook: gives new pods that ask for cards the gate which the hi-scheduler opens.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <thread>

#include "base/log.h"
#include "control/webhook/caches.h"
#include "control/webhook/server.h"
#include "control/webhook/template_maker.h"
#include "kube/credentials.h"
#include "kube/requirement.h"

using namespace flexai;
using namespace flexai::control::webhook;

namespace {

constexpr base::Nanos kLook = 600 * base::kSecond;  // at the certificate

struct Options {
  std::string kubeconfig, ns = "flexai-system", service = "flexai-webhook";
  Server::Options server;
  bool verbose = false;

  void add_to(CLI::App* app) {
    app->add_option("--kubeconfig", kubeconfig, "how to reach the API server; default: as the pod");
    app->add_option("--listen", server.address, "IPv4 address to listen at");
    app->add_option("--port", server.port)->check(CLI::Range(0, 65535));
    app->add_option("--namespace", ns, "of the service and of the Secret SERVICE-tls");
    app->add_option("--service", service,
                    "by which the API server reaches it; also the MutatingWebhookConfiguration");
    app->add_flag("--verbose", verbose, "tell more in the log");
  }
  ServingPlace place() const {
    const std::string name = service + "." + ns;
    return {{ns, service + "-tls"}, service, {name + ".svc", name, name + ".svc.cluster.local"}};
  }
};

int complain(const base::Error& error) {
  ::dprintf(2, "flexai-webhook: %s\n", error.message.c_str());
  return 1;
}

// Looks whether it is to be replaced, or another replica has done so, until a signal comes.
void keep(kube::Client& client, const ServingPlace& place, Server& server,
          const sigset_t& signals) {
  const timespec pause{kLook / base::kSecond, 0};
  while (sigtimedwait(&signals, nullptr, &pause) < 0) {
    auto certificate = keep_certificate(client, place);
    if (!certificate.ok())
      base::log(base::Level::kWarn, "webhook", "certificate not looked after",
                {{"why", certificate.error().message}});
    else if (auto renewed = server.renew(*certificate); !renewed.ok())
      base::log(base::Level::kWarn, "webhook", "certificate not taken",
                {{"why", renewed.error().message}});
  }
}

const kube::Requirement kNeeds{
    "slices of cards", 1, 36, {kube::kResourceClaims, kube::kResourceClaimTemplates}};

int run(const Options& options, const sigset_t& signals) {
  // First, so that it is there until the client has answered all that is open.
  auto loop = base::Loop::make();
  if (!loop.ok()) return complain(loop.error());
  auto credentials = kube::find_credentials(options.kubeconfig);
  if (!credentials.ok()) return complain(credentials.error());
  auto client = kube::Client::make(*credentials, {});
  if (!client.ok()) return complain(client.error());
  auto certificate = keep_certificate(**client, options.place());
  if (!certificate.ok()) return complain(certificate.error());
  Caches caches(**client, **loop);
  std::atomic<bool> ready{false};
  auto server = Server::make(options.server, *certificate, caches.knowledge(),
                             template_maker(**client), [&ready] { return ready.load(); });
  if (!server.ok()) return complain(server.error());
  base::log(base::Level::kInfo, "webhook", "started",
            {{"port", std::to_string((*server)->port())}});
  std::thread keeper([&] {
    keep(**client, options.place(), **server, signals);
    (*loop)->stop();
  });
  int code = 0;
  kube::check(**client, **loop, kNeeds, [&](const base::Status& served) {
    if (served.ok()) return;
    code = complain(served.error());
    ::kill(::getpid(), SIGTERM);  // for keep(), which the loop ends with
  });
  std::function<void()> look = [&] {
    ready = caches.synced();
    if (!ready) (*loop)->at(base::monotonic_now() + 100 * base::kMillisecond, look);
  };
  look();
  (*loop)->run();
  keeper.join();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"flexai-webhook: gives new pods that ask for cards the gate of the hi-scheduler"};
  options.add_to(&app);
  CLI11_PARSE(app, argc, argv);
  base::set_log(2, options.verbose ? base::Level::kDebug : base::Level::kInfo);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // for sigtimedwait(), inherited by all threads
  ::signal(SIGPIPE, SIG_IGN);
  return run(options, signals);
}
