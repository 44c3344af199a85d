#include "agent/card_arbiter.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "agent/demand_reader.h"
#include "agent/thread_rank.h"
#include "agent/use_ring.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/mutex.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::Fd;
using base::kMicrosecond;
using base::kMillisecond;
using base::Nanos;

constexpr Nanos kBeat = 8 * kMillisecond;         // silence is taken for death after 20 ms
constexpr Nanos kRingGap = 100 * kMicrosecond;    // between two looks at one doorbell
constexpr Nanos kIdleRingGap = 1 * kMillisecond;  // after a ring without cause

constexpr uint64_t kWakeKey = 0;  // slice ids are kept apart by an offset
constexpr uint64_t kFirstSliceKey = 1;

base::Status watch(int epoll, int op, int fd, uint32_t events, uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll, op, fd, &event) != 0) return base::fail_errno("epoll_ctl");
  return {};
}

// Empties a doorbell without ever blocking: a tenant shares the file description and may have
// cleared O_NONBLOCK, or have emptied it itself just now.
void empty_doorbell(int fd) {
  uint64_t count = 0;
  iovec io{&count, sizeof count};
  [[maybe_unused]] ssize_t n = ::preadv2(fd, &io, 1, -1, RWF_NOWAIT);
}

}  // namespace

// The pages of a slice, and how many of its slots were ever in use.
struct InUse {
  std::shared_ptr<SliceRuntime> runtime;
  uint32_t slots;
};

class CardArbiter::Core {
 public:
  explicit Core(Options options) : options_(std::move(options)), arbiter_(options_.config) {}

  base::Status open();
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop();

  void post(std::function<void()> task);
  template <typename T>
  T call(std::function<T()> task);

  base::Status add(SliceRuntime runtime, const limit::Terms& terms, uint64_t memory_limit);
  base::Status set_terms(uint64_t id, const limit::Terms& terms, uint64_t memory_limit);
  base::Status remove(uint64_t id);
  void find_owners(uint64_t id);
  // The thread's part of a snapshot; the pages are read by the caller.
  CardUse uses(std::vector<InUse>* in_use);

 private:
  struct Slice {
    std::shared_ptr<SliceRuntime> runtime;
    limit::Terms terms;
    DemandReader reader;
    UseRing ring;
    limit::Demand demand;
    Nanos charged = 0;
    Nanos rung = 0;         // when its doorbell was last heard
    Nanos muted_until = 0;  // 0 = its doorbell is watched
    uint64_t sequence = 0;

    limit::ControlPage* control() const { return runtime->control.as<limit::ControlPage>(); }
  };

  void run();
  void wait(Nanos until);
  void run_posted();
  void on_ring(Slice* slice, Nanos now);
  void unmute(Nanos now);
  Nanos pass(Nanos now);
  void publish(const limit::Publication& publication);
  void write_word(Slice* slice, uint64_t flags, uint64_t end_us);
  void note_use(Slice* slice, Nanos now);
  void write_bounds();
  void write_limits(Slice* slice, uint64_t memory_limit);

  Options options_;
  Fd epoll_, wake_;
  std::thread thread_;
  base::Mutex mutex_;
  std::vector<std::function<void()>> posted_ FLEXAI_GUARDED_BY(mutex_);
  bool stopping_ FLEXAI_GUARDED_BY(mutex_) = false;

  // The thread's own.
  limit::Arbiter arbiter_;
  std::map<uint64_t, Slice> slices_;
  std::map<uint64_t, uint64_t> keys_;  // epoll key -> slice
  uint64_t next_key_ = kFirstSliceKey;
  std::map<uint64_t, uint64_t> key_of_;
  std::set<uint64_t> active_;
  std::set<uint64_t> muted_;
  std::map<uint64_t, limit::Demand> demand_;
  uint64_t steps_ = 0;
  std::string scheduling_;
};

base::Status CardArbiter::Core::open() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid())
    return base::fail_errno("arbiter of card " + options_.card);
  FLEXAI_TRY(watch(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN, kWakeKey));
  return {};
}

void CardArbiter::Core::stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
  for (auto& [id, slice] : slices_) write_word(&slice, 0, 0);
}

void CardArbiter::Core::post(std::function<void()> task) {
  {
    base::MutexLock lock(mutex_);
    posted_.push_back(std::move(task));
  }
  ::eventfd_write(wake_.get(), 1);
}

template <typename T>
T CardArbiter::Core::call(std::function<T()> task) {
  std::promise<T> answer;
  auto future = answer.get_future();
  post([&answer, &task] { answer.set_value(task()); });
  return future.get();
}

base::Status CardArbiter::Core::add(SliceRuntime runtime, const limit::Terms& terms,
                                    uint64_t memory_limit) {
  uint64_t id = runtime.id;
  if (runtime.control.size() < limit::kControlBytes || runtime.pages.size() < limit::kTenantBytes)
    return fail(Code::kInvalid, "slice " + runtime.name + " came with too short shared pages");
  if (slices_.count(id) != 0)
    return fail(Code::kConflict, "slice " + runtime.name + " is already on this card");
  Nanos now = base::monotonic_now();
  uint64_t key = next_key_++;
  FLEXAI_TRY(watch(epoll_.get(), EPOLL_CTL_ADD, runtime.doorbell.get(), EPOLLIN, key));
  auto shared = std::make_shared<SliceRuntime>(std::move(runtime));
  const auto* pages = shared->pages.as<limit::TenantPages>();
  Slice slice{shared, terms, DemandReader(pages, options_.config.silent, now), {}, {}};
  // Words of an earlier incarnation's sequence do not matter: the page is fresh.
  auto [it, inserted] = slices_.emplace(id, std::move(slice));
  keys_[key] = id;
  key_of_[id] = key;
  arbiter_.set_terms(id, terms, now);
  write_limits(&it->second, memory_limit);
  write_bounds();
  active_.insert(id);  // its processes may have been waiting for the agent to come back
  return {};
}

base::Status CardArbiter::Core::set_terms(uint64_t id, const limit::Terms& terms,
                                          uint64_t memory_limit) {
  auto it = slices_.find(id);
  if (it == slices_.end()) return fail(Code::kNotFound, "no such slice on this card");
  it->second.terms = terms;
  arbiter_.set_terms(id, terms, base::monotonic_now());
  write_limits(&it->second, memory_limit);
  write_bounds();
  return {};
}

base::Status CardArbiter::Core::remove(uint64_t id) {
  auto it = slices_.find(id);
  if (it == slices_.end()) return fail(Code::kNotFound, "no such slice on this card");
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.runtime->doorbell.get(), nullptr);
  write_word(&it->second, 0, 0);
  arbiter_.remove(id, base::monotonic_now());
  keys_.erase(key_of_[id]);
  key_of_.erase(id);
  active_.erase(id);
  muted_.erase(id);
  slices_.erase(it);
  write_bounds();
  return {};
}

void CardArbiter::Core::find_owners(uint64_t id) {
  auto it = slices_.find(id);
  if (it == slices_.end()) return;
  it->second.reader.find_owners();
  write_bounds();
  active_.insert(id);
}

void CardArbiter::Core::write_limits(Slice* slice, uint64_t memory_limit) {
  limit::ControlPage* control = slice->control();
  const limit::Terms& terms = slice->terms;
  control->memory_limit.store(memory_limit, std::memory_order_release);
  // What it may use by itself should the agent fall silent: of a paused slice nothing.
  control->share_milli.store(terms.paused ? 0 : terms.share_milli, std::memory_order_relaxed);
  control->ceiling_milli.store(terms.ceiling_milli, std::memory_order_relaxed);
  control->qos.store(static_cast<uint32_t>(terms.qos), std::memory_order_relaxed);
  control->priority.store(static_cast<uint32_t>(terms.priority), std::memory_order_relaxed);
}

// Whenever slices, their terms or their processes change: a process is here before its first
// request, so even that finds the bounds set for it.
void CardArbiter::Core::write_bounds() {
  size_t attached = 0;
  model::Priority highest = model::Priority::kLow;
  for (auto& [id, slice] : slices_) {
    if (!slice.reader.attached()) continue;
    ++attached;
    highest = std::max(highest, slice.terms.priority);
  }
  for (auto& [id, slice] : slices_) {
    size_t others = attached - (slice.reader.attached() ? 1 : 0);
    Nanos bound = others == 0                      ? options_.in_flight_alone
                  : highest > slice.terms.priority ? options_.in_flight
                                                   : options_.in_flight_among_equals;
    slice.control()->in_flight_bound_ns.store(bound, std::memory_order_relaxed);
  }
}

// --- the thread ----------------------------------------------------------------------------------

void CardArbiter::Core::run() {
  ::pthread_setname_np(::pthread_self(), ("arb-" + options_.card).substr(0, 15).c_str());
  scheduling_ = raise_thread_rank();
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      if (stopping_) return;
    }
    run_posted();
    Nanos now = base::monotonic_now();
    unmute(now);
    wait(pass(now));
  }
}

void CardArbiter::Core::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    base::MutexLock lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

// Sleeps until something rings, is posted, or `until` (0 = no limit), and takes the rings in.
void CardArbiter::Core::wait(Nanos until) {
  Nanos left = until == 0 ? 0 : std::max<Nanos>(until - base::monotonic_now(), 0);
  timespec timeout{left / base::kSecond, left % base::kSecond};
  epoll_event events[64];
  int n = ::epoll_pwait2(epoll_.get(), events, 64, until == 0 ? nullptr : &timeout, nullptr);
  if (n < 0 && errno == ENOSYS)  // before Linux 5.11: whole milliseconds
    n = ::epoll_wait(epoll_.get(), events, 64,
                     until == 0 ? -1 : static_cast<int>(left / kMillisecond + 1));
  Nanos now = base::monotonic_now();
  for (int i = 0; i < n; ++i) {
    uint64_t key = events[i].data.u64;
    if (key == kWakeKey) {
      uint64_t count = 0;
      [[maybe_unused]] ssize_t got = ::read(wake_.get(), &count, sizeof count);
      continue;
    }
    auto it = keys_.find(key);
    if (it != keys_.end()) on_ring(&slices_.at(it->second), now);
  }
}

void CardArbiter::Core::on_ring(Slice* slice, Nanos now) {
  uint64_t id = slice->runtime->id;
  int doorbell = slice->runtime->doorbell.get();
  empty_doorbell(doorbell);
  slice->reader.find_owners();
  slice->reader.read(now);
  bool wants = slice->reader.stirring();
  if (wants) active_.insert(id);
  // However fast it is rung, it is looked at once per gap.
  Nanos gap = wants ? kRingGap : kIdleRingGap;
  bool fast = now - slice->rung < gap;
  slice->rung = now;
  if (fast && watch(epoll_.get(), EPOLL_CTL_MOD, doorbell, 0, key_of_[id]).ok()) {
    slice->muted_until = now + gap;
    muted_.insert(id);
  }
}

void CardArbiter::Core::unmute(Nanos now) {
  for (auto it = muted_.begin(); it != muted_.end();) {
    Slice& slice = slices_.at(*it);
    if (slice.muted_until > now) {
      ++it;
      continue;
    }
    slice.muted_until = 0;
    (void)watch(epoll_.get(), EPOLL_CTL_MOD, slice.runtime->doorbell.get(), EPOLLIN, key_of_[*it]);
    it = muted_.erase(it);
  }
}

// One look at everything that is active. Returns when to look again, 0 = when something rings.
Nanos CardArbiter::Core::pass(Nanos now) {
  Nanos next = 0;
  auto consider = [&](Nanos when) { next = next == 0 ? when : std::min(next, when); };
  if (!active_.empty()) {
    demand_.clear();
    for (uint64_t id : active_) demand_[id] = slices_.at(id).reader.read(now);
    limit::Decision decision = arbiter_.step(now, demand_);
    ++steps_;
    for (uint64_t id : active_)
      slices_.at(id).control()->heartbeat_ns.store(now, std::memory_order_release);
    for (const limit::Publication& p : decision.publish) publish(p);
    for (auto it = active_.begin(); it != active_.end();) {
      Slice& slice = slices_.at(*it);
      slice.demand = demand_[*it];
      note_use(&slice, now);
      bool stays = slice.reader.stirring() || arbiter_.holder() == *it;
      it = stays ? std::next(it) : active_.erase(it);
    }
    if (decision.next != 0) consider(decision.next);
    if (!active_.empty()) consider(now + kBeat);
  }
  for (uint64_t id : muted_) consider(slices_.at(id).muted_until);
  return next;
}

void CardArbiter::Core::note_use(Slice* slice, Nanos now) {
  Nanos charged = arbiter_.use(slice->runtime->id).charged;
  slice->ring.add(now, charged - slice->charged);
  slice->charged = charged;
}

void CardArbiter::Core::publish(const limit::Publication& p) {
  auto it = slices_.find(p.tenant);
  if (it == slices_.end()) return;
  uint64_t flags = (p.granted ? limit::lease::kGranted : 0) |
                   (p.contended ? limit::lease::kContended : 0) |
                   (p.tracked ? limit::lease::kTracked : 0);
  Nanos end = std::max<Nanos>(p.end - it->second.control()->epoch_ns, 0);
  write_word(&it->second, p.granted ? flags : 0, static_cast<uint64_t>(end / kMicrosecond));
}

void CardArbiter::Core::write_word(Slice* slice, uint64_t flags, uint64_t end_us) {
  limit::ControlPage* control = slice->control();
  uint64_t word = limit::lease::pack(++slice->sequence, flags, end_us);
  control->lease.store(word, std::memory_order_seq_cst);
  base::futex_wake(control->futex_word(), INT_MAX);
}

CardUse CardArbiter::Core::uses(std::vector<InUse>* in_use) {
  CardUse card;
  Nanos now = base::monotonic_now();
  card.steps = steps_;
  card.scheduling = scheduling_;
  for (auto& [id, slice] : slices_) {
    SliceUse use;
    use.id = id;
    use.name = slice.runtime->name;
    use.terms = slice.terms;
    use.use = arbiter_.use(id);
    use.holder = arbiter_.holder() == id;
    use.waiting = slice.demand.waiting;
    use.in_flight = slice.demand.in_flight;
    use.got_1s = slice.ring.part(now, 1);
    use.got_10s = slice.ring.part(now, 10);
    card.got_1s += use.got_1s;
    card.got_10s += use.got_10s;
    card.slices.push_back(std::move(use));
    in_use->push_back({slice.runtime, slice.reader.reach()});
  }
  return card;
}

// --- the handle ----------------------------------------------------------------------------------

namespace {

// The tenants' own words about themselves.
void read_pages(const InUse& in_use, SliceUse* use) {
  const SliceRuntime& runtime = *in_use.runtime;
  const auto* pages = runtime.pages.as<limit::TenantPages>();
  use->memory_used = __atomic_load_n(&pages->total.bytes, __ATOMIC_RELAXED);
  use->memory_peak = pages->peak_bytes.load(std::memory_order_relaxed);
  use->memory_limit =
      runtime.control.as<limit::ControlPage>()->memory_limit.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < in_use.slots; ++i) {
    const limit::Slot& slot = pages->slots[i];
    if (pages->owners[i].load(std::memory_order_relaxed) != 0) ++use->processes;
    use->launches += slot.launches.load(std::memory_order_relaxed);
    use->copies += slot.copies.load(std::memory_order_relaxed);
    auto sum = [](Nanos total, Nanos more) {
      return std::clamp<Nanos>(more, 0, INT64_MAX / 256) + total;
    };
    use->waited = sum(use->waited, slot.waited_ns.load(std::memory_order_relaxed));
    use->throttled = sum(use->throttled, slot.throttled_ns.load(std::memory_order_relaxed));
    use->refused_allocations += slot.refused_allocations.load(std::memory_order_relaxed);
  }
}

}  // namespace

CardArbiter::CardArbiter(std::unique_ptr<Core> core) : core_(std::move(core)) {}

base::Result<std::unique_ptr<CardArbiter>> CardArbiter::start(Options options) {
  auto core = std::make_unique<Core>(std::move(options));
  FLEXAI_TRY(core->open());
  core->start();
  return std::unique_ptr<CardArbiter>(new CardArbiter(std::move(core)));
}

CardArbiter::~CardArbiter() { core_->stop(); }

base::Status CardArbiter::add_slice(SliceRuntime slice, const limit::Terms& terms,
                                    uint64_t memory_limit) {
  return core_->call<base::Status>(
      [&] { return core_->add(std::move(slice), terms, memory_limit); });
}

base::Status CardArbiter::set_terms(uint64_t id, const limit::Terms& terms, uint64_t memory_limit) {
  return core_->call<base::Status>([&] { return core_->set_terms(id, terms, memory_limit); });
}

base::Status CardArbiter::remove_slice(uint64_t id) {
  return core_->call<base::Status>([&] { return core_->remove(id); });
}

void CardArbiter::slots_changed(uint64_t id) {
  Core* core = core_.get();
  core->post([core, id] { core->find_owners(id); });
}

CardUse CardArbiter::snapshot() {
  std::vector<InUse> in_use;
  CardUse card = core_->call<CardUse>([&] { return core_->uses(&in_use); });
  for (size_t i = 0; i < in_use.size(); ++i) read_pages(in_use[i], &card.slices[i]);
  return card;
}

}  // namespace flexai::agent
