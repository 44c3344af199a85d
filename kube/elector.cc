#include "kube/elector.h"

#include <sys/time.h>
#include <time.h>

#include <algorithm>

#include "base/log.h"
#include "kube/retry.h"
#include "kube/time_text.h"

namespace flexai::kube {
namespace {

using base::Code;

constexpr int kGivingBack = 3;  // times

}  // namespace

base::Nanos lease_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<base::Nanos>(now.tv_sec) * base::kSecond + now.tv_nsec;
}

struct Elector::State : std::enable_shared_from_this<State> {
  State(Client& client, base::Loop& loop, ElectorOptions options, ElectorHandlers handlers)
      : client(client),
        loop(loop),
        options(std::move(options)),
        handlers(std::move(handlers)),
        election(this->options.identity, this->options.times),
        random(fresh_seed()) {}

  void look();
  void seen(const Reply& reply);
  void write(Election::Step step);
  void written(const Reply& reply, base::Nanos sent);
  void again();
  void judge();
  void guard();
  void lead_until(base::Nanos until);
  void say(const Failure& failure);
  void send(Call call, base::Nanos timeout, OnReply done);
  void release(std::function<void()> done);
  void give_back(LeaseRecord record, int attempts, std::function<void()> done);

  Client& client;
  base::Loop& loop;
  const ElectorOptions options;
  const ElectorHandlers handlers;
  Election election;
  Random random;
  std::atomic<base::Nanos> until{0};
  bool alive = true, leads = false, known = false;
  bool sure = false;  // we wrote the lease's last version
  std::string leader;
  base::Loop::TimerId next = 0, end = 0;
};

void Elector::State::send(Call call, base::Nanos timeout, OnReply done) {
  call.priority = Priority::kUrgent;
  call.timeout = timeout;
  call.repeatable = call.verb == Call::Verb::kGet;  // a write is judged by looking again
  client.send(std::move(call), &loop, [self = shared_from_this(), done](Reply reply) {
    if (self->alive) done(std::move(reply));
  });
}

void Elector::State::look() {
  send(get_object(kLeases, {options.ns, options.name}), options.times.renew_deadline / 2,
       [this](Reply reply) { seen(reply); });
}

void Elector::State::seen(const Reply& reply) {
  Election::Step step = Election::Step::kWait;
  if (reply.ok()) {
    auto lease = lease_from_json(reply.body);
    if (!lease.ok()) {
      say(no_answer(lease.error().code, lease.error().message, false));
      return again();
    }
    step = election.seen(*lease, lease_now());
  } else if (reply.http == 404) {
    step = election.absent(lease_now());
  } else {
    say(*reply.failure);
  }
  judge();
  if (step == Election::Step::kWait) return again();
  write(step);
}

void Elector::State::write(Election::Step step) {
  LeaseRecord record = election.record(now_text(true));
  if (step == Election::Step::kCreate) record.resource_version = record.uid = "";
  std::string body = lease_json(record, options.ns, options.name);
  Call call = step == Election::Step::kCreate
                  ? create(kLeases, options.ns, std::move(body))
                  : replace(kLeases, {options.ns, options.name}, std::move(body));
  const base::Nanos sent = lease_now();
  send(std::move(call), options.times.renew_deadline / 2,
       [this, sent](Reply reply) { written(reply, sent); });
}

void Elector::State::written(const Reply& reply, base::Nanos sent) {
  auto lease =
      reply.ok() ? lease_from_json(reply.body) : base::Result<LeaseRecord>(reply.failure->error());
  sure = lease.ok();
  if (sure) {
    election.held(*lease, sent, lease_now());
    lead_until(election.until());
    return again();
  }
  // Whether it was done or not: the next look says who holds it. Our word is good until its end.
  if (!reply.ok() && reply.http != 409) say(*reply.failure);
  again();
}

void Elector::State::again() {
  if (!alive) return;
  loop.cancel(next);
  base::Nanos pause = options.times.retry_period;
  if (!leads) pause += random.below(pause / 5);  // so that followers do not move in step
  next = loop.at(base::monotonic_now() + pause, [self = shared_from_this()] {
    self->next = 0;
    if (!self->alive) return;
    // A leader that knows the version it wrote last need not look.
    if (self->sure && self->election.leads(lease_now())) return self->write(Election::Step::kRenew);
    self->look();
  });
}

void Elector::State::lead_until(base::Nanos when) {
  until = when;
  judge();
  loop.cancel(end);
  end = loop.at(base::monotonic_now() + std::max<base::Nanos>(when - lease_now(), 0),
                [self = shared_from_this()] {
                  self->end = 0;
                  if (self->alive) self->judge();
                });
}

// Tells what has changed about who leads.
void Elector::State::judge() {
  until = election.until();
  const bool now = election.leads(lease_now());
  if (now != leads) {
    leads = now;
    base::log(base::Level::kInfo, "kube", now ? "this process leads" : "this process leads no more",
              {{"lease", options.ns + "/" + options.name}});
    if (now && handlers.started) handlers.started();
    if (!now && alive && handlers.stopped) handlers.stopped();
  }
  if (!alive || (known && leader == election.last().holder)) return;
  known = true;
  leader = election.last().holder;
  if (handlers.leader) handlers.leader(leader);
}

void Elector::State::say(const Failure& failure) {
  if (handlers.trouble) handlers.trouble(failure);
}

void Elector::State::release(std::function<void()> done) {
  loop.cancel(next);
  const bool ours = election.leads(lease_now());
  LeaseRecord record = election.record(now_text(true));
  election.lost();
  judge();
  alive = false;
  if (!ours) return loop.post(std::move(done));
  give_back(std::move(record), kGivingBack, std::move(done));
}

// A renewal that was under way may have changed the lease since: then the version is looked up. Who
// does not give it back makes the next one wait for its end.
void Elector::State::give_back(LeaseRecord record, int attempts, std::function<void()> done) {
  record.holder.clear();
  Call call =
      replace(kLeases, {options.ns, options.name}, lease_json(record, options.ns, options.name));
  call.priority = Priority::kUrgent;
  call.timeout = options.times.retry_period;
  client.send(std::move(call), &loop, [self = shared_from_this(), attempts, done](Reply reply) {
    if (reply.http != 409 || attempts <= 1) return done();
    Call look = get_object(kLeases, {self->options.ns, self->options.name});
    look.priority = Priority::kUrgent;
    look.timeout = self->options.times.retry_period;
    self->client.send(std::move(look), &self->loop, [self, attempts, done](Reply found) {
      auto lease = found.ok() ? lease_from_json(found.body)
                              : base::Result<LeaseRecord>(found.failure->error());
      if (!lease.ok() || lease->holder != self->options.identity) return done();
      self->give_back(std::move(*lease), attempts - 1, done);
    });
  });
}

base::Result<std::unique_ptr<Elector>> Elector::make(Client& client, base::Loop& loop,
                                                     ElectorOptions options,
                                                     ElectorHandlers handlers) {
  FLEXAI_TRY(check(options.times));
  if (options.identity.empty() || options.name.empty() || options.ns.empty())
    return base::fail(Code::kInvalid, "a lease needs a namespace, a name and an identity");
  auto state = std::make_shared<State>(client, loop, std::move(options), std::move(handlers));
  loop.post([state] {
    if (state->alive) state->look();
  });
  return std::unique_ptr<Elector>(new Elector(std::move(state)));
}

Elector::~Elector() {
  state_->alive = false;
  state_->until = 0;
  state_->loop.cancel(state_->next);
  state_->loop.cancel(state_->end);
}

bool Elector::leading() const { return lease_now() < state_->until.load(); }

void Elector::release(std::function<void()> done) { state_->release(std::move(done)); }

}  // namespace flexai::kube
