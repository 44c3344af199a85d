#include "limit/tenant.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/futex.h"
#include "base/log.h"
#include "limit/pacer.h"

namespace flexai::limit {

using base::Code;
using base::fail;
using base::Fd;
using base::Mapping;
using base::MutexLock;

namespace {

template <size_t N>
void copy_text(char (&out)[N], const std::string& text) {
  memset(out, 0, N);
  text.copy(out, N - 1);
}

AttachRequest make_request(const Tenant::Origin& origin) {
  AttachRequest request{};
  request.magic = kAttachMagic;
  request.version = kAttachVersion;
  copy_text(request.grant, origin.grant);
  copy_text(request.api, origin.api);
  return request;
}

}  // namespace

base::Result<std::vector<std::unique_ptr<Tenant>>> Tenant::attach_all(const Origin& origin) {
  Fd connection;
  FLEXAI_TRY_ASSIGN(auto attached,
                    attach_when_back(origin.socket, make_request(origin), &connection));
  std::vector<std::unique_ptr<Tenant>> tenants;
  for (Attached& one : attached) {
    std::unique_ptr<Tenant> tenant(new Tenant());
    tenant->name_ = one.about.name;
    tenant->card_key_ = one.about.card_key;
    tenant->slice_id_ = one.about.slice_id;
    tenant->copy_engine_ = one.about.copy_engine != 0;
    tenant->origin_ = origin;
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return base::fail_errno("mmap");
    // A kernel without WIPEONFORK (before 4.14) would let a forked child use its parent's lease.
    if (::madvise(page, 4096, MADV_WIPEONFORK) != 0)
      return base::fail_errno("madvise(MADV_WIPEONFORK)");
    tenant->wiped_ = static_cast<WipedOnFork*>(page);
    tenant->wiped_->alive = 1;
    FLEXAI_TRY(tenant->adopt(std::move(one)));
    {
      MutexLock lock(tenant->link_mutex_);
      FLEXAI_TRY_ASSIGN(tenant->connection_, connection.duplicate());
    }
    tenants.push_back(std::move(tenant));
  }
  for (auto& tenant : tenants) tenant->start_pacer();
  return tenants;
}

base::Status Tenant::adopt(Attached attached) {
  FLEXAI_TRY_ASSIGN(Mapping control,
                    Mapping::map(attached.control.get(), kControlBytes, Mapping::Access::kRead));
  FLEXAI_TRY_ASSIGN(Mapping pages,
                    Mapping::map(attached.pages.get(), kTenantBytes, Mapping::Access::kReadWrite));
  const auto* c = control.as<const ControlPage>();
  auto* p = pages.as<TenantPages>();
  if (c->magic != kControlMagic || c->version != kLayoutVersion || p->magic != kTenantMagic ||
      p->version != kLayoutVersion || c->slice_id != slice_id_ || p->slice_id != slice_id_ ||
      attached.about.slot >= kMaxSlots)
    return fail(Code::kUnsupported,
                "shared memory of slice " + name_ +
                    " has another layout; install the same release of agent and layer");
  Ledger* ledger = new Ledger(c, p, attached.about.slot);
  MutexLock lock(link_mutex_);
  // Mappings and the old ledger stay: other threads may be using them at this moment.
  new Mapping(std::move(control));
  new Mapping(std::move(pages));
  control_ = c;
  pages_ = p;
  slot_ = attached.about.slot;
  ledger_ = ledger;
  previous_doorbell_ = std::move(doorbell_fd_);
  doorbell_fd_ = std::move(attached.doorbell);
  doorbell_ = doorbell_fd_.get();
  wiped_->open_word = 0;
  return {};
}

base::Status Tenant::attach_again(bool fresh_process) {
  AttachRequest request = make_request(origin_);
  if (!fresh_process) {
    request.known = 1;
    request.slots[0].slice_id = slice_id_;
    request.slots[0].slot = slot_.load();
  }
  Fd connection;
  FLEXAI_TRY_ASSIGN(auto attached, attach(origin_.socket, request, &connection));
  for (Attached& one : attached) {
    if (one.about.slice_id != slice_id_) continue;
    FLEXAI_TRY(adopt(std::move(one)));
    MutexLock lock(link_mutex_);
    connection_ = std::move(connection);
    return {};
  }
  return fail(Code::kNotFound, "slice " + name_ + " is gone");
}

// Runs in the child's first submission. Only that thread exists, but it may have been forked while
// another one held a lock of ours, so the locks are made anew.
void Tenant::after_fork() {
  new (&mutex_) base::Mutex();
  new (&link_mutex_) base::Mutex();
  new (&gates_) std::deque<Gate>();
  outstanding_ = 0;
  unsettled_ = 0;
  waiters_ = 0;
  room_waiters_ = 0;
  wiped_->alive = 1;
  if (auto status = attach_again(/*fresh_process=*/true); !status.ok())
    base::log(base::Level::kError, "tenant", "a forked process could not attach",
              {{"slice", name_}, {"error", status.error().message}});
  start_pacer();
}

void Tenant::start_pacer() {
  kick_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  pacer_asleep_ = false;
  Pacer::start(this);
}

void Tenant::wake_pacer() {
  if (!pacer_asleep_.load(std::memory_order_acquire)) return;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(kick_.get(), &one, sizeof one);
}

void Tenant::call_pacer() {
  called_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&called_, 1);
}

void Tenant::ring() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(doorbell_.load(), &one, sizeof one);
}

bool Tenant::connection_lost() {
  MutexLock lock(link_mutex_);
  if (!connection_.valid()) return true;
  pollfd p{connection_.get(), POLLIN, 0};
  if (::poll(&p, 1, 0) <= 0) return false;
  connection_.reset();  // the agent never sends anything more: readable means closed
  return true;
}

void Tenant::settle(Nanos predicted, Nanos measured, uint32_t count) {
  Slot* s = slot();
  Nanos now = base::monotonic_now();
  s->busy_ns.fetch_add(std::max<Nanos>(measured, 0), std::memory_order_relaxed);
  if (alone_.load(std::memory_order_relaxed)) {
    // While the arbiter is silent nobody else settles the difference. As the arbiter would, this
    // charges the time the card was occupied, which the kernels' own times do not quite fill.
    Nanos since = s->busy_since_ns.load(std::memory_order_relaxed);
    Nanos occupied = since > 0 ? std::max(measured, now - since) : measured;
    MutexLock lock(mutex_);
    self_credit_ -= occupied - predicted;
  }
  Nanos left = outstanding_.fetch_sub(predicted, std::memory_order_relaxed) - predicted;
  unsettled_.fetch_sub(count, std::memory_order_relaxed);
  mark_.store(now, std::memory_order_relaxed);
  // The reader adds the present stretch to what is settled, so the stretch starts anew with each
  // settlement.
  s->busy_since_ns.store(left > 0 ? now : 0, std::memory_order_relaxed);
  if (left <= 0) s->idle_since_ns.store(now, std::memory_order_relaxed);
  if (exact()) {
    Nanos began = began_.load(std::memory_order_relaxed);
    if (began != 0 && began_.exchange(0, std::memory_order_relaxed) != 0)
      s->started_ns.store(std::max(began, now - measured), std::memory_order_relaxed);
    s->est_end_ns.store(now + std::max<Nanos>(left, 0), std::memory_order_relaxed);
    if (left <= 0) {
      s->in_flight.store(0, std::memory_order_release);
      tell_idle(now);
    }
  }
  wake_room_waiters(now, left);
}

}  // namespace flexai::limit
