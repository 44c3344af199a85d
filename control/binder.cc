#include "control/binder.h"

#include "base/log.h"
#include "control/json_parts.h"
#include "control/writes.h"
#include "kube/names.h"
#include "kube/object_meta.h"
#include "kube/resources.h"
#include "model/json.h"

namespace flexai::control {
namespace {

constexpr base::Nanos kPause = 200 * base::kMillisecond;

std::string version_of(const std::string& body) {
  const auto json = model::parse_json(body);
  return json.ok() ? text_at(at(*json, "metadata"), "resourceVersion") : "";
}

// Nothing was written, and nothing will be by this request.
bool certain(const kube::Failure& failure) {
  return failure.unprocessed || (failure.http >= 400 && failure.http < 500);
}

}  // namespace

struct Binder::Task {
  PodPlace place;
  size_t next = 0;        // claim
  size_t leases = 0;      // that are being made
  bool unsure = false;    // whether its allocation was written
  bool unleased = false;  // a lease could not be made
  kube::Failure failure;  // of the allocation, the last
};

Binder::Binder(kube::Client& client, base::Loop& loop, World& world, Handlers handlers)
    : client_(client), loop_(loop), world_(world), handlers_(std::move(handlers)) {}

Binder::~Binder() { *alive_ = false; }

void Binder::send(kube::Call call, std::function<void(kube::Reply)> then) {
  client_.send(std::move(call), &loop_,
               [alive = alive_, then = std::move(then)](kube::Reply reply) {
                 if (*alive) then(std::move(reply));
               });
}

void Binder::later(base::Nanos pause, std::function<void()> then) {
  loop_.at(base::monotonic_now() + pause, [alive = alive_, then = std::move(then)] {
    if (*alive) then();
  });
}

void Binder::carry_out(const PodPlace& place) {
  if (!busy_.insert(place.pod).second) return world_.forget(place.pod);
  auto task = std::make_shared<Task>();
  task->place = place;
  next_claim(task);
}

void Binder::fail(const TaskPtr& task, const kube::Failure& failure) {
  ++(failure.http == 409 ? counts_.conflicts : counts_.failures);
  handlers_.failed(task->place.pod, failure.message);
  // The capacity stays taken until the facts have had time to come.
  loop_.at(base::monotonic_now() + kPause, [this, alive = alive_, task] {
    if (!*alive) return;
    busy_.erase(task->place.pod);
    world_.forget(task->place.pod);
    handlers_.changed();
  });
}

void Binder::next_claim(const TaskPtr& task) {
  if (!handlers_.may_write()) {
    busy_.erase(task->place.pod);
    world_.forget(task->place.pod);
    return;
  }
  if (task->next == task->place.awards.size()) {
    handlers_.allocated(task->place.pod);
    if (task->leases == 0) written(task);
    return;
  }
  const Award& award = task->place.awards[task->next];
  const ClaimFacts* claim = world_.claim(award.claim);
  const PodFacts* pod = world_.pod(task->place.pod);
  if (claim == nullptr || claim->uid != award.claim_uid || pod == nullptr ||
      pod->uid != task->place.uid)
    return fail(task, kube::no_answer(base::Code::kNotFound, "pod or claim is gone", true));
  if (claim->has_finalizer) return write_allocation(task, claim->version);
  send(add_finalizer(*claim), [this, task](kube::Reply reply) {
    // Opaque parameters that were not written in the form in which the server writes JSON look
    // changed to it by any write of the whole object; then it does without, and we give the
    // allocation back ourselves.
    const ClaimFacts* now = world_.claim(task->place.awards[task->next].claim);
    if (!reply.ok() && reply.failure->http == 422 && now != nullptr)
      return write_allocation(task, now->version);
    if (!reply.ok()) return fail(task, *reply.failure);
    write_allocation(task, version_of(reply.body));
  });
}

void Binder::write_allocation(const TaskPtr& task, const std::string& version) {
  const Award& award = task->place.awards[task->next];
  const ClaimFacts* claim = world_.claim(award.claim);
  const PodFacts* pod = world_.pod(task->place.pod);
  if (claim == nullptr || pod == nullptr || pod->uid != task->place.uid || !handlers_.may_write()) {
    if (task->unsure) return find_out(task);
    return fail(task, kube::no_answer(base::Code::kNotFound, "pod or claim is gone", true));
  }
  std::vector<const ClassFacts*> classes;
  for (const auto& ways : claim->requests)
    for (const Request& way : ways) classes.push_back(world_.class_of(way.device_class));
  if (!task->unsure) world_.writing(award);
  send(allocate(*claim, classes, award.given, task->place.node, *pod, version),
       [this, task, version](const kube::Reply& reply) { answered(task, version, reply); });
}

void Binder::answered(const TaskPtr& task, const std::string& version, const kube::Reply& reply) {
  if (reply.ok()) return allocated(task);
  const kube::Failure& failure = *reply.failure;
  task->failure = failure;
  // A conflict may be with a first try of ours whose answer was lost.
  if (failure.http == 409) return find_out(task);
  if (!certain(failure)) {
    // The same once more: it can be done once only, and then the first cannot be any more.
    task->unsure = true;
    return later(kPause, [this, task, version] { write_allocation(task, version); });
  }
  world_.unwritten(task->place.awards[task->next]);
  fail(task, failure);
}

void Binder::find_out(const TaskPtr& task) {
  const Award& award = task->place.awards[task->next];
  const size_t slash = award.claim.find('/');
  kube::Call call = kube::get_object(kube::kResourceClaims,
                                     {award.claim.substr(0, slash), award.claim.substr(slash + 1)});
  send(std::move(call), [this, task](const kube::Reply& reply) {
    const Award& of = task->place.awards[task->next];
    if (!reply.ok() && reply.failure->http != 404) {
      if (!handlers_.may_write()) return fail(task, *reply.failure);  // who leads now finds it
      return later(kPause, [this, task] { find_out(task); });
    }
    const auto now = reply.ok() ? read_facts(reply.body) : base::Result<ClaimFacts>(ClaimFacts{});
    if (now.ok() && now->uid == of.claim_uid && now->allocated &&
        std::equal(now->given.begin(), now->given.end(), of.given.begin(), of.given.end(),
                   [](const Given& a, const Given& b) {
                     return a.share_id == b.share_id && a.pool == b.pool && a.card == b.card;
                   }))
      return allocated(task);
    world_.unwritten(of);
    fail(task, task->failure);
  });
}

void Binder::allocated(const TaskPtr& task) {
  ++counts_.allocated;
  task->unsure = false;
  const Award& done = task->place.awards[task->next];
  const std::string name = task->place.pod.substr(task->place.pod.find('/') + 1);
  if (handlers_.may_write())
    make_leases(done.claim, done.given, {name, task->place.uid}, task->place.node,
                task->place.queue, task);
  ++task->next;
  next_claim(task);
}

void Binder::make_leases(const std::string& key, const std::vector<Given>& given,
                         const kube::Reference& pod, const std::string& node,
                         const std::string& queue, const TaskPtr& task) {
  const ClaimFacts* claim = world_.claim(key);
  if (claim == nullptr) return;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string name = claim->ns + "/" + kube::lease_name(claim->uid, i);
    if (!given[i].ours || given[i].admin || given[i].share_id.empty()) continue;
    if (world_.lease(name) != nullptr || !busy_.insert(name).second) continue;
    if (task != nullptr) ++task->leases;
    world_.lease_sent(name, claim->uid, given[i]);
    kube::LeaseSpec spec = lease_of(*claim, given[i], pod, node, queue);
    spec.hold = world_.gang_gathers(claim->ns + "/" + pod.name);
    make_lease(name, create_lease(*claim, i, spec), given[i].share_id, task);
  }
}

void Binder::make_lease(const std::string& key, const kube::Call& call, const std::string& share,
                        const TaskPtr& task) {
  send(call, [this, key, call, share, task](const kube::Reply& reply) {
    if (reply.ok()) return lease_made(key, true, task);
    if (reply.failure->http != 409 && !certain(*reply.failure) && handlers_.may_write())
      return later(kPause, [this, key, call, share, task] { make_lease(key, call, share, task); });
    if (reply.failure->http != 409) {
      base::log(base::Level::kWarn, "binder", "a lease could not be made",
                {{"lease", key}, {"error", reply.failure->message}});
      return lease_made(key, false, task);
    }
    // Made by a first try, by who led before, or of what the claim was given earlier: then it goes
    // before long, and another is made.
    const size_t slash = key.find('/');
    send(kube::get_object(kube::kXpuLeases, {key.substr(0, slash), key.substr(slash + 1)}),
         [this, key, share, task](const kube::Reply& found) {
           const auto lease = found.ok() ? kube::parse_lease(found.body)
                                         : base::Result<kube::Lease>(found.failure->error());
           lease_made(key, lease.ok() && lease->spec.share_id == share, task);
         });
  });
}

void Binder::lease_made(const std::string& key, bool there, const TaskPtr& task) {
  world_.lease_answered(key, there);
  // Until the watch has brought it, or it is time to try again.
  later(10 * kPause, [this, key, there] {
    busy_.erase(key);
    if (!there) handlers_.changed();
  });
  if (task == nullptr) return;
  task->unleased |= !there;
  if (--task->leases == 0 && task->next == task->place.awards.size()) written(task);
}

void Binder::written(const TaskPtr& task) {
  const std::string pod = task->place.pod;
  busy_.erase(pod);
  if (task->unleased) return handlers_.changed();  // mend() goes on from there
  written_.insert(pod);
  const auto companions = world_.companions(pod);
  for (const std::string& one : companions)
    if (!ready(one)) return;
  for (const std::string& one : companions) open(one);
}

// Its claims are allocated, for all we know.
bool Binder::ready(const std::string& key) const {
  if (written_.count(key) != 0) return true;
  const PodFacts* pod = world_.pod(key);
  if (pod == nullptr || pod->finished || !pod->node.empty()) return true;
  if (pod->wish == nullptr) return true;
  for (const ClaimFacts* claim : world_.our_claims(*pod))
    if (!claim->allocated || world_.unleased(claim->ns + "/" + claim->name)) return false;
  return !world_.our_claims(*pod).empty();
}

void Binder::open(const std::string& key) {
  written_.erase(key);
  const PodFacts* pod = world_.pod(key);
  if (pod == nullptr || pod->wish == nullptr || !pod->wish->gated || pod->wish->gates != 1 ||
      !handlers_.may_write() || !busy_.insert("open " + key).second)
    return;
  send(open_gate(*pod), [this, key](kube::Reply reply) {
    if (reply.ok()) {
      ++counts_.opened;
      handlers_.opened(key);
      // The watch tells that it is open before long.
      loop_.at(base::monotonic_now() + 10 * kPause, [this, alive = alive_, key] {
        if (*alive) busy_.erase("open " + key);
      });
      return;
    }
    ++counts_.failures;
    handlers_.failed(key, reply.failure->message);
    loop_.at(base::monotonic_now() + kPause, [this, alive = alive_, key] {
      if (!*alive) return;
      busy_.erase("open " + key);
      handlers_.changed();
    });
  });
}

// All claims are allocated; perhaps not all for this pod, when others share them.
void Binder::finish(const std::string& key) {
  const PodFacts* pod = world_.pod(key);
  if (pod == nullptr || busy_.count(key) != 0 || busy_.count("open " + key) != 0) return;
  for (const ClaimFacts* claim : world_.our_claims(*pod)) {
    bool reserved = false;
    for (const kube::Reference& other : claim->reserved) reserved |= other.uid == pod->uid;
    if (reserved && world_.unleased(claim->ns + "/" + claim->name)) return;
    if (reserved) continue;
    busy_.insert(key);
    send(reserve(*claim, *pod), [this, key](kube::Reply reply) {
      if (!reply.ok()) handlers_.failed(key, reply.failure->message);
      loop_.at(base::monotonic_now() + kPause, [this, alive = alive_, key] {
        if (!*alive) return;
        busy_.erase(key);
        handlers_.changed();
      });
    });
    return;
  }
  for (const std::string& one : world_.companions(key))
    if (!ready(one)) return;
  open(key);
}

void Binder::requeue(const std::vector<std::string>& pods) {
  if (!handlers_.may_write()) return;
  for (const std::string& key : pods) {
    const PodFacts* pod = world_.pod(key);
    if (pod == nullptr || pod->deleting) continue;
    base::log(base::Level::kInfo, "binder", "its gang did not run in its time", {{"pod", key}});
    written_.erase(key);
    if (!pod->node.empty()) {
      kube::RemoveOptions options;
      options.uid = pod->uid;
      send(kube::evict({pod->ns, pod->name}, options), [this, key](kube::Reply reply) {
        if (!reply.ok()) handlers_.failed(key, reply.failure->message);
      });
      continue;
    }
    for (const ClaimFacts* claim : world_.our_claims(*pod))
      if (claim->allocated && claim->reserved.size() < 2)
        send(deallocate(*claim), [this, key](kube::Reply reply) {
          if (!reply.ok()) handlers_.failed(key, reply.failure->message);
        });
  }
}

// A watch that was cut may never show a lease that is gone again.
void Binder::look_for(const std::string& key) {
  if (!busy_.insert("look " + key).second) return;
  const size_t slash = key.find('/');
  send(kube::get_object(kube::kXpuLeases, {key.substr(0, slash), key.substr(slash + 1)}),
       [this, key](const kube::Reply& reply) {
         if (!reply.ok() && reply.failure->http == 404) world_.lease_answered(key, false);
         later(5 * kPause, [this, key] {
           busy_.erase("look " + key);
           handlers_.changed();
         });
         handlers_.changed();
       });
}

void Binder::mend() {
  if (!handlers_.may_write()) return;
  for (const std::string& key : world_.unseen_alone()) look_for(key);
  for (const std::string& key : world_.gathered()) {
    if (!busy_.insert("free " + key).second) continue;
    send(free_lease(*world_.lease(key)), [this, key](const kube::Reply&) {
      later(5 * kPause, [this, key] {
        busy_.erase("free " + key);
        handlers_.changed();
      });
    });
  }
  for (const std::string& pod : world_.unfinished()) finish(pod);
  for (const std::string& key : world_.unleased()) {
    const ClaimFacts* claim = world_.claim(key);
    if (claim == nullptr || claim->reserved.empty()) continue;
    const PodFacts* pod = world_.pod(claim->ns + "/" + claim->reserved.front().name);
    if (pod == nullptr || busy_.count(claim->ns + "/" + pod->name) != 0) continue;
    make_leases(key, claim->given, claim->reserved.front(), claim->node,
                pod->wish == nullptr ? "" : pod->wish->queue, nullptr);
  }
  for (const std::string& key : world_.unreserved()) {
    const ClaimFacts* claim = world_.claim(key);
    if (claim == nullptr || !busy_.insert("release " + key).second) continue;
    send(deallocate(*claim), [this, key](kube::Reply) {
      loop_.at(base::monotonic_now() + 10 * kPause, [this, alive = alive_, key] {
        if (*alive) busy_.erase("release " + key);
      });
    });
  }
  for (const std::string& key : world_.stale_leases())
    if (const kube::Lease* lease = world_.lease(key); lease != nullptr) drop(*lease);
  for (const std::string& key : world_.orphans())
    if (const kube::Lease* lease = world_.lease(key); lease != nullptr) look_after_orphan(*lease);
}

void Binder::drop(const kube::Lease& lease) {
  const std::string key = lease.ns + "/" + lease.name;
  if (lease.deleting || !busy_.insert("drop " + key).second) return;
  send(drop_lease(lease), [this, key](kube::Reply reply) {
    if (!reply.ok() && reply.failure->http != 404)
      base::log(base::Level::kWarn, "binder", "a lease could not be dropped",
                {{"lease", key}, {"error", reply.failure->message}});
    later(10 * kPause, [this, key] { busy_.erase("drop " + key); });
  });
}

// The watch of the claims may be far behind: only the server itself can say that one is gone.
void Binder::look_after_orphan(const kube::Lease& orphan) {
  const std::string key = orphan.ns + "/" + orphan.name, uid = orphan.spec.claim.uid;
  send(kube::get_object(kube::kResourceClaims, {orphan.ns, orphan.spec.claim.name}),
       [this, key, uid](const kube::Reply& reply) {
         const auto claim =
             reply.ok() ? read_facts(reply.body) : base::Result<ClaimFacts>(reply.failure->error());
         const bool gone =
             claim.ok() ? claim->uid != uid : !reply.ok() && reply.failure->http == 404;
         const kube::Lease* lease = world_.lease(key);
         if (gone && lease != nullptr && lease->spec.claim.uid == uid && handlers_.may_write())
           drop(*lease);
       });
}

}  // namespace flexai::control
