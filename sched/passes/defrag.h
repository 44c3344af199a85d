// Defragmentation: room for a demand that fits nowhere, by moving few others. Tried on the cluster
// with every step undone when it does not work out, so a failed search leaves no trace but log
// entries. Only moves after which everybody has a place are proposed, and a mover is started at its
// new place before the old one is given up.
#pragma once

#include <vector>

#include "sched/placer.h"
#include "sched/residents.h"

namespace flexai::sched::passes {

struct Move {
  ResidentId resident = kNone;
  Placement from, to;
};

struct Room {
  bool found = false;
  std::vector<Move> moves;  // in order
  Placement at;             // of the demand, after the moves
};

struct DefragBudget {
  int moves = 1;   // most moves for one demand
  int tries = 64;  // most sets of movers tried for one demand
};

// When room is found the cluster and the residents hold the moves; the demand itself is not taken.
Room make_room(Cluster* cluster, Placer* placer, const ShapeTable& shapes, Residents* residents,
               ShapeId wanted, const DefragBudget& budget);

}  // namespace flexai::sched::passes
