// World: all that the hi-scheduler knows, and what it has decided but not yet seen happen; feeds
// the Planner with what has changed. A *unit* is what is placed at once: a pod, or a gang. Capacity
// is taken from when a place is assumed until neither claim nor lease holds it, so it is never
// given twice. No I/O, no clock: times come in. Threads: one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "control/card.h"
#include "control/claim.h"
#include "control/fitting.h"
#include "control/pod.h"
#include "control/pool.h"
#include "kube/lease.h"
#include "sched/planner.h"

namespace flexai::control {

// Volumes that bind a pod to nodes.
struct VolumeFacts {  // of a PersistentVolume
  bool has_affinity = false;
  std::vector<NodeTerm> affinity;
};
struct VolumeClaimFacts {
  std::string volume;         // empty: not bound
  std::string storage_class;  // its name
};

struct WorldOptions {
  std::vector<std::string> classes;  // that are ours besides those that say so
  int32_t remote_penalty = 200;      // milli-cards a remote card costs more
  int remote_percent = 100;          // of all cards that may be used remotely
};

// What becomes of one claim of a pod.
struct Award {
  std::string claim;  // key
  std::string claim_uid;
  std::vector<Given> given;
};
// What is to be true of a lease.
struct LeaseAim {
  uint32_t compute = 0;
  kube::LeaseState state = kube::LeaseState::kRunning;
  kube::LeaseTarget target = {};
  bool operator==(const LeaseAim&) const = default;
};
// Where a pod goes, with all its claims that had no allocation yet.
struct PodPlace {
  std::string pod;  // key
  std::string uid;
  std::string node;
  std::string queue;
  std::vector<Award> awards;
};

class World {
 public:
  explicit World(WorldOptions options);

  // Facts. `now` may be null: it is gone. Those of which there are many are shared with whoever
  // reads them, not copied.
  template <typename T>
  using Shared = std::shared_ptr<const T>;
  void pod(const std::string& key, Shared<PodFacts> now);
  void node(const std::string& name, const NodeFacts* now);
  void slice(const std::string& name, Shared<CardSlice> now);
  void claim(const std::string& key, Shared<ClaimFacts> now);
  void device_class(const std::string& name, const ClassFacts* now);
  void lease(const std::string& key, Shared<kube::Lease> now);
  void volume(const std::string& name, const VolumeFacts* now);
  void volume_claim(const std::string& key, const VolumeClaimFacts* now);
  void queues(std::vector<model::Queue> queues, std::map<std::string, std::string> wrong);
  void direct_allowed(const std::string& ns, bool allowed);
  void pool(const std::string& name, const PoolFacts* now);

  // Brings the planner up to date. False: there is nothing to plan for (no nodes).
  bool refresh(int64_t now_ms);
  bool dirty() const;
  sched::Planner* planner() { return planner_.get(); }
  const sched::Planner* planner() const { return planner_.get(); }

  // The places of a unit that the plan starts, checked card by card. What is given up counts as
  // free when the cards' agents have said so, but for what these pods give up for this unit.
  // kConflict: it does not fit after all; the unit is kept from there until something changes
  // there, and the planner is to be refreshed and asked again.
  base::Result<std::vector<PodPlace>> settle(const std::string& unit, const sched::Action& action,
                                             const std::function<std::string()>& uuid,
                                             const std::set<std::string>& making_way = {});
  // From now on the capacity is taken.
  void assume(const PodPlace& place);
  // It did not happen.
  void forget(const std::string& pod);
  // What was sent to the API server and the watches do not show yet (world_unseen.cc): its cards
  // are taken from before an allocation is sent until its leases are seen, whatever is forgotten
  // and whatever becomes of claim and pod meanwhile, because a watch may be long behind another.
  void writing(const Award& award);
  void unwritten(const Award& award);  // certainly so
  void lease_sent(const std::string& key, const std::string& claim_uid, const Given& given);
  void lease_answered(const std::string& key, bool there);
  // Leases that hold a card all by themselves, and are there for all we know.
  std::vector<std::string> unseen_alone() const;
  void drop_unseen();  // the lead is lost: nothing of ours comes any more
  // Whether an assumed place is free by now (world_running.cc, as are those that follow).
  bool has_room(const PodPlace& place) const;

  // The lease by which a pod's only card is made smaller, suspended and so on; null: there is none.
  const kube::Lease* handle_of(const std::string& pod) const;
  // Plans go by it at once.
  void aim(const std::string& lease, const LeaseAim& aim);
  // It was written: the lease has this generation; 0: it was not.
  void aimed(const std::string& lease, int64_t generation);
  LeaseAim aim_of(const kube::Lease& lease) const;
  // The agent has done what the lease says, and nothing else is aimed at.
  bool settled(const kube::Lease& lease) const;
  bool suspended(const std::string& pod) const;  // or about to be
  // The card of a place that a plan names; empty when there is none such.
  kube::LeaseTarget card_of(const model::MemberPlace& place) const;
  // Leases whose slices go on at their targets: their cards are those now.
  std::set<std::string> landed() const { return landed_; }
  // Leases that should have left long ago, and whose agents have said nothing; told again after as
  // long.
  std::vector<std::string> late();
  // Leases whose agent could not give up what it should have.
  std::set<std::string> refused() const { return refused_; }
  // Whether its card has room for what the lease is to take now.
  bool has_room(const kube::Lease& lease, const LeaseAim& aim) const;
  // The pod is evicted: plans go without it.
  void leave(const std::string& pod);
  bool leaving(const std::string& pod) const { return leaving_.count(pod) != 0; }
  // It stays after all; nothing is done to it until then.
  void spare(const std::string& pod, int64_t until_ms);
  // kube-scheduler could not bind it there.
  void avoid(const std::string& pod, const std::string& node, int64_t until_ms);
  // Nodes that did not fit after all may be tried again: something has changed.
  void forget_misfits();
  // Pods whose claims all are allocated and whose gate is still there.
  std::set<std::string> unfinished() const { return unfinished_; }
  // Claims with a part that has no lease; leases that nothing stands behind any more.
  std::set<std::string> unleased() const { return unleased_; }
  bool unleased(const std::string& claim) const { return unleased_.count(claim) != 0; }
  std::set<std::string> stale_leases() const { return stale_leases_; }
  // Leases whose claim has not been known for a while, as far as the watches tell; told again after
  // as long. The server's collector does not know kinds that are new, or may be down.
  std::vector<std::string> orphans();
  // Claims that are allocated, for nobody, and that nobody else takes back.
  std::set<std::string> unreserved() const { return unreserved_; }
  // Whether a pod is of a gang of which not all members have a node.
  bool gang_gathers(const std::string& pod) const;
  // Leases that their agents hold back for that, and need to no more.
  std::vector<std::string> gathered() const;
  // The pods of the gang of this one, or itself alone.
  std::set<std::string> companions(const std::string& pod) const;
  // The claims of an assumption are all allocated: facts say it now.
  void confirm(const std::string& claim);
  // Later work started past it so often.
  void passed(const std::string& unit, uint32_t times);
  // Pods of gangs that have places and did not all run in their time; asked for once.
  std::vector<std::string> overdue();
  // The first moment at which something is to be looked at again; 0: none.
  int64_t next_ms() const;

  // Why a unit does not wait for the planner: its pods with the reason. Taken away by asking.
  std::vector<std::pair<std::string, std::string>> troubles();
  // Pods of a unit that wait.
  std::vector<std::string> pods_of(const std::string& unit) const;
  // The reason why nodes will not do for the unit: how many by each, for people.
  std::map<std::string, int> obstacles(const std::string& unit) const;

  const PodFacts* pod(const std::string& key) const;
  const ClaimFacts* claim(const std::string& key) const;
  const kube::Lease* lease(const std::string& key) const;
  const ClassFacts* class_of(const std::string& name) const;
  bool ours(const ClaimFacts& claim) const;
  // Its pod's claims of our classes.
  std::vector<const ClaimFacts*> our_claims(const PodFacts& pod) const;
  bool assumed(const std::string& pod) const { return assumed_.count(pod) != 0; }
  const PodPlace* assumption(const std::string& pod) const;
  std::vector<std::string> assumptions() const;  // pods
  const std::map<std::string, std::string>& wrong_queues() const { return wrong_queues_; }
  const std::unordered_map<std::string, Shared<kube::Lease>>& leases() const { return leases_; }
  int64_t ncu_of_card(const std::string& pool, const std::string& card) const;  // milli-NCU
  size_t nodes() const { return sites_.size(); }
  size_t cards() const;
  // What a queue holds: milli-NCU, milli-cards, pods that run and that wait.
  struct QueueUse {
    int64_t ncu = 0, milli = 0, running = 0, pending = 0, suspended = 0;
    int64_t guarantee = 0;  // that the cluster, as it is, can keep
    int64_t unmet = 0;      // thousandths of cards that its waiting pods ask for
  };
  std::map<std::string, QueueUse> queue_use() const;  // as of the last refresh()
  const std::map<std::string, PoolFacts>& pools() const { return pools_; }
  std::map<std::string, PoolUse> pool_use() const;  // looks at every card
  uint64_t changes() const { return changes_; }
  const std::vector<model::Queue>& known_queues() const { return queues_; }
  int64_t whole_ncu() const { return whole_ncu_; }  // milli-NCU of all cards

 private:
  struct Site {
    NodeFacts facts;
    bool known = false;  // the node is there, not only its cards
    std::vector<std::shared_ptr<const Card>> cards;
    uint32_t position = 0;  // in the snapshot
    bool full = false;      // of pods
  };
  struct Grant {  // a part of a card that is taken
    std::string pool, card;
    Amounts consumed;
    bool admin = false;
    const kube::Lease* lease = nullptr;  // that speaks for it, if there is one
    std::string request;
    const Amounts* admitted = nullptr;  // in the facts that it is from
  };
  // Plans go by what leases are to be; what is free by what is.
  enum class View { kPlanned, kNow };
  // What decides where a unit may be; units that have the same share it.
  struct FitRecord {
    std::string name;
    Constraints constraints;
    std::vector<std::string> volumes;
    std::vector<std::pair<Request, ClassFacts>> wishes;
    std::string pinned;                 // to a node
    std::set<std::string> excluded;     // nodes
    std::set<std::string> avoided;      // nodes whose cards will do all the same
    std::string processor, pool, card;  // with a pool: nowhere but there
    std::string leaves;                 // a node: any card that is like `like` but those of it
    std::vector<std::string> like;
    bool monitors = false;  // takes no card, but must be where one is
    bool fresh = true;      // the planner does not know it yet
    model::Fit words;
    bool dynamic() const { return !constraints.ports.empty() || !constraints.extras.empty(); }
  };
  using PodAt = std::pair<const std::string, Shared<PodFacts>>;
  using ClaimAt = std::pair<const std::string, Shared<ClaimFacts>>;
  // A pod, with its claims in the order in which it names them; null: that one is not there.
  struct Member {
    const std::string& key;
    const PodFacts& pod;
    std::vector<const ClaimFacts*> claims;
  };
  struct UnitState {
    std::vector<model::Workload> emitted;
    std::string fit;                   // key
    std::vector<std::string> waiting;  // pods
    std::set<std::string> excluded;    // nodes that do not fit after all
    std::set<std::string> avoided;     // nodes that kube-scheduler did not bind it to
    uint64_t excluded_at = 0;          // changes_ then
    std::string trouble;
    uint32_t passed_over = 0;
    std::vector<std::pair<QueueUse*, QueueUse>> counted;  // its part of what queues hold
    // Hard searches cost everybody time: who has used up his steps rests, each time for longer.
    int work = 0, rests = 0;
    int64_t rests_until = 0;
  };
  // world_facts.cc
  void mark(std::string unit) {
    if (marks_) dirty_units_.insert(std::move(unit));
  }
  void mark_leases(const std::string& claim_uid);
  void first_look();
  void touch_pod(const std::string& key);
  void touch_claim(const std::string& key);
  void touch_site(const std::string& name, bool structure);
  std::string unit_of(const std::string& key, const PodFacts& pod) const;
  const std::string& holder_of(const std::string& claim, const ClaimFacts& facts) const;
  bool held_by(const std::string& pod, const PodFacts& facts, const ClaimFacts& claim) const;
  const ClaimAt* claim_with(const std::string& uid) const;
  bool takes_part(const PodFacts& pod) const;

  // world_fits.cc
  std::string fit_for(const PodFacts& pod, const std::vector<Asking>& asking,
                      const UnitState& state);
  void compute(FitRecord* fit);
  uint32_t word_of(const FitRecord& fit, const std::string& name, const Site& site,
                   std::string* why) const;
  const char* volume_obstacle(const FitRecord& fit, const std::string& node,
                              const Site& site) const;
  NodeUse use_of(const std::string& node) const;
  void site_changed(const std::string& name, sched::Delta* delta);
  std::vector<CardState> states_of(const std::string& node,
                                   const std::set<std::string>& making_way = {},
                                   const std::string& without = "") const;

  // world_pools.cc
  std::shared_ptr<const Card> with_pools(const std::shared_ptr<const Card>& card,
                                         const NodeFacts& node) const;
  void find_pools(const std::string& node);
  base::Status check_pool(const std::string& name) const;
  void add_card(const std::string& node, const CardState& state, bool away,
                const std::map<std::pair<std::string, std::string>, int64_t>& leases,
                std::set<std::string>* here, std::map<std::string, PoolUse>* all) const;

  // world_units.cc
  std::vector<model::Workload> wanted(const std::string& unit);
  void want_of_pods(const std::string& unit, std::vector<model::Workload>* out);
  Member member(const PodAt& at) const;
  void add_waiting(const std::string& unit, std::vector<std::string> pods,
                   std::vector<model::Workload>* out);
  base::Result<model::Workload> ask_for(const std::string& key, UnitState* state);
  base::Result<std::vector<Asking>> asking_of(const PodFacts& pod) const;
  base::Status understand(const PodFacts& pod, const std::vector<Asking>& asking,
                          model::Workload* work) const;
  std::vector<Grant> grants_of(const std::string& claim, const ClaimFacts* facts, View view) const;
  void add_holding(const Member& member, std::vector<model::Workload>* out);
  void look_after_claim(const std::string& key, const ClaimFacts* facts);
  void look_after_gang(const std::string& unit, const std::vector<Member>& members);
  void look_after_gate(const Member& member);
  int64_t gang_timeout(const std::string& unit) const;
  std::vector<model::Workload> pieces_of(const std::string& name, const std::vector<Grant>& grants,
                                         const std::string& node) const;
  model::Workload other_pods(const std::string& node) const;

  // world_unseen.cc
  struct Unseen {
    std::string claim_uid;
    Given given;
    bool shown = false;  // the claim said so once
    bool sent = false;   // the lease's creation
    bool made = false;   // that was answered
  };
  bool shown_by(const ClaimFacts& claim, const Given& given) const;
  std::vector<Grant> unseen_of(const std::string& lease) const;
  void see_claim(const std::string& uid, const ClaimFacts* now);
  void see_lease(const std::string& key, const kube::Lease* before, const kube::Lease* now);
  void drop_unseen(const std::string& lease);

  // world_running.cc
  // `claim`, null: none, does not speak for it, and it has not let go.
  static bool left(const kube::Lease& lease, const ClaimAt* claim);
  std::vector<Grant> left_by(const std::string& lease) const;  // by a claim that is gone
  void reduce(const kube::Lease& lease, View view, Amounts* consumed) const;
  // With what may be done to it, as far as `may_act`.
  model::Workload with_handle(const Member& member, const Grant& grant, bool may_act,
                              model::Workload piece, std::vector<model::Workload>* out);
  std::string fit_on_card(const std::string& node, const Grant& grant);
  kube::SliceConfig config_of(const Member& member, const Grant& grant) const;
  void look_after_lease(const std::string& key, const kube::Lease* lease, const ClaimAt* claim);

  // world_moves.cc
  static constexpr int64_t kDeparts = 60'000;  // ms, for an agent to begin
  void look_after_move(const std::string& key, const kube::Lease* lease);
  bool may_move(const kube::Lease& lease, const kube::SliceConfig& config) const;
  std::string fit_to_move(const PodFacts& pod, const Grant& grant);
  uint32_t word_to_move(const FitRecord& fit, const std::string& name, const Site& site) const;
  void remember_move(const Grant& grant, model::Workload* piece) const;

  // world.cc
  bool open(int64_t now_ms);
  void wake_up();
  void count(UnitState* state);
  void count_off(UnitState* state);
  void misfit(const std::string& unit, const std::string& node);
  struct Looked {
    const std::string* unit;
    UnitState* state;  // null: there is none
  };
  void emit(sched::Delta* delta);
  void look_at(Looked* at);
  bool clamp(model::Workload* work);
  void give_room(const model::Workload& work, int sign);
  sched::Snapshot snapshot(int64_t now_ms);

  const WorldOptions options_;
  std::unordered_map<std::string, Shared<PodFacts>> pods_;
  std::map<std::string, Site> sites_;  // by node
  std::unordered_map<std::string, Shared<CardSlice>> slices_;
  std::unordered_map<std::string, std::set<std::string>> slices_of_;  // by pool
  std::unordered_map<std::string, Shared<ClaimFacts>> claims_;
  std::map<std::string, ClassFacts> classes_;
  std::map<std::string, PoolFacts> pools_;
  std::unordered_map<std::string, Shared<kube::Lease>> leases_;
  std::map<std::string, VolumeFacts> volumes_;
  std::map<std::string, VolumeClaimFacts> volume_claims_;
  std::vector<model::Queue> queues_;
  std::map<std::string, std::string> wrong_queues_;
  std::map<std::string, int64_t> kept_;  // guarantees
  std::map<std::string, QueueUse> use_;  // sums over units; none is ever taken out
  int64_t whole_ncu_ = 0;
  std::set<std::string> direct_;

  std::unordered_map<std::string, std::set<std::string>> pods_on_, pods_of_claim_;
  std::unordered_map<std::string, std::set<std::string>> pods_of_gang_;  // of those that are of one
  std::unordered_map<std::string, std::set<std::string>> claims_on_, leases_on_;  // by node of card
  std::unordered_map<std::string, const ClaimAt*> claim_of_uid_;
  std::unordered_map<std::string, std::set<std::string>> leases_of_;   // by uid of claim
  std::unordered_map<std::string, PodPlace> assumed_;                  // by pod
  std::unordered_map<std::string, std::string> assumed_claims_;        // -> pod
  std::unordered_map<std::string, std::set<std::string>> assumed_on_;  // claims, by node of card
  std::map<std::string, Unseen> unseen_;                               // by lease
  std::unordered_map<std::string, std::set<std::string>> unseen_on_;   // leases, by node of card
  std::map<std::string, int64_t> orphans_;     // leases without a claim, since
  std::map<std::string, int64_t> gang_since_;  // first member placed, not all running yet
  std::unordered_map<std::string, std::map<std::string, int64_t>> avoided_;  // pod, node, until
  struct Aimed {
    LeaseAim aim;
    int64_t generation = 0;  // of the lease that says it; 0: not written yet
  };
  std::unordered_map<std::string, Aimed> aims_;  // by lease
  std::set<std::string> leaving_, refused_;      // pods; leases
  std::set<std::string> landed_;                 // leases
  std::map<std::string, int64_t> departing_;     // leases that are to move, since
  std::map<std::string, int64_t> spared_;        // pods, until

  std::map<std::string, FitRecord> fits_;  // by what decides them
  std::unordered_map<std::string, std::string> fit_names_;
  std::unordered_map<std::string, UnitState> units_;
  std::unordered_set<std::string> dirty_units_;
  // Units with a trouble; that are kept from nodes; that rest.
  std::set<std::string> troubled_, misfits_, resting_;
  std::set<std::string> unfinished_, unleased_, stale_leases_, unreserved_, held_leases_;
  std::set<std::string> dirty_sites_;
  bool structure_ = true, queues_changed_ = false;
  bool marks_ = false;  // from the first look on; that one looks at everything
  uint64_t changes_ = 0, next_fit_ = 0;
  int64_t now_ms_ = 0;
  std::unique_ptr<sched::Planner> planner_;
  // What the emitted work takes, so that nothing is told that cannot be.
  struct Room {
    int64_t cpu = 0, memory = 0;
    int64_t ncu = 1000;  // milli-NCU of a card, on average
    std::vector<int64_t> milli, card_memory;
  };
  std::unordered_map<std::string, Room> room_;
};

}  // namespace flexai::control
