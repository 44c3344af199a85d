// Ranges: where the newest bytes of one memory object are, piece by piece, when it has a copy on
// each of several hosts (write-invalidate, as in distributed shared memory: Li, Hudak, "Memory
// coherence in shared virtual memory systems", 1989, with the program's own synchronisation instead
// of faults). Bytes that nobody wrote are newest everywhere. Pure but for the tokens' own state.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace flexai::remote::opencl::wide {

using Place = unsigned;
inline constexpr Place kMostHosts = 16;
inline constexpr Place kProgram = kMostHosts;  // memory of the program itself

// What brings bytes to a place: a command of the program that writes them there, or a move.
struct Arrival {
  explicit Arrival(bool is_move) : moves(is_move) {}
  virtual ~Arrival() = default;
  const bool moves;
};
using Token = std::shared_ptr<Arrival>;

class Ranges {
 public:
  explicit Ranges(size_t size) { pieces_[0] = {size, 0, {}}; }

  struct Move {
    size_t begin, end;
    Place from;
    Token after;  // null: the bytes are there
  };
  struct Need {
    std::vector<Move> moves;       // what is not at the place
    std::vector<Token> under_way;  // moves that bring the rest of it there
  };
  // So that `place` has the newest of [begin, end).
  Need need(size_t begin, size_t end, Place place) const;

  void arrives(size_t begin, size_t end, Place place, const Token& token);  // one copy more
  void written(size_t begin, size_t end, Place place, const Token& token);  // the only copy
  bool only_at(Place place) const;  // all of it is there alone, or nowhere
  bool anything_at(Place place) const;

 private:
  struct Piece {
    size_t end;
    uint32_t at;  // places that have the newest; 0: nobody wrote it
    std::vector<std::pair<Place, Token>> arrivals;
    bool operator==(const Piece& other) const {
      return at == other.at && arrivals == other.arrivals;
    }
  };
  void cut(size_t at);
  void join();

  std::map<size_t, Piece> pieces_;  // by their first byte, without gaps
};

}  // namespace flexai::remote::opencl::wide
