// Shape: what one member of a workload asks for, reduced to integers. Equal demands share one
// ShapeId, so that everything that costs time is kept once a shape and not once a workload.
// Plain values; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

namespace flexai::sched {

using ShapeId = uint32_t;
using NodeId = uint32_t;

inline constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
inline constexpr int kMaxCards = 16;         // of one node
inline constexpr int kMaxModels = 64;        // of one cluster
inline constexpr int32_t kWholeCard = 1000;  // milli-cards
inline constexpr uint64_t kAnyModel = ~uint64_t{0};

// Where the card may be, seen from the processor that runs the program.
enum class Reach : uint8_t {
  kLocal,        // on the same node
  kPreferLocal,  // anywhere, at the cost of the remote rule
};

struct Shape {
  int32_t cpu_milli = 0;
  int32_t memory_mib = 0;
  int32_t card_memory_mib = 0;  // of each card
  int32_t network_mbps = 0;     // needed for each card when it is remote
  int32_t node_network_mbps =
      0;                       // what the node itself must have free; of parts of a remote demand
  int32_t remote_penalty = 0;  // milli-cards a remote card costs more than a local one
  int32_t near_penalty = 0;    // the same when it is in the zone of the processor
  int16_t milli = 0;           // of each card; kWholeCard when cards > 1
  uint8_t cards = 0;           // 0: needs no card
  Reach reach = Reach::kLocal;
  uint8_t kind = 0;               // of work, for quotas; 0: any
  bool cards_only = false;        // a part of a remote demand: the program runs elsewhere
  uint32_t fit = 0;               // where it may be, by number in the Cluster; 0: anywhere
  uint64_t models = kAnyModel;    // bit i: cards of model i will do
  uint64_t labels = 0;            // bit i: the node must carry label i
  uint64_t zones = ~uint64_t{0};  // bit i: nodes of zone i will do

  bool operator==(const Shape&) const = default;
  int32_t total_milli() const { return int32_t{milli} * cards; }
};

struct ShapeHash {
  size_t operator()(const Shape& shape) const;
};

class ShapeTable {
 public:
  // The id of an equal shape, made when there is none yet. Ids count from 0 without gaps.
  ShapeId intern(const Shape& shape);
  const Shape& operator[](ShapeId id) const { return shapes_[id]; }
  size_t size() const { return shapes_.size(); }

 private:
  std::vector<Shape> shapes_;
  std::unordered_map<Shape, ShapeId, ShapeHash> ids_;
};

}  // namespace flexai::sched
