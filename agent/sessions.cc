#include "agent/sessions.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "agent/folders.h"
#include "base/hex.h"
#include "base/log.h"
#include "limit/attach.h"
#include "remote/knock.h"
#include "wire/hello.h"
#include "wire/pki.h"
#include "wire/socket.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Level;
using base::Nanos;

// A worker that has not said yet that its client may come.
struct Sessions::Starting {
  Fd said;
  base::Loop::TimerId timer = 0;
  remote::Introduction introduction;
  Answer answer;
};

// Outlives the sessions: whoever waits for a worker finds nobody to tell then.
struct Sessions::Reach {
  base::Mutex mutex;
  base::Loop* loop FLEXAI_GUARDED_BY(mutex) = nullptr;
};

namespace {

constexpr Nanos kLongestMove = 3600 * base::kSecond;
constexpr Nanos kAttaching = 2 * base::kSecond;  // at most, of a worker to a new agent
constexpr Nanos kTryAgain = base::kSecond / 2;
constexpr Nanos kStartTime = 20 * base::kSecond;
constexpr Nanos kLastWord = 300 * base::kMillisecond;  // from "end" to SIGKILL
constexpr size_t kMostKept = 1024;
constexpr int kDays = 2;  // of a session's certificates: longer than any handshake needs

// Bytes for a process to read that gets the descriptor.
base::Result<Fd> hand_over(wire::Bytes bytes) {
  Fd fd(::memfd_create("appointment", MFD_CLOEXEC));
  if (!fd.valid()) return fail_errno("memfd");
  if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
      ::lseek(fd.get(), 0, SEEK_SET) != 0)
    return fail_errno("memfd");
  return fd;
}

std::string how_it_ended(pid_t pid, bool child) {
  int status = 0;
  if (!child || ::waitpid(pid, &status, WNOHANG) != pid) return "its worker has ended";
  if (WIFSIGNALED(status))
    return "its worker was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  if (WEXITSTATUS(status) == 0) return "it is over";
  return "its worker ended with status " + std::to_string(WEXITSTATUS(status)) +
         "; see the agent's log";
}

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

Sessions::Sessions(base::Loop* loop, Slices* slices, Runs* runs, Attachments* attachments,
                   Events* events, const Injection* injection, SessionConfig config)
    : loop_(loop),
      slices_(slices),
      runs_(runs),
      attachments_(attachments),
      events_(events),
      injection_(injection),
      config_(std::move(config)),
      folder_(config_.runtime + "/s"),
      homes_(std::make_shared<TenantHomes>(config_.state + "/tenants", config_.worker_user,
                                           config_.tenant_cache)),
      reach_(std::make_shared<Reach>()) {
  reach_->loop = loop;
}

Sessions::~Sessions() {
  {
    base::MutexLock lock(reach_->mutex);
    reach_->loop = nullptr;
  }
  for (auto& [run, door] : doors_)
    if (door.listener.valid()) loop_->unwatch(door.listener.get());
}

bool Sessions::is_name(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

base::Status Sessions::open() {
  FLEXAI_TRY(make_own_folder(folder_, 0711));
  FLEXAI_TRY(load_key());
  attachments_->is_worker = [this](pid_t pid, uint64_t run) {
    for (const auto& [name, session] : sessions_)
      if (session.pid == pid && session.run == run) return true;
    return false;
  };
  restore();
  FLEXAI_TRY(homes_->open());
  for (const auto& [name, session] : sessions_) bring_back(name);
  renewed_ = 0;
  tick();
  return {};
}

base::Result<std::vector<std::byte>> Sessions::make_lease(const Run& run,
                                                          const std::string& name) const {
  wire::Lease lease;
  lease.issuer = config_.issuer;
  lease.tenant = run.stored.host;
  lease.session = name;
  for (uint64_t id : run.stored.slices) {
    SliceEntry* entry = slices_->by_id(id);
    if (entry == nullptr) return fail(Code::kNotFound, "a slice of this run has been deleted");
    lease.card = entry->card_key.substr(0, 256);
    lease.share = entry->slice.compute_milli;
    lease.memory = entry->slice.memory_bytes;
  }
  lease.not_before = ::time(nullptr);
  lease.expires = lease.not_before + config_.lease / base::kSecond;
  return wire::sign(lease, keys_.private_key);
}

// Throw-away keys: neither this host's nor the caller's own key goes anywhere.
base::Result<Sessions::Credentials> Sessions::credentials(const Run& run, const std::string& name,
                                                          const std::string& address) {
  FLEXAI_TRY_ASSIGN(const auto authority,
                    wire::make_authority("flexai session " + name.substr(0, 8), kDays));
  const std::string client = "client-" + name.substr(0, 16);
  FLEXAI_TRY_ASSIGN(const auto own,
                    wire::issue(authority, "worker-" + name.substr(0, 16), {address}, kDays));
  FLEXAI_TRY_ASSIGN(const auto theirs, wire::issue(authority, client, {}, kDays));
  FLEXAI_TRY_ASSIGN(auto lease, make_lease(run, name));
  Credentials made;
  made.appointment = {
      name,  client, {own.certificate, own.key, authority.certificate, ""}, keys_.public_key,
      lease, {}};
  made.introduction = {name, {theirs.certificate, theirs.key, authority.certificate}, lease};
  return made;
}

base::Result<WorkerStart> Sessions::worker_for(const Run& run) {
  std::set<std::string> apis;
  for (uint64_t id : run.stored.slices) {
    SliceEntry* entry = slices_->by_id(id);
    if (entry == nullptr) return fail(Code::kNotFound, "a slice of this run has been deleted");
    if (!entry->trouble.empty())
      return fail(Code::kUnavailable, "slice " + entry->slice.name + ": " + entry->trouble);
    if (entry->moving)
      return fail(Code::kUnavailable,
                  "slice " + entry->slice.name + " is on its way; it is there in a moment");
    if (entry->slice.residency != model::Residency::kCard)
      return fail(Code::kConflict, "slice " + entry->slice.name +
                                       " is swapped out; `flexai slice resume` brings it back");
    apis.insert(slices_->card_of(*entry)->device.api);
  }
  if (apis.size() != 1)
    return fail(Code::kUnsupported,
                "the slices of this run need different workers; run the "
                "program with cards of one driver");
  WorkerStart start;
  FLEXAI_TRY_ASSIGN(start.program, injection_->worker(*apis.begin()));
  if (start.program[0] != '/') start.program = config_.worker_folder + "/" + start.program;
  FLEXAI_TRY_ASSIGN(start.environment, injection_->variables(apis));
  start.environment.push_back({limit::kEnvAttach, config_.attach_socket, "set"});
  start.environment.push_back({limit::kEnvGrant, run.stored.grant, "set"});
  start.user = config_.worker_user;
  start.grace = config_.grace / base::kSecond;
  return start;
}

// Of the host where it must outlive us, whose container may end; else a folder that we make.
void Sessions::give_group(ServedSession& session, WorkerStart& start) const {
  const std::string name = session.name.substr(0, 16);
  if (config_.outside.wanted()) {
    start.before = config_.outside.words("worker-" + name, true);
    session.group = config_.outside.group_of("worker-" + name);
  } else {
    session.group = start.group = make_group(config_.worker_group, name);
  }
}

// Starts a worker; the answer comes when it has said its line, or did not in time.
base::Result<std::string> Sessions::begin(Run* run, const std::string& address, int type,
                                          Answer answer, const remote::Ticket& ticket) {
  if (sessions_.size() >= kMaxSessions)
    return fail(Code::kExhausted, "this host serves 1000 programs already; try another one");
  if (run->sessions >= limit::kMaxSlots)
    return fail(Code::kExhausted, "run " + std::to_string(run->stored.id) +
                                      " has 128 sessions already; use a second one");
  FLEXAI_TRY_ASSIGN(const std::string name, base::random_hex(16));
  const std::string path = socket_for(*run, name, type);
  FLEXAI_TRY_ASSIGN(WorkerStart start, worker_for(*run));
  Starting starting;
  if (type == SOCK_STREAM) {
    // As the pod sees it.
    starting.introduction.endpoint =
        "shm:" + (run->stored.claim.empty()
                      ? path
                      : std::string(kPodDoors) + "/" + run->stored.claim + "/" + name);
  } else {
    FLEXAI_TRY_ASSIGN(Credentials made, credentials(*run, name, address));
    made.appointment.ticket = ticket;
    wire::Writer writer;
    FLEXAI_TRY(remote::encode(made.appointment, writer));
    FLEXAI_TRY_ASSIGN(start.appointment, hand_over(writer.bytes()));
    starting.introduction = std::move(made.introduction);
  }
  const uint32_t owner = run->stored.claim.empty() ? run->stored.uid : kAnybody;
  const uint32_t uid = type == SOCK_STREAM ? owner : ::geteuid();
  FLEXAI_TRY_ASSIGN(start.session, listen_for(path, type, uid));
  FLEXAI_TRY_ASSIGN(start.orders, listen_for(orders_of(name), SOCK_SEQPACKET, ::geteuid()));
  ServedSession session;
  session.name = name;
  session.socket = path;
  session.run = run->stored.id;
  session.host = run->stored.host;
  session.since_ms = now_ms();
  FLEXAI_TRY(give_home(*run, session, start));
  give_group(session, start);
  auto started = start_worker(std::move(start));
  if (!started.ok()) {
    take_home(session);
    ::unlink(path.c_str());
    ::unlink(orders_of(name).c_str());
    drop_group(session.group);
    return started.error();
  }
  session.pid = started->pid;
  session.pidfd = std::move(started->pidfd);
  session.child = true;
  if (auto stat = read_stat(session.pid); stat.ok()) session.start = stat->start;
  starting.said = std::move(started->said);
  starting.answer = std::move(answer);
  const int said = starting.said.get();
  starting.timer = loop_->at(base::monotonic_now() + kStartTime, [this, name] {
    this->answer(name, fail(Code::kTimeout, "the worker does not start"));
    end(name, "its worker did not start");
  });
  run->sessions += 1;
  base::Status noted = note(session);
  sessions_.emplace(name, std::move(session));
  starting_.emplace(name, std::move(starting));
  watch_end(name);
  base::Status watched = loop_->watch(said, EPOLLIN, [this, name](uint32_t) { heard(name); });
  if (!noted.ok() || !watched.ok()) {
    loop_->cancel(starting_[name].timer);
    starting_.erase(name);
    end(name, "it could not be begun");
    return noted.ok() ? watched.error() : noted.error();
  }
  events_->add("session-started", name.substr(0, 8),
               "worker " + std::to_string(sessions_[name].pid) + " for run " +
                   std::to_string(run->stored.id) +
                   (run->stored.host.empty() ? "" : " of " + run->stored.host));
  return name;
}

// Its line, or its end without one.
void Sessions::heard(const std::string& name) {
  auto it = starting_.find(name);
  if (it == starting_.end()) return;
  char bytes[256];
  const ssize_t n = ::read(it->second.said.get(), bytes, sizeof bytes);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) return answer(name, it->second.introduction);
  answer(name, fail(Code::kUnavailable, "the worker did not start; the agent's log says why"));
}

void Sessions::answer(const std::string& name, base::Result<remote::Introduction> result) {
  auto it = starting_.find(name);
  if (it == starting_.end()) return;
  Starting starting = std::move(it->second);
  starting_.erase(it);
  loop_->cancel(starting.timer);
  loop_->unwatch(starting.said.get());
  starting.answer(std::move(result));
}

void Sessions::introduce(Run* run, const std::string& address, Answer answer) {
  auto begun = begin(run, address, SOCK_SEQPACKET, answer);
  if (!begun.ok()) answer(begun.error());
}

void Sessions::receive(Run* run, const std::string& address, AnswerPlace answer) {
  auto ticket = wire::random_key();
  if (!ticket.ok()) return answer(ticket.error());
  Answer introduced = [answer, ticket = *ticket](base::Result<remote::Introduction> made) {
    if (!made.ok()) return answer(made.error());
    answer(remote::Place{std::move(*made), ticket});
  };
  auto begun = begin(run, address, SOCK_SEQPACKET, introduced, *ticket);
  if (!begun.ok()) answer(begun.error());
}

base::Result<std::string> Sessions::open_door(Run* run) {
  const uint64_t id = run->stored.id;
  Door door;
  drop_door(id);
  door.path = door_of(*run);
  const uint32_t owner = run->stored.claim.empty() ? run->stored.uid : kAnybody;
  FLEXAI_TRY_ASSIGN(door.listener, listen_for(door.path, SOCK_STREAM, owner));
  run->door = "door:" + door.path;
  if (run->stored.away.host.empty()) {
    FLEXAI_TRY(watch_door(id, std::move(door)));
  } else {
    doors_[id] = std::move(door);
    lead_away(*run, {});
  }
  return run->door;
}

std::string Sessions::door_of(const Run& run) const {
  if (!run.stored.claim.empty()) return door_folder(run.stored.claim) + "/door";
  return folder_ + "/door-" + std::to_string(run.stored.id);
}

std::string Sessions::socket_for(const Run& run, const std::string& name, int type) const {
  if (run.stored.claim.empty() || type != SOCK_STREAM) return socket_of(name);
  return door_folder(run.stored.claim) + "/" + name;
}

base::Status Sessions::watch_door(uint64_t run, Door door) {
  FLEXAI_TRY(
      loop_->watch(door.listener.get(), EPOLLIN, [this, run](uint32_t) { answer_door(run); }));
  doors_[run] = std::move(door);
  return {};
}

void Sessions::drop_door(uint64_t run) {
  auto it = doors_.find(run);
  if (it == doors_.end()) return;
  if (it->second.listener.valid()) loop_->unwatch(it->second.listener.get());
  ::unlink(it->second.path.c_str());
  if (it->second.away != nullptr) {
    it->second.away->end();
    ending_.push_back(std::move(it->second.away));
  }
  doors_.erase(it);
}

// Who may connect says the socket's owner.
void Sessions::answer_door(uint64_t id) {
  auto knocked =
      std::make_shared<Fd>(::accept4(doors_[id].listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!knocked->valid()) return;
  auto name = std::make_shared<std::string>();
  Answer answer = [this, knocked, name](base::Result<remote::Introduction> result) {
    if (!remote::answer_knock(knocked->get(), result)) end(*name, "its program did not wait");
  };
  Run* run = runs_->by_id(id);
  if (run == nullptr) return answer(fail(Code::kDenied, "this run is over"));
  auto begun = begin(run, "", SOCK_STREAM, answer);
  if (!begun.ok()) return answer(begun.error());
  *name = *begun;
  watch_client(*begun, knocked->get());
}

// Until its worker has the program and watches it itself.
void Sessions::watch_client(const std::string& name, int connection) {
  auto process = open_pidfd(wire::peer_of(connection, wire::Carrier::kUnix).pid);
  if (!process.ok()) return;  // gone: the answer will not reach it
  const int client = process->get();
  sessions_[name].client = std::move(*process);
  base::Status watched = loop_->watch(client, EPOLLIN, [this, name, client](uint32_t) {
    loop_->unwatch(client);
    auto it = sessions_.find(name);
    if (it != sessions_.end() && !attachments_->attached(it->second.pid))
      end(name, "the program's process has ended");
  });
  if (!watched.ok())
    base::log(Level::kWarn, "sessions", "program not watched", {{"why", watched.error().message}});
}

void Sessions::watch_end(const std::string& name) {
  base::Status watched =
      loop_->watch(sessions_[name].pidfd.get(), EPOLLIN, [this, name](uint32_t) { ended(name); });
  if (!watched.ok())
    base::log(Level::kError, "sessions", "worker not watched", {{"why", watched.error().message}});
}

void Sessions::ended(const std::string& name) {
  auto it = sessions_.find(name);
  if (it == sessions_.end()) return;
  ServedSession session = std::move(it->second);
  loop_->unwatch(session.pidfd.get());
  if (session.client.valid()) loop_->unwatch(session.client.get());
  sessions_.erase(it);
  const std::string how = how_it_ended(session.pid, session.child);
  remember(name, how);
  answer(name, fail(Code::kUnavailable, "the worker did not start; the agent's log says why"));
  ::unlink(session.socket.c_str());
  ::unlink(orders_of(name).c_str());
  ::unlink((socket_of(name) + ".json").c_str());
  drop_group(session.group);
  take_home(session);
  events_->add("session-ended", name.substr(0, 8), why_ended(name));
  if (Run* run = runs_->by_id(session.run)) run->sessions -= run->sessions > 0 ? 1 : 0;
  attachments_->check_ended();
  runs_->sweep();
}

// The worker tells its client, if it can; it is gone soon after in any case.
void Sessions::end(const std::string& name, const std::string& why) {
  auto it = sessions_.find(name);
  if (it == sessions_.end()) return;
  remember(name, why);
  Nanos patience = 0;
  if (!it->second.host.empty() &&
      remote::tell_worker(socket_of(name), remote::WorkerWord::kEnd, wire::bytes_of(why)).ok())
    patience = kLastWord;
  loop_->at(base::monotonic_now() + patience, [this, name] {
    auto there = sessions_.find(name);
    if (there != sessions_.end()) [[maybe_unused]]
      auto killed = kill_process(there->second.pidfd.get(), SIGKILL);
  });
}

void Sessions::end_run(uint64_t run, const std::string& why) {
  std::vector<std::string> names;
  for (const auto& [name, session] : sessions_)
    if (session.run == run) names.push_back(name);
  for (const auto& name : names) end(name, why);
}

void Sessions::order(const std::string& name, remote::WorkerOrder order, Done done) {
  if (order.word != remote::OrderWord::kSwapIn) return send_order(name, std::move(order), done);
  send_order(name, std::move(order),
             swap_in_again(name, base::monotonic_now() + kAttaching, std::move(done)));
}

// A worker that has yet to attach to this agent, which is new, has no room for a moment.
Sessions::Done Sessions::swap_in_again(const std::string& name, Nanos until, Done done) {
  return [this, name, until, done = std::move(done)](base::Result<uint64_t> moved) {
    const bool early = !moved.ok() && moved.error().code == Code::kExhausted &&
                       sessions_.count(name) != 0 && base::monotonic_now() < until;
    if (!early) return done(std::move(moved));
    loop_->at(base::monotonic_now() + kAttaching / 20, [this, name, until, done] {
      send_order(name, {remote::OrderWord::kSwapIn, 0, {}}, swap_in_again(name, until, done));
    });
  };
}

// On a thread of its own: a worker takes as long as its bytes do.
void Sessions::send_order(const std::string& name, remote::WorkerOrder order, Done done) {
  const std::string path = orders_of(name);
  auto wanted = std::make_shared<remote::WorkerOrder>(std::move(order));
  std::thread([reach = reach_, path, wanted, done = std::move(done)] {
    auto moved = remote::order_worker(path, *wanted, kLongestMove);
    base::MutexLock lock(reach->mutex);
    if (reach->loop != nullptr) reach->loop->post([done, moved] { done(moved); });
  }).detach();
}

void Sessions::apart(std::function<std::function<void()>()> work) {
  std::thread([reach = reach_, work = std::move(work)] {
    auto done = work();
    base::MutexLock lock(reach->mutex);
    if (reach->loop != nullptr) reach->loop->post(std::move(done));
  }).detach();
}

bool Sessions::at_home(const ServedSession& session) const {
  const Run* run = runs_->by_id(session.run);
  if (run == nullptr) return false;
  for (uint64_t id : run->stored.slices) {
    const SliceEntry* entry = slices_->by_id(id);
    if (entry == nullptr || entry->slice.residency != model::Residency::kCard) return false;
  }
  return true;
}

// What an earlier agent had begun to take away, and did not write down as gone.
void Sessions::bring_back(const std::string& name) {
  auto it = sessions_.find(name);
  if (it == sessions_.end() || !at_home(it->second)) return;
  order(name, {remote::OrderWord::kSwapIn, 0, {}}, [this, name](base::Result<uint64_t> moved) {
    if (moved.ok() || moved.error().code == Code::kNotFound) return;
    base::log(Level::kWarn, "sessions", "memory not brought back to its card yet",
              {{"session", name}, {"why", moved.error().message}});
    loop_->at(base::monotonic_now() + kTryAgain, [this, name] { bring_back(name); });
  });
}

std::vector<std::string> Sessions::of_slice(uint64_t slice) const {
  std::vector<std::string> names;
  for (const auto& [name, session] : sessions_) {
    const Run* run = runs_->by_id(session.run);
    if (run == nullptr) continue;
    const auto& slices = run->stored.slices;
    if (std::find(slices.begin(), slices.end(), slice) != slices.end()) names.push_back(name);
  }
  return names;
}

// The first reason stands: what came of it later explains less.
void Sessions::remember(const std::string& name, const std::string& why) {
  base::MutexLock lock(mutex_);
  if (!why_.emplace(name, why).second) return;
  order_.push_back(name);
  while (order_.size() > kMostKept) {
    why_.erase(order_.front());
    order_.pop_front();
  }
}

std::string Sessions::why_ended(const std::string& name) const {
  base::MutexLock lock(mutex_);
  auto it = why_.find(name);
  return it == why_.end() ? "session " + name + " is not known here: it has ended" : it->second;
}

void Sessions::tick() {
  const Nanos now = base::monotonic_now();
  std::vector<uint64_t> lost;
  for (auto& [id, run] : runs_->all())
    if (!run->stored.host.empty() && run->stored.claim.empty() && !run->draining &&
        now - run->attended > config_.grace)
      lost.push_back(id);
  for (uint64_t id : lost) {
    events_->add("run-unattended", "run " + std::to_string(id),
                 "nothing heard of " + runs_->by_id(id)->stored.host + " for " +
                     std::to_string(config_.grace / base::kSecond) + " s");
    runs_->finish(id);
  }
  std::vector<uint64_t> over;
  for (const auto& [run, door] : doors_)
    if (runs_->by_id(run) == nullptr || (door.away != nullptr && door.away->ended()))
      over.push_back(run);
  for (uint64_t run : over) drop_door(run);
  std::erase_if(ending_, [](const auto& door) { return door->ended(); });
  if (now - renewed_ >= config_.lease / 3) renew();
  loop_->at(now + base::kSecond, [this] { tick(); });
}

void Sessions::renew() {
  renewed_ = base::monotonic_now();
  for (const auto& [name, session] : sessions_) {
    Run* run = runs_->by_id(session.run);
    if (session.host.empty() || run == nullptr) continue;
    auto lease = make_lease(*run, name);
    base::Status told =
        lease.ok() ? remote::tell_worker(socket_of(name), remote::WorkerWord::kLease, *lease)
                   : base::Status(lease.error());
    if (!told.ok())
      base::log(Level::kWarn, "sessions", "lease not renewed", {{"why", told.error().message}});
  }
}

}  // namespace flexai::agent
