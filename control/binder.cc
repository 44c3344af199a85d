#include "control/binder.h"

#include "base/log.h"
#include "control/json_parts.h"
#include "control/writes.h"
#include "kube/object_meta.h"
#include "model/json.h"

namespace flexai::control {
namespace {

constexpr base::Nanos kPause = 200 * base::kMillisecond;

std::string version_of(const std::string& body) {
  const auto json = model::parse_json(body);
  return json.ok() ? text_at(at(*json, "metadata"), "resourceVersion") : "";
}

}  // namespace

struct Binder::Task {
  PodPlace place;
  size_t next = 0;  // claim
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
  if (task->next == task->place.awards.size()) return written(task);
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
  if (claim == nullptr || pod == nullptr || pod->uid != task->place.uid || !handlers_.may_write())
    return fail(task, kube::no_answer(base::Code::kNotFound, "pod or claim is gone", true));
  std::vector<const ClassFacts*> classes;
  for (const auto& ways : claim->requests)
    for (const Request& way : ways) classes.push_back(world_.class_of(way.device_class));
  send(allocate(*claim, classes, award.given, task->place.node, *pod, version), [this,
                                                                                 task](kube::Reply
                                                                                           reply) {
    if (!reply.ok()) return fail(task, *reply.failure);
    ++counts_.allocated;
    const Award& done = task->place.awards[task->next];
    const PodFacts* p = world_.pod(task->place.pod);
    if (p != nullptr)
      make_leases(done.claim, done.given, {p->name, p->uid}, task->place.node, task->place.queue);
    ++task->next;
    next_claim(task);
  });
}

void Binder::make_leases(const std::string& key, const std::vector<Given>& given,
                         const kube::Reference& pod, const std::string& node,
                         const std::string& queue) {
  const ClaimFacts* claim = world_.claim(key);
  if (claim == nullptr) return;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string name = claim->ns + "/" + kube::lease_name(claim->uid, i);
    if (!given[i].ours || given[i].admin || given[i].share_id.empty()) continue;
    if (world_.lease(name) != nullptr || !busy_.insert(name).second) continue;
    send(create_lease(*claim, i, lease_of(*claim, given[i], pod, node, queue)),
         [this, name](kube::Reply reply) {
           const bool there = reply.ok() || reply.failure->http == 409;
           if (!there)
             base::log(base::Level::kWarn, "binder", "a lease could not be made",
                       {{"lease", name}, {"error", reply.failure->message}});
           // Until the watch has brought it, or it is time to try again.
           loop_.at(base::monotonic_now() + 10 * kPause, [this, alive = alive_, name] {
             if (*alive) busy_.erase(name);
           });
         });
  }
}

void Binder::written(const TaskPtr& task) {
  const std::string pod = task->place.pod;
  handlers_.allocated(pod);
  written_.insert(pod);
  busy_.erase(pod);
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
    if (!claim->allocated) return false;
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

void Binder::mend() {
  if (!handlers_.may_write()) return;
  for (const std::string& pod : world_.unfinished()) finish(pod);
  for (const std::string& key : world_.unleased()) {
    const ClaimFacts* claim = world_.claim(key);
    if (claim == nullptr || claim->reserved.empty()) continue;
    const PodFacts* pod = world_.pod(claim->ns + "/" + claim->reserved.front().name);
    if (pod == nullptr || busy_.count(claim->ns + "/" + pod->name) != 0) continue;
    make_leases(key, claim->given, claim->reserved.front(), claim->node,
                pod->wish == nullptr ? "" : pod->wish->queue);
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
  for (const std::string& key : world_.stale_leases()) {
    const kube::Lease* lease = world_.lease(key);
    if (lease == nullptr || lease->deleting || !busy_.insert("drop " + key).second) continue;
    send(drop_lease(*lease), [this, key](kube::Reply reply) {
      if (!reply.ok() && reply.failure->http != 404)
        base::log(base::Level::kWarn, "binder", "a lease could not be dropped",
                  {{"lease", key}, {"error", reply.failure->message}});
      loop_.at(base::monotonic_now() + 10 * kPause, [this, alive = alive_, key] {
        if (*alive) busy_.erase("drop " + key);
      });
    });
  }
}

}  // namespace flexai::control
