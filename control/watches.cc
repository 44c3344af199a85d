#include "control/watches.h"

#include "base/log.h"
#include "control/json_parts.h"
#include "kube/names.h"
#include "kube/packed.h"

namespace flexai::control {
namespace {

using kube::Meta;
using kube::ObjectText;

template <typename T>
using Projected = base::Result<std::optional<T>>;

// Of any reader that takes a text.
template <typename T, base::Result<T> (*Read)(std::string_view)>
Projected<T> project(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(T value, Read(text.json));
  return std::optional<T>(std::move(value));
}

// Of objects of which there are many: the store and the world have the same one.
template <typename T>
using Shared = std::shared_ptr<const T>;

template <typename T, base::Result<T> (*Read)(std::string_view)>
Projected<Shared<T>> project_shared(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(T value, Read(text.json));
  return std::optional<Shared<T>>(std::make_shared<const T>(std::move(value)));
}

Projected<Shared<CardSlice>> project_slice(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(auto slice, read_slice(text.json));
  if (!slice) return std::optional<Shared<CardSlice>>();
  return std::optional<Shared<CardSlice>>(std::make_shared<const CardSlice>(std::move(*slice)));
}

Projected<bool> project_namespace(const Meta&, ObjectText text) {
  FLEXAI_TRY_ASSIGN(const View object, kube::view_object(text.json));
  const View labels = at(object, "metadata", "labels");
  if (text_at(labels, kube::kDirectLabel) != "allowed") return std::optional<bool>();
  return std::optional<bool>(true);
}

base::Result<VolumeFacts> read_volume(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const View object, kube::view_object(text));
  VolumeFacts facts;
  const View required = at(object, "spec", "nodeAffinity", "required");
  facts.has_affinity = required.is_object();
  facts.affinity = terms_of(required);
  return facts;
}

base::Result<VolumeClaimFacts> read_volume_claim(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const View object, kube::view_object(text));
  return VolumeClaimFacts{text_at(at(object, "spec"), "volumeName"),
                          text_at(at(object, "spec"), "storageClassName")};
}

}  // namespace

struct Watches::All {
  All(kube::Client& client, base::Loop& loop, World& world, Handlers handlers)
      : client(client), loop(loop), world(world), on(std::move(handlers)) {}

  template <typename T>
  kube::ReflectorHandlers<T> handlers(const char* what,
                                      void (World::*put)(const std::string&, const T*)) {
    kube::ReflectorHandlers<T> h;
    h.added = [this, put](const std::string& key, const T& now) {
      (world.*put)(key, &now);
      on.changed();
    };
    h.updated = [this, put](const std::string& key, const T&, const T& now) {
      (world.*put)(key, &now);
      on.changed();
    };
    h.deleted = [this, put](const std::string& key, const T&) {
      (world.*put)(key, nullptr);
      on.changed();
    };
    h.synced = [this] { on.changed(); };
    h.trouble = [what](const kube::Failure& failure) {
      base::log(base::Level::kWarn, "watches", what, {{"error", failure.message}});
    };
    return h;
  }

  template <typename T>
  kube::ReflectorHandlers<Shared<T>> shared(const char* what,
                                            void (World::*put)(const std::string&, Shared<T>)) {
    kube::ReflectorHandlers<Shared<T>> h;
    h.added = [this, put](const std::string& key, const Shared<T>& now) {
      (world.*put)(key, now);
      on.changed();
    };
    h.updated = [this, put](const std::string& key, const Shared<T>&, const Shared<T>& now) {
      (world.*put)(key, now);
      on.changed();
    };
    h.deleted = [this, put](const std::string& key, const Shared<T>&) {
      (world.*put)(key, nullptr);
      on.changed();
    };
    h.synced = [this] { on.changed(); };
    h.trouble = [what](const kube::Failure& failure) {
      base::log(base::Level::kWarn, "watches", what, {{"error", failure.message}});
    };
    return h;
  }

  template <typename T>
  std::unique_ptr<kube::Reflector<T>> reflect(const kube::Resource& resource,
                                              typename kube::Reflector<T>::Project project,
                                              kube::ReflectorHandlers<T> h,
                                              const std::string& fields = "",
                                              const kube::Shape* shape = nullptr) {
    kube::ListWatchOptions options;
    options.shape = shape;
    options.resource = resource;
    options.selection.field_selector = fields;
    return std::make_unique<kube::Reflector<T>>(client, loop, std::move(options),
                                                std::move(project), std::move(h));
  }

  void reflect_pools() {
    kube::ReflectorHandlers<PoolFacts> pool = handlers<PoolFacts>("pools", &World::pool);
    // Of an installation that is older, or its rights: there are none then.
    pool.trouble = [this](const kube::Failure& failure) {
      no_pools = failure.http == 404 || failure.http == 403;
      base::log(no_pools ? base::Level::kDebug : base::Level::kWarn, "watches", "pools",
                {{"error", failure.message}});
      on.changed();
    };
    pools = reflect<PoolFacts>(kube::kXpuPools, project<PoolFacts, read_pool>, std::move(pool));
  }

  void start() {
    using P = Shared<PodFacts>;
    auto pod =
        shared<PodFacts>("pods", static_cast<void (World::*)(const std::string&, P)>(&World::pod));
    pod.added = [this](const std::string& key, const P& now) {
      world.pod(key, now);
      on.pod(key, nullptr, now.get());
      on.changed();
    };
    pod.updated = [this](const std::string& key, const P& before, const P& now) {
      world.pod(key, now);
      on.pod(key, before.get(), now.get());
      on.changed();
    };
    pod.deleted = [this](const std::string& key, const P& last) {
      world.pod(key, nullptr);
      on.pod(key, last.get(), nullptr);
      on.changed();
    };
    using C = Shared<ClaimFacts>;
    auto claim = shared<ClaimFacts>(
        "claims", static_cast<void (World::*)(const std::string&, C)>(&World::claim));
    claim.updated = [this](const std::string& key, const C& before, const C& now) {
      world.claim(key, now);
      world.confirm(key);
      on.claim(*before, *now);
      on.changed();
    };
    kube::ReflectorHandlers<QueueFacts> queue;
    queue.added = [this](const std::string&, const QueueFacts&) { on.queues(); };
    queue.updated = [this](const std::string&, const QueueFacts&, const QueueFacts&) {
      on.queues();
    };
    queue.deleted = [this](const std::string&, const QueueFacts&) { on.queues(); };
    queue.synced = [this] { on.queues(); };
    kube::ReflectorHandlers<bool> ns;
    ns.added = [this](const std::string& key, const bool&) { world.direct_allowed(key, true); };
    ns.deleted = [this](const std::string& key, const bool&) { world.direct_allowed(key, false); };
    ns.synced = [this] { on.changed(); };

    pods = reflect<P>(kube::kPods, project_shared<PodFacts, read_pod>, std::move(pod),
                      "status.phase!=Succeeded,status.phase!=Failed", &kube::kPackedPod);
    claims = reflect<C>(kube::kResourceClaims, project_shared<ClaimFacts, read_facts>,
                        std::move(claim), "", &kube::kPackedClaim);
    nodes = reflect<NodeFacts>(kube::kNodes, project<NodeFacts, read_node>,
                               handlers<NodeFacts>("nodes", &World::node), "", &kube::kPackedNode);
    slices = reflect<Shared<CardSlice>>(
        kube::kResourceSlices, project_slice, shared<CardSlice>("slices", &World::slice),
        std::string("spec.driver=") + kube::kDriverName, &kube::kPackedSlice);
    classes = reflect<ClassFacts>(kube::kDeviceClasses, project<ClassFacts, read_class>,
                                  handlers<ClassFacts>("classes", &World::device_class));
    using L = Shared<kube::Lease>;
    auto lease = shared<kube::Lease>(
        "leases", static_cast<void (World::*)(const std::string&, L)>(&World::lease));
    const auto put_lease = [this](const std::string& key, const L& now) {
      world.lease(key, now);
      on.lease(key, now.get());
      on.changed();
    };
    lease.added = put_lease;
    lease.updated = [put_lease](const std::string& key, const L&, const L& now) {
      put_lease(key, now);
    };
    lease.deleted = [put_lease](const std::string& key, const L&) { put_lease(key, nullptr); };
    leases = reflect<L>(kube::kXpuLeases, project_shared<kube::Lease, kube::parse_lease>,
                        std::move(lease));
    volumes = reflect<VolumeFacts>(kube::kPersistentVolumes, project<VolumeFacts, read_volume>,
                                   handlers<VolumeFacts>("volumes", &World::volume));
    volume_claims = reflect<VolumeClaimFacts>(
        kube::kPersistentVolumeClaims, project<VolumeClaimFacts, read_volume_claim>,
        handlers<VolumeClaimFacts>("volume claims", &World::volume_claim));
    queues =
        reflect<QueueFacts>(kube::kXpuQueues, project<QueueFacts, read_queue>, std::move(queue));
    reflect_pools();
    namespaces = reflect<bool>(kube::kNamespaces, project_namespace, std::move(ns));
  }

  kube::Client& client;
  base::Loop& loop;
  World& world;
  const Handlers on;
  std::unique_ptr<kube::Reflector<Shared<PodFacts>>> pods;
  std::unique_ptr<kube::Reflector<Shared<ClaimFacts>>> claims;
  std::unique_ptr<kube::Reflector<NodeFacts>> nodes;
  std::unique_ptr<kube::Reflector<Shared<CardSlice>>> slices;
  std::unique_ptr<kube::Reflector<ClassFacts>> classes;
  std::unique_ptr<kube::Reflector<Shared<kube::Lease>>> leases;
  std::unique_ptr<kube::Reflector<VolumeFacts>> volumes;
  std::unique_ptr<kube::Reflector<VolumeClaimFacts>> volume_claims;
  std::unique_ptr<kube::Reflector<QueueFacts>> queues;
  std::unique_ptr<kube::Reflector<PoolFacts>> pools;
  bool no_pools = false;
  std::unique_ptr<kube::Reflector<bool>> namespaces;
};

Watches::Watches(kube::Client& client, base::Loop& loop, World& world, Handlers handlers)
    : all_(std::make_unique<All>(client, loop, world, std::move(handlers))) {
  all_->start();
}
Watches::~Watches() = default;

bool Watches::synced() const {
  return all_->pods->synced() && all_->claims->synced() && all_->nodes->synced() &&
         all_->slices->synced() && all_->classes->synced() && all_->leases->synced() &&
         all_->volumes->synced() && all_->volume_claims->synced() && all_->queues->synced() &&
         (all_->pools->synced() || all_->no_pools) && all_->namespaces->synced();
}

void Watches::catch_up() {
  all_->claims->list_anew();
  all_->leases->list_anew();
}

const kube::Reflector<QueueFacts>& Watches::queues() const { return *all_->queues; }

}  // namespace flexai::control
