#include "sched/wake.h"

#include <algorithm>
#include <bit>

namespace flexai::sched {
namespace {

constexpr RoomKey mask(int bits, int at) { return ((RoomKey{1} << bits) - 1) << at; }
constexpr RoomKey kFields[] = {
    mask(room_key::kMostBits, 0),
    mask(room_key::kWholeBits, room_key::kWholeAt),
    mask(room_key::kCpuBits, room_key::kCpuAt),
    mask(room_key::kMemoryBits, room_key::kMemoryAt),
    mask(room_key::kNetworkBits, room_key::kNetworkAt),
    mask(room_key::kOpenBits, room_key::kOpenAt),
};

RoomKey most_of_each(RoomKey a, RoomKey b) {
  RoomKey most = 0;
  for (RoomKey field : kFields) most |= std::max(a & field, b & field);
  return most;
}

template <size_t kLevels>
void from_above(std::array<RoomKey, kLevels>* levels) {
  for (size_t i = kLevels - 1; i > 0; --i)
    (*levels)[i - 1] = most_of_each((*levels)[i - 1], (*levels)[i]);
}

size_t share(RoomKey key) { return key & kFields[0]; }
size_t whole(RoomKey key) { return (key & kFields[1]) >> room_key::kWholeAt; }

}  // namespace

const Wake::Piece& Wake::read(const Cluster& cluster, uint64_t number) {
  Piece& piece = pieces_[number - first_];
  if (piece.read) return piece;
  piece.read = true;
  const uint64_t from = std::max(number * kPiece, cluster.log_start());
  for (uint64_t i = from; i < (number + 1) * kPiece; ++i) {
    const NodeId node = cluster.changed(i);
    if (node == kNone) continue;
    const RoomKey key = cluster.keys()[node];
    const size_t model = size_t{cluster[node].model} + 1;
    if (model >= piece.seen.size()) piece.seen.resize(model + 1);
    for (Envelope* seen : {&piece.seen[0], &piece.seen[model]}) {
      RoomKey& shares = seen->by_share[share(key) >> kShareShift];
      RoomKey& wholes = seen->by_whole[std::min<size_t>(whole(key), kMaxCards)];
      shares = most_of_each(shares, key);
      wholes = most_of_each(wholes, key);
    }
  }
  for (Envelope& seen : piece.seen) {
    from_above(&seen.by_share);
    from_above(&seen.by_whole);
  }
  return piece;
}

bool Wake::may_have_room(const Piece& piece, RoomKey need, uint64_t models) {
  const size_t wholes = whole(need), shares = share(need) >> kShareShift;
  if (wholes > kMaxCards) return false;
  auto room = [&](const Envelope& e) {
    return sched::may_have_room(wholes > 0 ? e.by_whole[wholes] : e.by_share[shares], need);
  };
  if (!room(piece.seen[0])) return false;
  if (models == kAnyModel) return true;
  for (uint64_t rest = models; rest != 0; rest &= rest - 1) {
    const auto model = static_cast<size_t>(std::countr_zero(rest)) + 1;
    if (model < piece.seen.size() && room(piece.seen[model])) return true;
  }
  return false;
}

size_t Wake::collect(const Cluster& cluster, uint64_t since, RoomKey need, uint64_t models,
                     std::vector<NodeId>* out) {
  if (since == cluster.changes()) return 0;
  const uint64_t oldest = cluster.log_start() / kPiece;
  for (; first_ < oldest; ++first_)
    if (!pieces_.empty()) pieces_.pop_front();
  const uint64_t last = (cluster.changes() - 1) / kPiece;
  while (first_ + pieces_.size() <= last) pieces_.emplace_back();
  size_t found = 0;
  for (uint64_t number = since / kPiece; number <= last; ++number) {
    const bool full = (number + 1) * kPiece <= cluster.changes();  // else it is looked through
    if (full && !may_have_room(read(cluster, number), need, models)) continue;
    if (out->size() < found + kPiece) out->resize(found + kPiece);
    const uint64_t from = std::max(number * kPiece, since);
    const uint64_t to = std::min((number + 1) * kPiece, cluster.changes());
    for (uint64_t i = from; i < to; ++i) {
      const NodeId node = std::min(cluster.changed(i), static_cast<NodeId>(cluster.size()));
      (*out)[found] = node;
      found += sched::may_have_room(cluster.keys()[node], need);
    }
  }
  return found;
}

}  // namespace flexai::sched
