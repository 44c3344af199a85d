#include "remote/opencl/wide/ranges.h"

#include <algorithm>
#include <bit>

namespace flexai::remote::opencl::wide {
namespace {

const Token* arrival_at(const std::vector<std::pair<Place, Token>>& arrivals, Place place) {
  for (const auto& [where, token] : arrivals)
    if (where == place) return &token;
  return nullptr;
}

}  // namespace

Ranges::Need Ranges::need(size_t begin, size_t end, Place place) const {
  Need need;
  auto next = pieces_.upper_bound(begin);
  for (auto piece = std::prev(next); piece != pieces_.end() && piece->first < end; ++piece) {
    const Piece& its = piece->second;
    const Token* here = arrival_at(its.arrivals, place);
    if (its.at == 0) continue;
    if ((its.at >> place & 1) != 0) {
      if (here != nullptr && (*here)->moves &&
          std::find(need.under_way.begin(), need.under_way.end(), *here) == need.under_way.end())
        need.under_way.push_back(*here);
      continue;
    }
    const auto from = static_cast<Place>(std::countr_zero(its.at));
    const Token* after = arrival_at(its.arrivals, from);
    const Move move{std::max(begin, piece->first), std::min(end, its.end), from,
                    after == nullptr ? nullptr : *after};
    Move* last = need.moves.empty() ? nullptr : &need.moves.back();
    if (last != nullptr && last->end == move.begin && last->from == from &&
        last->after == move.after) {
      last->end = move.end;
    } else {
      need.moves.push_back(move);
    }
  }
  return need;
}

void Ranges::cut(size_t at) {
  auto piece = std::prev(pieces_.upper_bound(at));
  if (piece->first == at || at >= piece->second.end) return;
  Piece rest = piece->second;
  piece->second.end = at;
  pieces_[at] = std::move(rest);
}

void Ranges::join() {
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    auto next = std::next(piece);
    if (next == pieces_.end()) return;
    if (piece->second == next->second) {
      piece->second.end = next->second.end;
      pieces_.erase(next);
    } else {
      piece = next;
    }
  }
}

void Ranges::arrives(size_t begin, size_t end, Place place, const Token& token) {
  if (begin >= end) return;
  cut(begin);
  cut(end);
  for (auto piece = pieces_.find(begin); piece != pieces_.end() && piece->first < end; ++piece) {
    Piece& its = piece->second;
    its.at |= 1u << place;
    // The program's copy was for the first that needs it.
    if (place != kProgram) its.at &= ~(1u << kProgram);
    std::erase_if(its.arrivals, [&](const auto& each) {
      return each.first == place || (its.at >> each.first & 1) == 0;
    });
    if (token != nullptr) its.arrivals.emplace_back(place, token);
  }
  join();
}

void Ranges::written(size_t begin, size_t end, Place place, const Token& token) {
  if (begin >= end) return;
  cut(begin);
  cut(end);
  for (auto piece = pieces_.find(begin); piece != pieces_.end() && piece->first < end; ++piece) {
    piece->second.at = 1u << place;
    piece->second.arrivals.clear();
    if (token != nullptr) piece->second.arrivals.emplace_back(place, token);
  }
  join();
}

bool Ranges::only_at(Place place) const {
  return std::all_of(pieces_.begin(), pieces_.end(),
                     [&](const auto& piece) { return (piece.second.at & ~(1u << place)) == 0; });
}

bool Ranges::anything_at(Place place) const {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [&](const auto& piece) { return (piece.second.at >> place & 1) != 0; });
}

}  // namespace flexai::remote::opencl::wide
