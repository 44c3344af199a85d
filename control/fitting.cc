#include "control/fitting.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace flexai::control {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr size_t kMostResults = 32;  // of a claim; the API's bound
constexpr int kMostSteps = 50'000;   // each well below a microsecond, but for selectors
constexpr int kEasySteps = 256;

Result<bool> selected(const Card& card, const Request& request, const ClassFacts& of) {
  if (!card.foreign.empty()) return false;
  for (const auto* selectors : {&of.selectors, &request.selectors})
    for (const Selector& selector : *selectors) {
      const auto holds = cel::holds(*selector, card.seen);
      if (!holds.ok())
        return fail(Code::kInvalid, "device " + card.pool + "/" + card.name + ": selector, " +
                                        holds.error().message);
      if (!*holds) return false;
    }
  return true;
}

// What each capacity of the card gives to the request; nullopt: it asks for one that is not there,
// or for too much of the empty card.
std::optional<Amounts> consumed_of(const Card& card, const Request& request) {
  for (const auto& [name, amount] : request.asked)
    if (card.capacities.count(name) == 0) return std::nullopt;
  Amounts consumed;
  for (const auto& [name, capacity] : card.capacities) {
    const auto asked = request.asked.find(name);
    const auto taken = taken_of(
        capacity, asked == request.asked.end() ? std::nullopt : std::optional(asked->second));
    if (!taken) return std::nullopt;
    consumed[name] = *taken;
  }
  return consumed;
}

// Of a request's way and a card: what never changes while it is searched for.
struct Option {
  enum class May { kUnknown, kNo, kYes, kTaint, kError };
  May may = May::kUnknown;  // kTaint: but for a taint
  bool sized = false;       // the next is known
  std::optional<std::vector<Amount>> consumed;
};

// What is left of a card, its capacities in their order.
struct Left {
  std::vector<Amount> at_first, free;
  int here = 0;   // parts of it that are chosen at the moment
  int alike = 0;  // equal for cards that differ in nothing that is asked about; see find_alike()
};

std::vector<Amount> in_order(const Card& card, const Amounts& amounts) {
  std::vector<Amount> dense;
  for (const auto& [name, capacity] : card.capacities) {
    const auto at = amounts.find(name);
    dense.push_back(at == amounts.end() ? Amount{} : at->second);
  }
  return dense;
}

const cel::Value* attribute(const Card& card, const std::string& name) {
  const auto found = card.attributes.find(name);
  return found == card.attributes.end() ? nullptr : &found->second;
}

bool concerns(const Constraint& c, const std::string& request) {
  if (c.requests.empty()) return true;
  const std::string parent = request.substr(0, request.find('/'));
  return std::find(c.requests.begin(), c.requests.end(), request) != c.requests.end() ||
         std::find(c.requests.begin(), c.requests.end(), parent) != c.requests.end();
}

// One constraint of a claim, as numbers: a step of the search asks it thousands of times.
class Bond {
 public:
  Bond(const Constraint& c, const std::vector<CardState>& cards) : distinct_(c.distinct) {
    std::vector<const cel::Value*> known;
    for (const CardState& state : cards) {
      const cel::Value* own = attribute(*state.card, c.attribute);
      size_t id = 0;
      while (own != nullptr && id < known.size() &&
             !(own->v.index() == known[id]->v.index() && cel::equal(*own, *known[id])))
        ++id;
      if (own != nullptr && id == known.size()) known.push_back(own);
      value_.push_back(own == nullptr ? -1 : static_cast<int>(id));
    }
    taken_.assign(known.size(), 0);
  }

  bool allows(size_t card) const {
    const int id = value_[card];
    if (id < 0) return false;
    const int same = taken_[static_cast<size_t>(id)];
    return distinct_ ? same == 0 : same == total_;
  }
  void add(size_t card, int by) {
    taken_[static_cast<size_t>(value_[card])] += by;
    total_ += by;
  }
  int value(size_t card) const { return value_[card]; }

 private:
  const bool distinct_;
  std::vector<int> value_;  // by card; -1: it does not have the attribute
  std::vector<int> taken_;  // by value
  int total_ = 0;
};

class Search {
 public:
  Search(const std::vector<Asking>& asking, const std::vector<CardState>& cards)
      : asking_(asking), cards_(cards), chosen_(asking.size()), bonds_(asking.size()) {
    for (const CardState& state : cards) {
      Left left;
      for (const auto& [name, capacity] : state.card->capacities) {
        const auto used = state.used.find(name);
        left.free.push_back(used == state.used.end() ? capacity.whole
                                                     : capacity.whole - used->second);
      }
      left.at_first = left.free;
      left_.push_back(std::move(left));
    }
    for (size_t claim = 0; claim < asking.size(); ++claim) {
      for (const Constraint& c : facts(claim).constraints) bonds_[claim].emplace_back(c, cards);
      ways_.emplace_back();
      for (size_t r = 0; r < facts(claim).requests.size(); ++r) {
        ways_[claim].emplace_back();
        for (size_t w = 0; w < facts(claim).requests[r].size(); ++w)
          ways_[claim][r].push_back(way_of({claim, r}, w));
      }
    }
  }

  Result<std::vector<std::vector<Choice>>> run() {
    const bool found = claim(0);
    if (error_) return *error_;
    if (!found) return fail(Code::kExhausted, why_);
    std::vector<std::vector<Choice>> all(asking_.size());
    for (size_t claim = 0; claim < chosen_.size(); ++claim)
      for (const auto& [way, i] : chosen_[claim]) {
        const Request& r = *way->request;
        const Card& card = *cards_[i].card;
        all[claim].push_back({r.name, i, r.admin, card.shared ? *consumed_of(card, r) : Amounts{}});
      }
    return all;
  }

  int steps() const { return steps_; }

 private:
  struct At {
    size_t claim = 0, request = 0;
  };
  struct Way {
    At at;
    const Request* request = nullptr;
    const ClassFacts* of = nullptr;
    std::vector<Option> options;  // by card
    std::vector<Bond*> bonds;
  };

  const ClaimFacts& facts(size_t claim) const { return *asking_[claim].claim; }

  Way way_of(At at, size_t number) {
    Way way;
    way.at = at;
    way.request = &facts(at.claim).requests[at.request][number];
    way.of = asking_[at.claim].classes[at.request][number];
    way.options.resize(cards_.size());
    const auto& constraints = facts(at.claim).constraints;
    for (size_t c = 0; c < constraints.size(); ++c)
      if (concerns(constraints[c], way.request->name)) way.bonds.push_back(&bonds_[at.claim][c]);
    return way;
  }

  bool claim(size_t number) {
    if (number == asking_.size()) return true;
    return request({number, 0});
  }

  bool request(At at) {
    if (at.request == facts(at.claim).requests.size()) return claim(at.claim + 1);
    for (Way& way : ways_[at.claim][at.request]) {
      if (error_ || out_of_steps()) return false;
      if (way.request->all ? all(way) : some(way, way.request->count, 0)) return true;
    }
    return false;
  }

  bool next(const Way& way) { return request({way.at.claim, way.at.request + 1}); }

  bool out_of_steps() {
    if (++steps_ == kEasySteps) find_alike();
    if (steps_ <= kMostSteps) return false;
    error_ = fail(Code::kTimeout, "its combination of requests takes too long to find");
    return true;
  }

  // Asked for once only: selectors cost more than all the rest.
  const Option& option(Way& way, size_t i) {
    Option& known = way.options[i];
    if (known.may != Option::May::kUnknown) return known;
    const Card& card = *cards_[i].card;
    const auto chosen = selected(card, *way.request, *way.of);
    if (!chosen.ok())
      known.may = Option::May::kError;
    else if (!*chosen)
      known.may = Option::May::kNo;
    else
      known.may = untolerated(way.request->tolerations, card.taints) == nullptr
                      ? Option::May::kYes
                      : Option::May::kTaint;
    return known;
  }

  // Whether the request may have the card; what cannot be said ends the search.
  bool may_have(Way& way, size_t i) {
    const Option& known = option(way, i);
    if (known.may == Option::May::kError)
      error_ = selected(*cards_[i].card, *way.request, *way.of).error();
    return known.may == Option::May::kYes;
  }

  // nullptr: the card can never give so much.
  const std::vector<Amount>* size_of(Way& way, size_t i) {
    Option& known = way.options[i];
    if (!std::exchange(known.sized, true))
      if (const auto consumed = consumed_of(*cards_[i].card, *way.request))
        known.consumed = in_order(*cards_[i].card, *consumed);
    return known.consumed ? &*known.consumed : nullptr;
  }

  static bool has_room(const std::vector<Amount>& free, const std::vector<Amount>& more) {
    for (size_t c = 0; c < more.size(); ++c)
      if (more[c] > free[c]) return false;
    return true;
  }

  // `count` more cards, none before position `from`: the devices of one request are different ones,
  // as kube-scheduler has it; two requests may share one.
  bool some(Way& way, int64_t count, size_t from) {
    if (count <= 0) return next(way);
    if (chosen_[way.at.claim].size() + static_cast<uint64_t>(count) > kMostResults)
      return no("it asks for more than 32 devices");
    for (size_t i = from; i < cards_.size() && !error_; ++i) {
      if (out_of_steps()) return false;
      if (tried_alike(from, i) || !take(way, i)) continue;
      if (some(way, count - 1, i + 1)) return true;
      give_back(way, i);
    }
    return false;
  }

  bool all(Way& way) {
    std::vector<size_t> wanted;
    for (size_t i = 0; i < cards_.size(); ++i) {
      if (out_of_steps()) return false;
      const auto* size = size_of(way, i);
      if (size == nullptr || !has_room(left_[i].at_first, *size)) continue;
      if (may_have(way, i)) wanted.push_back(i);
      if (error_) return false;
      // All means this one too, and it cannot be had.
      if (option(way, i).may == Option::May::kTaint)
        return no("a device of all that it asks for has a taint");
    }
    if (wanted.empty()) return no("no device matches");
    if (chosen_[way.at.claim].size() + wanted.size() > kMostResults)
      return no("it asks for more than 32 devices");
    size_t done = 0;
    for (; done < wanted.size() && take(way, wanted[done]); ++done) {
    }
    if (!error_ && done == wanted.size() && next(way)) return true;
    while (done > 0) give_back(way, wanted[--done]);
    return false;
  }

  bool no(const char* why) {
    why_ = why;
    return false;
  }

  bool take(Way& way, size_t i) {
    if (!may_have(way, i)) return false;
    const bool here = left_[i].here > 0;
    const bool in_use = cards_[i].taken || (here && !cards_[i].card->shared);
    if (in_use && (!way.request->admin || here)) return false;
    const auto* size = size_of(way, i);
    if (size == nullptr || !has_room(left_[i].free, *size))
      return no("its devices have too little room");
    for (const Bond* bond : way.bonds)
      if (!bond->allows(i)) return no("its constraints cannot be satisfied");
    if (cards_[i].card->shared) change(&left_[i].free, *size, -1);
    ++left_[i].here;
    for (Bond* bond : way.bonds) bond->add(i, 1);
    chosen_[way.at.claim].emplace_back(&way, i);
    return true;
  }

  void give_back(Way& way, size_t i) {
    if (cards_[i].card->shared) change(&left_[i].free, *way.options[i].consumed, 1);
    --left_[i].here;
    for (Bond* bond : way.bonds) bond->add(i, -1);
    chosen_[way.at.claim].pop_back();
  }

  static void change(std::vector<Amount>* free, const std::vector<Amount>& by, int sign) {
    for (size_t c = 0; c < by.size(); ++c)
      (*free)[c] = sign > 0 ? (*free)[c] + by[c] : (*free)[c] - by[c];
  }

  // A search that is not over soon no longer tries a card when an equal one did not do. Not at
  // once: it takes all selectors on all cards to know which are equal.
  void find_alike() {
    int kinds = 0;
    for (size_t i = 0; i < cards_.size(); ++i) {
      for (size_t j = 0; j < i && left_[i].alike == 0; ++j)
        if (alike(i, j)) left_[i].alike = left_[j].alike;
      if (left_[i].alike == 0) left_[i].alike = ++kinds;
    }
  }

  bool alike(size_t a, size_t b) {
    if (cards_[a].card->shared != cards_[b].card->shared || cards_[a].taken != cards_[b].taken)
      return false;
    for (const auto& claim : bonds_)
      for (const Bond& bond : claim)
        if (bond.value(a) != bond.value(b)) return false;
    for (auto& requests : ways_)
      for (auto& ways : requests)
        for (Way& way : ways) {
          const auto *one = size_of(way, a), *other = size_of(way, b);
          if (option(way, a).may != option(way, b).may || (one == nullptr) != (other == nullptr) ||
              (one != nullptr && *one != *other))
            return false;
        }
    return true;
  }

  bool tried_alike(size_t from, size_t i) const {
    if (left_[i].alike == 0) return false;
    for (size_t j = from; j < i; ++j)
      if (left_[j].alike == left_[i].alike && left_[j].here == left_[i].here &&
          left_[j].free == left_[i].free)
        return true;
    return false;
  }

  const std::vector<Asking>& asking_;
  const std::vector<CardState>& cards_;
  std::vector<Left> left_;                                    // by card
  std::vector<std::vector<std::pair<Way*, size_t>>> chosen_;  // by claim: way and card
  std::vector<std::vector<Bond>> bonds_;                      // by claim, of its constraints
  std::vector<std::vector<std::vector<Way>>> ways_;           // by claim and request
  int steps_ = 0;
  std::optional<base::Error> error_;
  std::string why_ = "no device matches";
};

}  // namespace

Result<bool> selectable(const Card& card, const Request& request, const ClassFacts& of) {
  FLEXAI_TRY_ASSIGN(const bool chosen, selected(card, request, of));
  return chosen && untolerated(request.tolerations, card.taints) == nullptr;
}

Result<std::vector<std::vector<Choice>>> fit(const std::vector<Asking>& asking,
                                             const std::vector<CardState>& cards, int* steps) {
  Search search(asking, cards);
  auto found = search.run();
  if (steps != nullptr) *steps += search.steps();
  return found;
}

}  // namespace flexai::control
