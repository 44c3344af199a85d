#include "control/scheduler.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "control/watches.h"
#include "control/writes.h"
#include "kube/time_text.h"

namespace flexai::control {
namespace {

constexpr base::Nanos kGather = 2 * base::kMillisecond;     // facts that come together
constexpr base::Nanos kExplain = 300 * base::kMillisecond;  // between explanations
constexpr base::Nanos kQueues = base::kSecond;              // between writes of status
constexpr base::Nanos kPools = base::kSecond;               // between looks at pools
constexpr int kPoolsPart = 50;                              // of the time, one goes into that
constexpr base::Nanos kHours = 60 * base::kSecond;          // between those for the hours alone
constexpr int kMostRounds = 32;
constexpr int64_t kFirstAvoidance = 10'000;  // ms; doubled each time

std::string random_uuid() {
  unsigned char bytes[16];
  RAND_bytes(bytes, sizeof bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

Scheduler::Scheduler(kube::Client& client, base::Loop& loop, SchedulerOptions options)
    : client_(client),
      loop_(loop),
      options_(std::move(options)),
      world_(options_.world),
      binder_(client, loop, world_,
              {[this] { return leading(); },
               [this](const std::string& pod) {
                 ++figures_.scheduled;
                 reasons_.erase(pod);
                 time_from_seen(pod, &figures_.opened);
                 seen_.erase(pod);
               },
               [this](const std::string& pod) { time_from_seen(pod, &figures_.allocated); },
               [this](const std::string& pod, const std::string& why) {
                 ++figures_.errors;
                 base::log(base::Level::kWarn, "scheduler", "a place was not taken",
                           {{"pod", pod}, {"error", why}});
               },
               [this] { soon(); }}),
      reporter_(client, world_, options_.identity),
      ladder_(client, loop, world_,
              {[this] { return leading(); },
               [this](const PodPlace& place) { binder_.carry_out(place); }, [this] { soon(); },
               [this](const PodFacts& pod, const std::string& reason, const std::string& message) {
                 reporter_.say(pod, reason, message);
               }}) {}

Scheduler::~Scheduler() {
  if (timer_ != 0) loop_.cancel(timer_);
}

base::Status Scheduler::start() {
  watches_ = std::make_unique<Watches>(
      client_, loop_, world_,
      Watches::Handlers{
          [this](const std::string& key, const PodFacts* before, const PodFacts* now) {
            if (now == nullptr) {
              seen_.erase(key);
              reasons_.erase(key);
              stumbles_.erase(key);
            } else {
              learn(key, before, *now);
            }
          },
          [this](const ClaimFacts& before, const ClaimFacts& now) { taken_back(before, now); },
          [this](const std::string& key, const kube::Lease* now) {
            if (!watching_) return;
            const int64_t ncu =
                now == nullptr ? 0 : world_.ncu_of_card(now->spec.pool, now->spec.device);
            const base::Nanos when = base::monotonic_now();
            accounts_.lease(key, now, ncu, when, when);
          },
          [this] {
            queues_dirty_ = true;
            soon();
          },
          [this] { soon(); }});
  if (!options_.elect) return {};
  kube::ElectorOptions election;
  election.ns = options_.ns;
  election.name = "hi-scheduler";
  election.identity = options_.identity;
  kube::ElectorHandlers handlers;
  handlers.started = [this] {
    base::log(base::Level::kInfo, "scheduler", "leads");
    // One that has waited may not have seen the last that was written before it leads.
    if (watches_ != nullptr && watches_->synced()) watches_->catch_up();
    soon();
  };
  // A leader that lost its lease has writes under way that it cannot take back: it starts anew.
  handlers.stopped = [this] {
    base::log(base::Level::kWarn, "scheduler", "leads no more");
    ladder_.drop();
    accounts_.lead(false, base::monotonic_now());
    counting_ = false;
    for (const std::string& pod : world_.assumptions()) world_.forget(pod);
    world_.drop_unseen();
  };
  handlers.trouble = [](const kube::Failure& failure) {
    base::log(base::Level::kWarn, "scheduler", "the lead", {{"error", failure.message}});
  };
  FLEXAI_TRY_ASSIGN(elector_, kube::Elector::make(client_, loop_, election, std::move(handlers)));
  return {};
}

void Scheduler::stop(std::function<void()> done) {
  stopping_ = true;
  if (elector_ == nullptr) return done();
  elector_->release(std::move(done));
}

bool Scheduler::leading() const {
  if (stopping_) return false;
  return !options_.elect || (elector_ != nullptr && elector_->leading());
}

// First seen waiting: what pods are judged by.
void Scheduler::learn(const std::string& key, const PodFacts*, const PodFacts& now) {
  if (now.wants_cards() && now.wish->gated && now.wish->gates == 1)
    seen_.try_emplace(key, base::monotonic_now());
}

void Scheduler::time_from_seen(const std::string& pod, Histogram* to) {
  const auto seen = seen_.find(pod);
  if (seen != seen_.end()) to->add(static_cast<double>(base::monotonic_now() - seen->second) / 1e9);
}

// kube-scheduler has taken the claim of a pod back that it could not bind.
void Scheduler::taken_back(const ClaimFacts& before, const ClaimFacts& now) {
  if (!before.allocated || now.allocated || before.node.empty() || before.reserved.empty()) return;
  const std::string key = before.ns + "/" + before.reserved.front().name;
  const PodFacts* pod = world_.pod(key);
  if (pod == nullptr || pod->uid != before.reserved.front().uid || !pod->node.empty()) return;
  const int again = std::min(stumbles_[key]++, 5);
  world_.avoid(key, before.node, now_ms() + (kFirstAvoidance << again));
  base::log(base::Level::kInfo, "scheduler", "kube-scheduler could not bind a pod",
            {{"pod", key},
             {"node", before.node},
             {"reason", pod->wish == nullptr ? "" : pod->wish->message.substr(0, 300)}});
}

void Scheduler::soon() { at(base::monotonic_now() + kGather); }

void Scheduler::at(base::Nanos when) {
  if (timer_ != 0 && timer_at_ <= when) return;
  if (timer_ != 0) loop_.cancel(timer_);
  timer_at_ = when;
  timer_ = loop_.at(when, [this] {
    timer_ = 0;
    cycle();
  });
}

int64_t Scheduler::now_ms() const { return client_.server_clock().now_ms(); }

void Scheduler::look_at_clock() {
  const std::string warning =
      kube::clock_warning(client_.server_clock().ahead_ms(), &told_ahead_ms_);
  if (!warning.empty()) base::log(base::Level::kWarn, "scheduler", warning);
}

void Scheduler::cycle() {
  figures_.synced = watches_ != nullptr && watches_->synced();
  if (!figures_.synced || stopping_) return;
  look_at_clock();
  if (std::exchange(queues_dirty_, false)) take_queues();
  if (!watching_) begin_counting();
  if (leading() && !counting_) go_on_counting();
  world_.forget_misfits();
  for (int round = 0; round < kMostRounds && decide(); ++round) {
  }
  ladder_.look(base::monotonic_now());
  if (const base::Nanos next = ladder_.next(); next != 0) at(next);
  binder_.mend();
  if (leading()) binder_.requeue(world_.overdue());
  report();
  if (const int64_t next = world_.next_ms(); next != 0)
    at(base::monotonic_now() + std::max<int64_t>(1, next - now_ms()) * base::kMillisecond);
  if (world_.dirty()) soon();
}

bool Scheduler::decide() {
  if (!world_.refresh(now_ms())) return false;
  const base::Nanos began = base::monotonic_now();
  const bool explains = began - explained_ >= kExplain;
  sched::Plan plan =
      world_.planner()->decide(explains ? sched::Explain::kAll : sched::Explain::kNothing);
  ++figures_.plans;
  figures_.plan_ns += static_cast<uint64_t>(base::monotonic_now() - began);
  figures_.pending = plan.pending.size();
  if (!leading()) return false;
  if (carry_out(plan)) return true;
  if (explains) {
    explained_ = began;
    explain_all(plan);
  } else if (!plan.pending.empty() || !reasons_.empty()) {
    at(explained_ + kExplain);
  }
  return false;
}

bool Scheduler::carry_out(const sched::Plan& plan) {
  bool again = false;
  const auto name_of = [this](uint32_t workload) {
    return world_.planner()->snapshot().workloads[workload].name;
  };
  std::vector<std::pair<std::string, uint32_t>> passed;
  for (const sched::Verdict& v : plan.pending)
    if (v.passed > 0) passed.emplace_back(name_of(v.workload), v.passed);
  std::map<uint32_t, std::vector<const sched::Action*>> for_whom;
  for (const sched::Action& action : plan.actions)
    if (action.because != ~uint32_t{0}) for_whom[action.because].push_back(&action);
  for (const sched::Action& action : plan.actions) {
    if (action.because != ~uint32_t{0}) continue;  // comes with whom it is for
    const std::string unit = name_of(action.workload);
    if (action.act != sched::Act::kPlace) {
      ladder_.act(unit, action);
      continue;
    }
    std::vector<sched::Action> acts;
    std::vector<std::string> victims;
    for (const sched::Action* act : for_whom[action.workload]) {
      acts.push_back(*act);
      victims.push_back(name_of(act->workload));
    }
    if (!acts.empty())
      again = ladder_.make_way(unit, action, acts, victims, random_uuid) || again;
    else if (world_.suspended(unit))
      ladder_.resume(unit);
    else
      again = !start(unit, action) || again;
  }
  for (const auto& [unit, times] : passed) world_.passed(unit, times);
  return again;
}

bool Scheduler::start(const std::string& unit, const sched::Action& action) {
  auto settled = world_.settle(unit, action, random_uuid);
  if (!settled.ok()) {
    base::log(base::Level::kDebug, "scheduler", "tried elsewhere",
              {{"error", settled.error().message}});
    return false;
  }
  // All at once: the next one of the same plan must see them.
  for (const PodPlace& place : *settled) world_.assume(place);
  for (const PodPlace& place : *settled) binder_.carry_out(place);
  return true;
}

void Scheduler::explain_all(const sched::Plan& plan) {
  reasons_.clear();
  figures_.unschedulable += plan.pending.size();
  for (const sched::Verdict& v : plan.pending) {
    const model::Workload& work = world_.planner()->snapshot().workloads[v.workload];
    const std::string words = words_of(v, work, world_.nodes(), world_.obstacles(work.name));
    for (const std::string& pod : world_.pods_of(work.name)) reasons_[pod] = words;
  }
  for (auto& [pod, trouble] : world_.troubles()) reasons_[pod] = trouble;
  for (auto& [pod, whom] : ladder_.waiting()) reasons_[pod] = whom;
}

void Scheduler::report() {
  if (!leading()) return;
  const base::Nanos now = base::monotonic_now();
  for (auto& [pod, trouble] : world_.troubles()) reasons_[pod] = trouble;
  for (auto& [pod, whom] : ladder_.waiting()) reasons_[pod] = whom;
  // What is no trouble any more is seen at the next explanation.
  if (!reasons_.empty()) at(std::max(now + kGather, explained_ + kExplain));
  if (reporter_.tell(reasons_, now)) at(now + 200 * base::kMillisecond);
  write_queues();
  write_pools();
}

void Scheduler::take_queues() {
  std::vector<QueueFacts> all;
  for (const auto& [key, entry] : watches_->queues().store()) all.push_back(entry.value);
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.queue.name < b.queue.name; });
  std::map<std::string, std::string> wrong;
  std::vector<model::Queue> queues = sound(all, &wrong);
  if (queues == known_queues_ && wrong == world_.wrong_queues()) return;
  known_queues_ = queues;
  world_.queues(std::move(queues), std::move(wrong));
}

namespace {
// As a moment of this process's clock.
base::Nanos moment(const std::string& when, base::Nanos now) {
  const int64_t ms = kube::unix_ms_of(when);
  return ms <= 0 ? now : now - std::max<int64_t>(0, kube::unix_ms() - ms) * base::kMillisecond;
}
}  // namespace

// Whether it leads or not: who leads next must know what was used since the last word of this one.
void Scheduler::begin_counting() {
  watching_ = true;
  const base::Nanos now = base::monotonic_now();
  for (const auto& [key, lease] : world_.leases()) {
    const std::string& since = lease->status.since.empty() ? lease->created : lease->status.since;
    accounts_.lease(key, lease.get(), world_.ncu_of_card(lease->spec.pool, lease->spec.device),
                    moment(since, now), now);
  }
}

// Queues go on from what the one who led before has said of them last, and until when.
void Scheduler::go_on_counting() {
  counting_ = true;
  hours_.clear();
  written_status_.clear();
  accounts_.lead(true, base::monotonic_now());
}

Scheduler::Hours Scheduler::hours_of(const QueueFacts& queue, base::Nanos now) const {
  return {static_cast<double>(queue.ncu_hours), moment(queue.ncu_counted, now), queue.ncu_hours,
          queue.ncu_counted, now};
}

void Scheduler::write_queues() {
  const base::Nanos now = base::monotonic_now();
  if (watches_->queues().store().size() == 0) return;
  if (now - queues_written_ < kQueues) return at(queues_written_ + kQueues);
  queues_written_ = now;
  const auto use = world_.queue_use();
  const std::string clock = kube::now_text(true);
  at(now + kHours);
  for (const auto& [key, entry] : watches_->queues().store()) {
    const QueueFacts& facts = entry.value;
    const std::string& name = facts.queue.name;
    const auto used = use.find(name);
    const auto wrong = world_.wrong_queues().find(name);
    const World::QueueUse of = used == use.end() ? World::QueueUse{} : used->second;
    const std::string why = wrong == world_.wrong_queues().end() ? "" : wrong->second;
    if (hours_.count(name) == 0) hours_[name] = hours_of(facts, now);
    Hours& hours = hours_[name];
    hours.used += 1000 * accounts_.between(name, hours.until, now);
    hours.until = now;
    const int64_t all = std::llround(hours.used);
    std::string status = status_of(facts, of, why, world_.whole_ncu(), hours.said);
    // Hours alone are not worth a write each second.
    if ((status != facts.status && status != written_status_[name]) ||
        (all != hours.said && now - hours.when >= kHours)) {
      hours.said = all, hours.said_until = clock, hours.when = now;
      status = status_of(facts, of, why, world_.whole_ncu(), all);
    }
    if (status == facts.status || written_status_[name] == status) continue;
    written_status_[name] = status;
    client_.send(write_status(facts, status, hours.said_until, kube::now_text(false)), nullptr,
                 [](kube::Reply) {});
  }
}

// Every card is looked at, so it is done the less often the longer that takes.
void Scheduler::write_pools() {
  const base::Nanos now = base::monotonic_now();
  if (world_.pools().empty() || world_.changes() == pools_seen_) return;
  if (now < pools_next_) return at(pools_next_);
  pools_seen_ = world_.changes();
  const auto use = world_.pool_use();
  pools_next_ = now + std::max(kPools, kPoolsPart * (base::monotonic_now() - now));
  for (const auto& [name, pool] : world_.pools()) {
    const std::string status = status_of(pool, use.at(name));
    if (status == pool.status || written_pools_[name] == status) continue;
    written_pools_[name] = status;
    client_.send(write_status(pool, status, kube::now_text(false)), nullptr, [](kube::Reply) {});
  }
}

Figures Scheduler::figures() const {
  Figures now = figures_;
  now.nodes = world_.nodes();
  now.cards = world_.cards();
  now.leading = leading();
  now.binder = binder_.counts();
  now.ladder = ladder_.counts();
  now.ncu_hours = accounts_.hours(base::monotonic_now());
  now.told = reporter_.told();
  now.writes = client_.counts().writes;
  now.waiting = reasons_.size();
  return now;
}

}  // namespace flexai::control
