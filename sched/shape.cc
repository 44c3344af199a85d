#include "sched/shape.h"

namespace flexai::sched {

size_t ShapeHash::operator()(const Shape& s) const {
  uint64_t hash = 0x9e3779b97f4a7c15u;
  auto mix = [&hash](uint64_t word) {
    hash ^= word;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  };
  mix(static_cast<uint64_t>(s.cpu_milli) << 32 | static_cast<uint32_t>(s.memory_mib));
  mix(static_cast<uint64_t>(s.card_memory_mib) << 32 | static_cast<uint32_t>(s.network_mbps));
  mix(static_cast<uint64_t>(s.remote_penalty) << 32 | static_cast<uint64_t>(s.milli) << 16 |
      static_cast<uint64_t>(s.cards) << 8 | static_cast<uint64_t>(s.reach));
  mix(static_cast<uint64_t>(s.near_penalty) << 32 | static_cast<uint32_t>(s.node_network_mbps));
  mix(static_cast<uint64_t>(s.fit) << 16 | static_cast<uint64_t>(s.cards_only) << 8 | s.kind);
  mix(s.models);
  mix(s.labels);
  mix(s.zones);
  return hash;
}

ShapeId ShapeTable::intern(const Shape& shape) {
  auto [at, fresh] = ids_.try_emplace(shape, static_cast<ShapeId>(shapes_.size()));
  if (fresh) shapes_.push_back(shape);
  return at->second;
}

}  // namespace flexai::sched
