#include "agent/agent.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "agent/api.h"
#include "agent/attachments.h"
#include "agent/cards.h"
#include "agent/checkpoint.h"
#include "agent/events.h"
#include "agent/http_server.h"
#include "agent/injection.h"
#include "agent/keeper.h"
#include "agent/net_door.h"
#include "agent/probing.h"
#include "agent/runs.h"
#include "agent/sessions.h"
#include "agent/slices.h"
#include "agent/watch_port.h"
#include "agent/watchdog.h"
#include "base/log.h"

namespace flexai::agent {

using base::Code;
using base::Fd;
using base::Level;

// In the order of use; destroyed backwards, so users go before what they use.
struct Agent::Parts {
  AgentConfig config;
  std::string socket, attach_socket;
  Fd runtime_lock, state_lock;
  std::unique_ptr<base::Loop> loop;
  std::unique_ptr<Checkpoint> checkpoint;
  std::optional<Keeper> keeper;
  Events events;
  std::unique_ptr<Cards> cards;
  std::unique_ptr<Slices> slices;
  std::unique_ptr<Runs> runs;
  std::unique_ptr<Attachments> attachments;
  std::unique_ptr<Watchdog> watchdog;
  Injection injection;
  std::unique_ptr<Sessions> sessions;
  std::unique_ptr<Api> api;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<Companion> companion;
  std::unique_ptr<NetDoor> net;
  std::unique_ptr<WatchPort> watch;
  std::unique_ptr<Probing> probing;
  base::Nanos idle_since = 0;
  const base::Nanos begun = base::monotonic_now();
  std::thread stopping;

  base::Status take_folders();
  base::Status open_checkpoint();
  base::Status connect_keeper();
  base::Status find_cards(const Stored& stored, const std::string& boot);
  void take_cards(std::vector<model::Device> found);
  base::Status restore(const Stored& stored, const std::string& boot);
  base::Status open_sockets();
  base::Status open_companion();
  base::Status open_sessions();
  void log_time(const char* what) const;  // since the start
  void watch_keeper();
  void watch_idle();
  void begin_stop();
  void forget_when_unused();
};

namespace {

// Three descriptors a slice, two a process: the default of 1,024 is too few.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

base::Status Agent::Parts::take_folders() {
  FLEXAI_TRY(make_own_folder(config.folders.runtime, config.embedded ? 0700 : 0755));
  FLEXAI_TRY(make_own_folder(config.folders.state, 0700));
  socket = config.folders.runtime + "/flexai.sock";
  attach_socket = config.folders.runtime + "/attach.sock";
  FLEXAI_TRY_ASSIGN(state_lock, lock_folder(config.folders.state, socket));
  if (config.folders.runtime == config.folders.state) return {};
  FLEXAI_TRY_ASSIGN(runtime_lock, lock_folder(config.folders.runtime, socket));
  return {};
}

base::Status Agent::Parts::open_checkpoint() {
  const std::string path = config.folders.state + "/state.db";
  auto opened = Checkpoint::open(path);
  if (!opened.ok() && opened.error().code == Code::kCorrupt && config.reset_state) {
    FLEXAI_TRY_ASSIGN(std::string aside, Checkpoint::set_aside(path));
    base::log(Level::kWarn, "agent", "damaged checkpoint set aside", {{"path", aside}});
    opened = Checkpoint::open(path);
  }
  FLEXAI_TRY_ASSIGN(checkpoint, std::move(opened));
  return {};
}

base::Status Agent::Parts::connect_keeper() {
  auto command = config.outside.words("keeper", false);
  command.push_back(config.keeper_program);
  FLEXAI_TRY_ASSIGN(Keeper connected, Keeper::connect(config.folders.state, command));
  keeper.emplace(std::move(connected));
  return {};
}

// Programs that have run on without an agent are served at once, with the cards as they were last
// known; what the probes say comes when it comes. Without any, the cards are certain at the start.
base::Status Agent::Parts::find_cards(const Stored& stored, const std::string& boot) {
  cards = std::make_unique<Cards>(socket, config.locks);
  bool known = boot == stored.boot && !stored.runs.empty() && !stored.cards.empty();
  std::vector<model::Device> devices = known ? stored.cards : probing->wait();
  if (devices != stored.cards) FLEXAI_TRY(checkpoint->set_cards(devices));
  cards->take(std::move(devices), &*keeper);
  if (known) probing->deliver(loop.get(), [this](auto found) { take_cards(std::move(found)); });
  return {};
}

void Agent::Parts::take_cards(std::vector<model::Device> found) {
  base::Status saved = checkpoint->set_cards(found);
  if (!saved.ok())
    base::log(Level::kWarn, "agent", "cards not saved", {{"why", saved.error().message}});
  cards->take(std::move(found), &*keeper);
  watchdog->know(cards->devices());
  slices->cards_changed();
  log_time("probes have answered");
}

void Agent::Parts::log_time(const char* what) const {
  base::log(Level::kInfo, "agent", what,
            {{"ms", std::to_string((base::monotonic_now() - begun) / base::kMillisecond)}});
}

base::Status Agent::Parts::restore(const Stored& stored, const std::string& boot) {
  FLEXAI_TRY_ASSIGN(uint64_t incarnation, checkpoint->next_incarnation());
  FLEXAI_TRY(checkpoint->set_boot(boot));
  slices = std::make_unique<Slices>(cards.get(), checkpoint.get(), &*keeper, &events, incarnation);
  slices->restore(stored);
  runs = std::make_unique<Runs>(loop.get(), slices.get(), checkpoint.get(), &events);
  runs->restore(stored, boot);
  attachments = std::make_unique<Attachments>(loop.get(), slices.get(), runs.get(), &events);
  attachments->restore();
  watchdog = std::make_unique<Watchdog>(loop.get(), runs.get(), attachments.get(), &events);
  watchdog->know(cards->devices());
  injection = Injection::load(config.inject_folder, config.libdir);
  watchdog->know_layers(injection.files());
  runs->find_orphans = [this](Run* run) { watchdog->find_orphans(run); };
  for (auto& [id, run] : runs->all())
    if (run->draining) watchdog->find_orphans(run.get());
  FLEXAI_TRY(open_sessions());
  watchdog->pass();  // also drops runs, and their throw-away slices, that ended while no agent ran
  Identity identity{config.embedded ? "embedded" : "service", socket, attach_socket, incarnation,
                    base::monotonic_now()};
  api = std::make_unique<Api>(loop.get(), cards.get(), slices.get(), runs.get(), attachments.get(),
                              watchdog.get(), &events, &injection, sessions.get(), identity);
  http = std::make_unique<HttpServer>(loop.get(), api.get());
  return {};
}

base::Status Agent::Parts::open_sockets() {
  FLEXAI_TRY_ASSIGN(Fd attach, listen_unix(attach_socket, SOCK_SEQPACKET, config.group));
  // Workers are other users then; who may attach says the grant, and the kernel who asks.
  if (!config.worker_user.empty()) ::chmod(attach_socket.c_str(), 0666);
  FLEXAI_TRY(attachments->serve(std::move(attach)));
  FLEXAI_TRY_ASSIGN(Fd listener, listen_unix(socket, SOCK_STREAM, config.group));
  http->serve(std::move(listener));
  if (!config.listen.empty()) {
    FLEXAI_TRY_ASSIGN(const wire::Endpoint endpoint, parse_host(config.listen));
    FLEXAI_TRY_ASSIGN(net, NetDoor::open(endpoint, config.pki, http.get(), sessions.get()));
    base::log(Level::kInfo, "agent", "listening for other hosts",
              {{"port", std::to_string(net->port())}});
  }
  FLEXAI_TRY(open_companion());
  if (!config.metrics.empty()) {
    auto waits = [this] { return companion ? companion->waits_for() : std::string(); };
    FLEXAI_TRY_ASSIGN(watch, WatchPort::open(config.metrics, loop.get(), api.get(), waits));
  }
  log_time("serving");
  return {};
}

base::Status Agent::Parts::open_companion() {
  if (!config.companion) return {};
  Surroundings around{loop.get(),
                      cards.get(),
                      slices.get(),
                      runs.get(),
                      sessions.get(),
                      &events,
                      &injection,
                      config.folders.state,
                      config.folders.runtime,
                      config.pki,
                      {},
                      {}};
  around.move = [this](const std::string& slice, model::Residency to, base::Nanos patience,
                       std::function<void(base::Status)> done) {
    api->move_slice(slice, to, patience, std::move(done));
  };
  around.migrate = [this](const std::string& slice, const Api::Destination& to,
                          base::Nanos patience, std::function<void(base::Status)> done) {
    api->migrate_slice(slice, to, patience, std::move(done));
  };
  FLEXAI_TRY_ASSIGN(companion, config.companion(around));
  api->on_arrival = [this](const Api::Arriving& wanted,
                           std::function<void(base::Result<Run*>)> done) {
    companion->receive(wanted, std::move(done));
  };
  api->on_claim = [this](const Api::Request& call, const Api::Reply& reply) {
    companion->post_claim(call, reply);
  };
  return {};
}

base::Status Agent::Parts::open_sessions() {
  char name[256] = "host";
  ::gethostname(name, sizeof name - 1);
  SessionConfig chosen;
  chosen.runtime = config.folders.runtime;
  chosen.state = config.folders.state;
  chosen.worker_folder = config.worker_folder;
  chosen.worker_user = config.worker_user;
  chosen.worker_group = config.worker_group;
  chosen.outside = config.outside;
  chosen.attach_socket = attach_socket;
  chosen.issuer = name;
  chosen.pki = config.pki;
  chosen.grace = config.grace;
  chosen.lease = config.lease;
  chosen.tenant_cache = config.tenant_cache;
  sessions = std::make_unique<Sessions>(loop.get(), slices.get(), runs.get(), attachments.get(),
                                        &events, &injection, std::move(chosen));
  return sessions->open();
}

// A keeper that died is replaced and given everything again, before it is needed.
void Agent::Parts::watch_keeper() {
  if (!keeper->list().ok()) {
    events.add("keeper-lost", config.folders.state, "the keeper has ended; starting another");
    base::Status connected = connect_keeper();
    if (connected.ok()) {
      cards->keep_again(&*keeper);
      slices->keep_again();
    } else {
      base::log(Level::kError, "agent", "no keeper", {{"why", connected.error().message}});
    }
  }
  [[maybe_unused]] auto settled = checkpoint->settle();  // if anything is owed; said before
  loop->at(base::monotonic_now() + 2 * base::kSecond, [this] { watch_keeper(); });
}

void Agent::Parts::watch_idle() {
  base::Nanos now = base::monotonic_now();
  if (api->in_use() || http->connections() > 0 || attachments->count() > 0)
    idle_since = now;
  else
    idle_since = std::max(idle_since, http->last_request());
  if (now - idle_since >= config.idle_exit) {
    base::log(Level::kInfo, "agent", "nothing to do, leaving");
    begin_stop();
    return;
  }
  loop->at(now + std::min(base::kSecond, config.idle_exit), [this] { watch_idle(); });
}

// The Loop goes on while callers that wait get their answers.
void Agent::Parts::begin_stop() {
  if (stopping.joinable()) return;
  ::unlink(socket.c_str());  // nobody new
  ::unlink(attach_socket.c_str());
  stopping = std::thread([this] {
    http->stop();
    if (net) net->stop();
    if (watch) watch->stop();
    loop->stop();
  });
}

// The keeper lives as long as it holds something: after a clean stop that is needed only while
// programs are attached.
void Agent::Parts::forget_when_unused() {
  if (!keeper || attachments == nullptr || attachments->count() > 0) return;
  auto names = keeper->list();
  if (!names.ok()) return;
  for (const std::string& name : *names) [[maybe_unused]] auto dropped = keeper->drop(name);
}

base::Result<std::unique_ptr<Agent>> Agent::start(AgentConfig config) {
  raise_descriptor_limit();
  auto parts = std::make_unique<Parts>();
  parts->config = std::move(config);
  FLEXAI_TRY(parts->take_folders());
  FLEXAI_TRY_ASSIGN(parts->loop, base::Loop::make());
  // Probes take longest; the checkpoint is opened meanwhile.
  FLEXAI_TRY_ASSIGN(parts->probing, Probing::start(DiscoveryConfig{parts->config.probes,
                                                                   parts->config.probe_limits}));
  FLEXAI_TRY(parts->open_checkpoint());
  FLEXAI_TRY(parts->connect_keeper());
  FLEXAI_TRY_ASSIGN(Stored stored, parts->checkpoint->load());
  const std::string boot = boot_id();
  FLEXAI_TRY(parts->find_cards(stored, boot));
  base::Status status = parts->restore(stored, boot);
  if (status.ok()) status = parts->open_sockets();
  if (!status.ok()) {
    if (parts->http) parts->http->stop();
    if (parts->net) parts->net->stop();
    if (parts->watch) parts->watch->stop();
    return status.error();
  }
  parts->watchdog->start();
  parts->watch_keeper();
  if (parts->config.idle_exit > 0) {
    parts->idle_since = base::monotonic_now();
    parts->watch_idle();
  }
  parts->events.add("agent-started", parts->socket,
                    std::to_string(parts->cards->all().size()) + " cards, " +
                        std::to_string(parts->slices->all().size()) + " slices");
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Agent::~Agent() = default;

const std::string& Agent::socket() const { return parts_->socket; }

uint16_t Agent::port() const { return parts_->net ? parts_->net->port() : 0; }

void Agent::run() {
  parts_->loop->run();
  if (parts_->stopping.joinable()) parts_->stopping.join();
  parts_->forget_when_unused();
}

void Agent::stop() {
  parts_->loop->post([this] { parts_->begin_stop(); });
}

}  // namespace flexai::agent
