// Wake: whether anything that changed since can have made room for a demand that had none anywhere.
// Work that waits is asked for in every plan; without this each of a thousand kinds of it would
// look at every node that changed, though next to none of them can help.
//
// The cluster's log is cut into pieces of kPiece changes. A piece keeps for each card model, by the
// largest free share and by the number of whole cards, the most of everything else that a changed
// node with at least that has. A demand looks at one such envelope a piece and model. Coarse like
// the key (sched/room_key.h): who is left asleep has no room for certain, who is woken must look. A
// node that changes again after its piece was read is noted in a later piece, so nothing is missed.
//
// One Wake a Cluster; not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "sched/cluster.h"

namespace flexai::sched {

class Wake {
 public:
  // The nodes noted at or after position `since` that may have room, into the front of `out`;
  // returns how many. `models`: bits of those that will do, or kAnyModel; of others it may still
  // name some. REQUIRES: the log still holds the position.
  size_t collect(const Cluster& cluster, uint64_t since, RoomKey need, uint64_t models,
                 std::vector<NodeId>* out);

 private:
  static constexpr uint64_t kPiece = 128;
  static constexpr int kShareShift = 6;  // of the largest free share, for its level
  struct Envelope {
    std::array<RoomKey, (size_t{1} << (room_key::kMostBits - kShareShift))> by_share{};
    std::array<RoomKey, kMaxCards + 1> by_whole{};
  };
  struct Piece {
    bool read = false;
    std::vector<Envelope> seen{1};  // first of all models, then of each
  };
  const Piece& read(const Cluster& cluster, uint64_t number);
  static bool may_have_room(const Piece& piece, RoomKey need, uint64_t models);

  std::deque<Piece> pieces_;
  uint64_t first_ = 0;  // number of pieces_.front()
};

}  // namespace flexai::sched
