#include "agent/attachments.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "limit/ledger.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::Fd;
using base::Level;

constexpr size_t kMaxWaiting = 256;

// A new owner wants nothing yet. Counters of use go on over a slot's processes, and so do the
// ledger's sequences: reap() has left them settled.
void clear_demand(limit::Slot* slot) {
  slot->waiting = 0;
  slot->in_flight = 0;
  slot->busy_since_ns = 0;
  slot->est_end_ns = 0;
  slot->idle_since_ns = 0;
  slot->beat_ns = 0;
}

template <size_t N>
void copy_text(const std::string& text, char (&into)[N]) {
  size_t n = text.copy(into, N - 1);
  into[n] = 0;
}

}  // namespace

Attachments::~Attachments() {
  if (listener_.valid()) loop_->unwatch(listener_.get());
}

base::Status Attachments::serve(Fd listener) {
  listener_ = std::move(listener);
  return loop_->watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept_one(); });
}

void Attachments::accept_one() {
  Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.valid()) {
    if (errno == EMFILE || errno == ENFILE)
      base::log(Level::kError, "attach", "out of descriptors; raise LimitNOFILE");
    return;
  }
  if (waiting_.size() >= kMaxWaiting)
    return;  // closed: a crowd that never asks shuts nobody out long
  int key = connection.get();
  auto& waiting = waiting_[key];
  waiting.fd = std::move(connection);
  waiting.timer = loop_->at(base::monotonic_now() + base::kSecond, [this, key] {
    loop_->unwatch(key);
    waiting_.erase(key);
  });
  base::Status watched =
      loop_->watch(key, EPOLLIN | EPOLLRDHUP, [this, key](uint32_t) { handle(key); });
  if (!watched.ok()) waiting_.erase(key);
}

void Attachments::handle(int key) {
  auto it = waiting_.find(key);
  if (it == waiting_.end()) return;
  Fd connection = std::move(it->second.fd);
  loop_->cancel(it->second.timer);
  loop_->unwatch(key);
  waiting_.erase(it);
  base::Status status = attach(&connection);
  if (status.ok()) return;
  base::log(Level::kWarn, "attach", "refused", {{"why", status.error().message}});
  if (connection.valid()) {
    [[maybe_unused]] auto sent = limit::send_attach_refusal(connection.get(), status.error());
  }
}

base::Result<Run*> Attachments::check_grant(const limit::AttachRequest& request, const Peer& peer) {
  Run* run = runs_->by_grant(request.grant);
  if (run == nullptr)
    return fail(Code::kDenied,
                "this grant is not known or its run is over; start the program with `flexai run`");
  const bool worker = is_worker && is_worker(peer.pid, run->stored.id);
  if (peer.uid != run->stored.uid && peer.uid != 0 && !worker)
    return fail(Code::kDenied, "this grant was made for uid " + std::to_string(run->stored.uid) +
                                   ", the program runs as uid " + std::to_string(peer.uid));
  return run;
}

base::Result<std::vector<SliceEntry*>> Attachments::slices_for(const limit::AttachRequest& request,
                                                               const Run& run) {
  std::vector<SliceEntry*> entries;
  for (uint64_t id : run.stored.slices) {
    SliceEntry* entry = slices_->by_id(id);
    if (entry == nullptr) return fail(Code::kNotFound, "a slice of this run has been deleted");
    if (!entry->trouble.empty())
      return fail(Code::kUnavailable, "slice " + entry->slice.name + ": " + entry->trouble);
    if (slices_->card_of(*entry)->device.api == request.api) entries.push_back(entry);
  }
  return entries;
}

base::Result<Attachments::Process*> Attachments::process_of(Peer* peer) {
  auto it = processes_.find(peer->pid);
  if (it != processes_.end() && it->second.start != peer->start) {
    process_ended(peer->pid);  // the pid was given to another process before we heard of the end
    it = processes_.end();
  }
  if (it == processes_.end()) {
    pid_t pid = peer->pid;
    Process process;
    process.start = peer->start;
    process.pidfd = std::move(peer->pidfd);
    FLEXAI_TRY(
        loop_->watch(process.pidfd.get(), EPOLLIN, [this, pid](uint32_t) { process_ended(pid); }));
    it = processes_.emplace(pid, std::move(process)).first;
  }
  return &it->second;
}

base::Status Attachments::attach(Fd* connection) {
  FLEXAI_TRY_ASSIGN(auto request, limit::read_attach_request(connection->get()));
  FLEXAI_TRY_ASSIGN(Peer peer, peer_of(connection->get()));
  const pid_t pid = peer.pid;
  FLEXAI_TRY_ASSIGN(Run * run, check_grant(request, peer));
  FLEXAI_TRY_ASSIGN(auto entries, slices_for(request, *run));
  const uint64_t start = peer.start;
  FLEXAI_TRY_ASSIGN(Process * process, process_of(&peer));
  peer.pid = pid;
  peer.start = start;

  auto made = std::make_unique<Connection>();
  made->run = run->stored.id;
  run->attached += 1;
  std::vector<limit::Attached> answer;
  base::Status status;
  // Slots the process names are taken over before what is stale is reaped.
  std::map<uint64_t, uint32_t> known;
  for (uint32_t i = 0; i < request.known; ++i) {
    const auto& slot = request.slots[i];
    if (slot.slot < limit::kMaxSlots && take_over(process, slot.slice_id, slot.slot))
      known[slot.slice_id] = slot.slot;
  }
  drop_stale(process, pid);
  for (SliceEntry* entry : entries) {
    auto it = known.find(entry->id);
    auto slot = take_slot(entry, peer, it == known.end() ? limit::kMaxSlots : it->second);
    if (!slot.ok()) {
      status = slot.error();
      break;
    }
    if (it != known.end()) known.erase(it);
    made->slots.push_back(SlotRef{entry->id, *slot});
    limit::Attached attached{};
    attached.about.slice_id = entry->id;
    attached.about.slot = *slot;
    const model::Device& device = slices_->card_of(*entry)->device;
    attached.about.copy_engine = device.copy_engine ? 1 : 0;
    copy_text(entry->slice.name, attached.about.name);
    copy_text(device.key, attached.about.card_key);
    for (auto [from, to] :
         {std::pair(&entry->control, &attached.control), std::pair(&entry->pages, &attached.pages),
          std::pair(&entry->doorbell, &attached.doorbell)}) {
      auto copy = from->duplicate();
      if (copy.ok())
        *to = std::move(*copy);
      else
        status = copy.error();
    }
    answer.push_back(std::move(attached));
  }
  for (const auto& [slice, slot] : known) reap_slot(SlotRef{slice, slot}, pid);
  if (status.ok()) status = limit::send_attached(connection->get(), answer);
  Connection* placed = made.get();
  process->connections.push_back(std::move(made));
  if (!status.ok()) {
    release(placed, pid);
    return status;
  }
  placed->fd = std::move(*connection);
  placed->open = true;
  status = loop_->watch(placed->fd.get(), EPOLLIN | EPOLLRDHUP,
                        [this, pid, placed](uint32_t) { connection_ended(pid, placed); });
  std::string names;
  for (SliceEntry* entry : entries) names += (names.empty() ? "" : " ") + entry->slice.name;
  events_->add("attached", names,
               command_of(pid) + " (pid " + std::to_string(pid) + ", " + request.api + ") of run " +
                   std::to_string(run->stored.id));
  return {};
}

bool Attachments::take_over(Process* process, uint64_t slice, uint32_t slot) {
  for (auto& connection : process->connections) {
    if (connection->open) continue;  // still in use by whoever attached over it
    for (auto ref = connection->slots.begin(); ref != connection->slots.end(); ++ref) {
      if (ref->slice != slice || ref->slot != slot) continue;
      connection->slots.erase(ref);
      return true;
    }
  }
  return false;
}

// What connections that have ended left behind belongs to a program this process is no longer.
void Attachments::drop_stale(Process* process, pid_t pid) {
  std::vector<Connection*> stale;
  for (auto& connection : process->connections) {
    char byte;
    if (connection->open && ::recv(connection->fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
      connection_ended(pid, connection.get());
    if (!connection->open) stale.push_back(connection.get());
  }
  for (Connection* connection : stale) release(connection, pid);
}

base::Result<uint32_t> Attachments::take_slot(SliceEntry* entry, const Peer& peer, uint32_t known) {
  limit::TenantPages* pages = entry->tenant();
  const uint64_t owner = owner_word(peer.pid, peer.start);
  if (known < limit::kMaxSlots && pages->owners[known] == owner) return known;
  for (uint32_t i = 0; i < limit::kMaxSlots; ++i) {
    if (pages->owners[i] != 0) continue;
    clear_demand(&pages->slots[i]);
    pages->owners[i] = owner;
    slices_->slots_changed(*entry);
    return i;
  }
  return fail(Code::kExhausted, "slice " + entry->slice.name +
                                    " has 128 processes already; "
                                    "use a second slice");
}

void Attachments::connection_ended(pid_t, Connection* connection) {
  if (!connection->open) return;
  loop_->unwatch(connection->fd.get());
  connection->fd.reset();
  connection->open = false;
}

void Attachments::release(Connection* connection, pid_t pid) {
  auto it = processes_.find(pid);
  if (connection->open) loop_->unwatch(connection->fd.get());
  for (const SlotRef& ref : connection->slots) reap_slot(ref, pid);
  if (Run* run = runs_->by_id(connection->run)) run->attached -= run->attached > 0 ? 1 : 0;
  auto& list = it->second.connections;
  list.erase(
      std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.get() == connection; }));
}

void Attachments::process_ended(pid_t pid) {
  auto it = processes_.find(pid);
  if (it == processes_.end()) return;
  loop_->unwatch(it->second.pidfd.get());
  while (!it->second.connections.empty()) release(it->second.connections.back().get(), pid);
  processes_.erase(it);
  runs_->sweep();
}

void Attachments::reap_slot(const SlotRef& ref, pid_t pid) {
  SliceEntry* entry = slices_->by_id(ref.slice);
  if (entry == nullptr) return;
  slices_->slots_changed(*entry);  // lets the arbiter settle what the slot did before it is cleared
  uint64_t bytes = limit::reap(entry->tenant(), ref.slot);
  slices_->slots_changed(*entry);
  events_->add(
      "detached", entry->slice.name,
      "pid " + std::to_string(pid) + " is gone, " + std::to_string(bytes) + " bytes returned");
}

bool Attachments::attached(pid_t pid) const {
  auto it = processes_.find(pid);
  if (it == processes_.end()) return false;
  for (const auto& connection : it->second.connections)
    if (connection->open || base::monotonic_now() < connection->grace) return true;
  return false;
}

void Attachments::check_ended() {
  std::vector<pid_t> ended;
  for (const auto& [pid, process] : processes_)
    if (has_ended(process.pidfd.get())) ended.push_back(pid);
  for (pid_t pid : ended) process_ended(pid);
}

std::vector<pid_t> Attachments::of_slice(uint64_t slice) const {
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : processes_)
    for (const auto& connection : process.connections)
      for (const SlotRef& ref : connection->slots)
        if (ref.slice == slice && (pids.empty() || pids.back() != pid)) pids.push_back(pid);
  return pids;
}

void Attachments::adopt(SliceEntry* entry, uint32_t slot, uint64_t owner) {
  const SlotRef ref{entry->id, slot};
  if (auto peer = living_owner(owner)) {
    auto process = process_of(&*peer);
    if (process.ok()) {
      auto connection = std::make_unique<Connection>();
      connection->slots.push_back(ref);
      connection->grace = base::monotonic_now() + kGrace;
      for (auto& [id, run] : runs_->all())
        if (std::count(run->stored.slices.begin(), run->stored.slices.end(), entry->id) != 0)
          connection->run = id;
      if (Run* run = runs_->by_id(connection->run)) run->attached += 1;
      (*process)->connections.push_back(std::move(connection));
      return;
    }
  }
  reap_slot(ref, static_cast<pid_t>(owner & 0x7fffffff));
}

void Attachments::restore() {
  for (const auto& [id, entry] : slices_->all()) {
    if (!entry->pages.valid()) continue;
    for (uint32_t slot = 0; slot < limit::kMaxSlots; ++slot) {
      uint64_t owner = entry->tenant()->owners[slot];
      if (owner != 0) adopt(entry.get(), slot, owner);
    }
  }
}

}  // namespace flexai::agent
