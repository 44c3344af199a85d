// Queues: the tree of tenants with what each uses. Amounts are milli-NCU for cards, and parts of
// the cluster for the dominant share. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/queue.h"
#include "sched/reason.h"

namespace flexai::sched {

using QueueId = uint32_t;

struct Usage {
  int64_t ncu = 0;      // milli-NCU
  int64_t cpu = 0;      // milli
  int64_t memory = 0;   // MiB
  int64_t network = 0;  // Mbit/s of remote cards
  uint8_t model = 0;    // of the cards, for the caps
  int64_t milli = 0;    // milli-cards of that model
};

class Queues {
 public:
  // Parents may come after children; validate() has seen them. `models`: names by model number.
  Queues(const std::vector<model::Queue>& queues, const std::vector<std::string>& models,
         const Usage& cluster);

  QueueId parent(QueueId id) const { return parents_[id]; }
  const std::vector<QueueId>& children(QueueId id) const { return children_[id]; }
  QueueId root() const { return static_cast<QueueId>(parents_.size() - 1); }

  void charge(QueueId id, const Usage& usage, int sign);
  // kNone, kQueueLimit or kModelCap, looking at every queue above as well.
  Reason allows(QueueId id, const Usage& more) const;
  // What a queue may have back from others: its guarantee at once, what it deserves in the end.
  enum class Claim { kGuarantee, kDeserved };
  // What the one who gives must keep: what it deserves, or, for a guarantee that cannot be kept
  // otherwise, its own guarantee.
  enum class Keeps { kDeserved, kGuarantee };
  bool within(QueueId id, const Usage& more, Claim claim) const;
  // Whether `id` may take `more` from `from`, which gives `less`. Asked at every level up to where
  // the two part: all of `id`'s side must stay within the claim, the topmost of `from`'s side must
  // keep what `keeps` says, and everybody below it his guarantee.
  bool may_reclaim(QueueId id, const Usage& more, QueueId from, const Usage& less, Claim claim,
                   Keeps keeps) const;

  // Nodes are held for work of this queue that will use so much (negative: no longer): it counts
  // for whose turn it is and for entitled(), and for nothing else.
  void reserve(QueueId id, int64_t ncu);
  void reserve_nothing() { reserved_.assign(reserved_.size(), 0); }
  // No queue on the way up uses more than it deserves, what is reserved included.
  bool entitled(QueueId id) const;
  // Every queue on the way up uses less than it deserves.
  bool below_deserved(QueueId id) const;

  // Who is next: lower comes first. Under guarantee, then under deserved, by dominant share over
  // deserved part; then by what is over, for weight.
  struct Key {
    int band = 0;
    int64_t share = 0;  // millionths
    int64_t decayed = 0;
    bool operator<(const Key& o) const;
  };
  Key key(QueueId id, const Usage& more) const;
  int64_t used(QueueId id) const { return used_[id].ncu; }

 private:
  struct Cap {
    uint8_t model;
    int64_t milli;
  };
  int64_t dominant(QueueId id) const;  // millionths of the cluster

  std::vector<model::Queue> queues_;
  std::vector<QueueId> parents_;  // the last is the root of all
  std::vector<std::vector<QueueId>> children_;
  std::vector<Usage> used_;
  std::vector<int64_t> reserved_;  // milli-NCU
  std::vector<std::vector<Cap>> caps_;
  std::vector<std::vector<int64_t>> by_model_;
  Usage cluster_;
};

}  // namespace flexai::sched
