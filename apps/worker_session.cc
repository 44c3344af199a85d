#include "apps/worker_session.h"

#include <stdio.h>
#include <sys/stat.h>

#include <optional>

#include "remote/isolation.h"
#include "remote/opencl/version.h"
#include "remote/opencl/worker/granted.h"
#include "remote/opencl/worker/program_cache.h"

namespace flexai::apps {
namespace {

base::Result<std::unique_ptr<remote::HostSession>> open_session(const WorkerOptions& options,
                                                                remote::Links* links) {
  remote::HostSessionOptions host;
  host.links = links;
  host.version = remote::opencl::wire_version();
  host.pki = options.pki;
  host.patience = options.patience * base::kSecond;
  host.grace = options.grace * base::kSecond;
  if (options.session < 0) {
    FLEXAI_TRY_ASSIGN(const wire::Endpoint endpoint, wire::parse_endpoint(options.listen));
    return remote::HostSession::open(endpoint, std::move(host));
  }
  std::optional<remote::Appointment> appointment;
  if (options.appointment >= 0) {
    const base::Fd pipe(options.appointment);
    FLEXAI_TRY_ASSIGN(const auto bytes, remote::read_whole(pipe.get()));
    FLEXAI_TRY_ASSIGN(appointment, remote::decode_appointment(bytes));
  }
  FLEXAI_TRY_ASSIGN(const auto confined,
                    remote::confine({options.user, true, options.hide, options.home}));
  if (!confined.filtered) fputs("flexai-worker: this kernel has no system call filter\n", stderr);
  if (!confined.apart && !options.hide.empty())
    fputs("flexai-worker: this kernel has no Landlock: tenants' folders are kept apart by user\n",
          stderr);
  return remote::HostSession::open_on(base::Fd(options.session), std::move(appointment),
                                      std::move(host));
}

// The driver, through the programs that were built before. One without a place for them builds all.
base::Result<remote::opencl::Granted> grant(const WorkerOptions& options) {
  // The environment names them, see agent/sessions.h.
  if (!options.home.empty())
    for (const char* folder : {"/driver", "/tmp"}) ::mkdir((options.home + folder).c_str(), 0700);
  FLEXAI_TRY_ASSIGN(auto granted, remote::opencl::grant(options.icd));
  if (options.home.empty() || options.keep == 0) return granted;
  auto store = remote::ContentStore::open(options.home + "/programs", options.keep);
  if (store.ok()) {
    granted.table = remote::opencl::with_program_cache(granted.table, std::move(*store));
  } else {
    fprintf(stderr, "flexai-worker: programs are not kept: %s\n", store.error().message.c_str());
  }
  return granted;
}

// Of a client that is new here. The driver's first instruction runs when the client is known:
// before that nobody has one.
base::Result<remote::opencl::Arrived> meet(const WorkerOptions& options, remote::HostSession& door,
                                           remote::opencl::Granted granted) {
  remote::opencl::Arrived met;
  FLEXAI_TRY_ASSIGN(met.session, door.wait());
  if (granted.devices.empty()) {
    auto loaded = grant(options);
    if (!loaded.ok()) {
      met.session->end({.code = wire::RefusalCode::kEnded, .text = loaded.error().message});
      return loaded.error();
    }
    granted = std::move(*loaded);
  }
  FLEXAI_TRY_ASSIGN(met.worker, remote::opencl::Worker::make(*met.session, std::move(granted)));
  return met;
}

}  // namespace

base::Result<WorkerSession> begin_session(const WorkerOptions& options) {
  WorkerSession made;
  remote::opencl::Granted granted;
  if (options.session < 0) {
    FLEXAI_TRY_ASSIGN(granted, grant(options));
  }
  if (options.appointment >= 0) made.links = std::make_unique<remote::Links>();
  FLEXAI_TRY_ASSIGN(made.door, open_session(options, made.links.get()));
  // A session that comes from elsewhere is at work there: all is ready before it stands still.
  if (made.door->adopts()) {
    FLEXAI_TRY_ASSIGN(granted, grant(options));
  }
  printf("%s\n", text_of(made.door->endpoint()).c_str());
  fflush(stdout);
  FLEXAI_TRY_ASSIGN(made.met, made.door->adopts()
                                  ? remote::opencl::arrive(*made.door, std::move(granted))
                                  : meet(options, *made.door, std::move(granted)));
  if (made.links != nullptr) made.met.worker->take_links(*made.links);
  return made;
}

}  // namespace flexai::apps
