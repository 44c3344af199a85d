// flexai-worker: the process that talks to the driver for one session of one client. Started fresh
// for each; what a client's commands do to the driver ends with it.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "remote/host_session.h"
#include "remote/opencl/version.h"
#include "remote/opencl/worker/granted.h"
#include "remote/worker_door.h"

namespace {

constexpr const char* kUsage =
    "usage: flexai-worker --listen ENDPOINT | --door FOLDER  [--icd PATH] [--pki FOLDER]\n"
    "                     [--patience SECONDS]\n"
    "  --listen ENDPOINT    where its one client connects: unix:PATH, shm:PATH, tcp:127.0.0.1:0,\n"
    "                       tls:HOST:PORT; printed, with the port taken, when it may come\n"
    "  --door FOLDER        starts a worker for each program that connects to FOLDER/door\n"
    "  --icd PATH           the driver: an .icd file or a library; else what the host's loader\n"
    "                       finds, through the layers of the environment\n"
    "  --pki FOLDER         host.crt, host.key and ca.crt, for tls:\n"
    "  --patience SECONDS   ends when no client came in that time; default 60\n";

struct Options {
  std::string listen, door, icd, pki;
  long patience = 60;
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--listen") {
      options.listen = argv[i + 1];
    } else if (name == "--door") {
      options.door = argv[i + 1];
    } else if (name == "--icd") {
      options.icd = argv[i + 1];
    } else if (name == "--pki") {
      options.pki = argv[i + 1];
    } else if (name == "--patience") {
      options.patience = strtol(argv[i + 1], nullptr, 10);
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && options.listen.empty() != options.door.empty();
}

flexai::base::Status keep_door(const Options& options) {
  using flexai::remote::WorkerDoor;
  std::vector<std::string> worker{"/proc/self/exe"};
  if (!options.icd.empty()) worker.insert(worker.end(), {"--icd", options.icd});
  FLEXAI_TRY_ASSIGN(auto door, WorkerDoor::open(options.door, std::move(worker)));
  printf("%s\n", door.endpoint().c_str());
  fflush(stdout);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  return door.serve();
}

flexai::base::Status work(const Options& options) {
  using namespace flexai;
  FLEXAI_TRY_ASSIGN(const wire::Endpoint endpoint, wire::parse_endpoint(options.listen));
  remote::HostSessionOptions host;
  host.version = remote::opencl::wire_version();
  host.pki = options.pki;
  host.patience = options.patience * base::kSecond;
  FLEXAI_TRY_ASSIGN(auto granted, remote::opencl::grant(options.icd));
  FLEXAI_TRY_ASSIGN(auto door, remote::HostSession::open(endpoint, std::move(host)));
  printf("%s\n", text_of(door->endpoint()).c_str());
  fflush(stdout);
  FLEXAI_TRY_ASSIGN(auto session, door->wait());
  FLEXAI_TRY_ASSIGN(auto worker, remote::opencl::Worker::make(*session, std::move(granted)));
  FLEXAI_TRY(worker->take_output());
  const auto ended = worker->run();
  fprintf(stderr, "flexai-worker: session %s: %s\n", wire::text_of(session->id()).c_str(),
          ended.error().message.c_str());
  if (endpoint.carrier == wire::Carrier::kUnix || endpoint.carrier == wire::Carrier::kShared)
    ::unlink(endpoint.place.c_str());
  // No exit handlers and no waiting for commands: the driver's threads may never end.
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    fputs(kUsage, stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0);  // no core file with other people's memory
  const auto done = options.door.empty() ? work(options) : keep_door(options);
  fprintf(stderr, "flexai-worker: %s\n", done.error().message.c_str());
  return 1;
}
