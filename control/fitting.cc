#include "control/fitting.h"

#include <algorithm>
#include <map>
#include <optional>

namespace flexai::control {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr size_t kMostResults = 32;  // of a claim; the API's bound
constexpr int kMostSteps = 20'000;

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

bool has_room(const Card& card, const Amounts& used, const Amounts& more) {
  for (const auto& [name, amount] : more) {
    const auto now = used.find(name);
    if ((now == used.end() ? Amount{} : now->second) + amount > card.capacities.at(name).whole)
      return false;
  }
  return true;
}

void add(Amounts* to, const Amounts& more, int sign) {
  for (const auto& [name, amount] : more)
    (*to)[name] = sign > 0 ? (*to)[name] + amount : (*to)[name] - amount;
}

class Search {
 public:
  Search(const std::vector<Asking>& asking, const std::vector<CardState>& cards)
      : asking_(asking), cards_(cards), chosen_(asking.size()) {}

  Result<std::vector<std::vector<Choice>>> run() {
    const bool found = claim(0);
    if (error_) return *error_;
    if (found) return std::move(chosen_);
    return fail(Code::kExhausted, why_);
  }

 private:
  struct At {
    size_t claim = 0, request = 0;
  };

  const ClaimFacts& facts(size_t claim) const { return *asking_[claim].claim; }

  bool claim(size_t number) {
    if (number == asking_.size()) return true;
    return request({number, 0});
  }

  bool request(At at) {
    if (at.request == facts(at.claim).requests.size()) return claim(at.claim + 1);
    const auto& ways = facts(at.claim).requests[at.request];
    for (size_t way = 0; way < ways.size() && !error_; ++way) {
      const ClassFacts& of = *asking_[at.claim].classes[at.request][way];
      if (ways[way].all ? all(at, ways[way], of) : some(at, ways[way], of, ways[way].count, 0))
        return true;
    }
    return false;
  }

  bool out_of_steps() {
    if (++steps_ <= kMostSteps) return false;
    error_ = fail(Code::kTimeout, "its combination of requests takes too long to find");
    return true;
  }

  // Whether the request may have the card; what cannot be said ends the search.
  bool may_have(const Card& card, const Request& request, const ClassFacts& of) {
    const auto key = std::make_pair(&card, &request);
    if (const auto known = selectable_.find(key); known != selectable_.end()) return known->second;
    const auto may = selectable(card, request, of);
    if (!may.ok()) {
      error_ = may.error();
      return false;
    }
    return selectable_[key] = *may;
  }

  // `left` more cards, none before position `from`: the devices of one request are different ones,
  // as kube-scheduler has it; two requests may share one.
  bool some(At at, const Request& r, const ClassFacts& of, int64_t left, size_t from) {
    if (left <= 0) return request({at.claim, at.request + 1});
    if (chosen_[at.claim].size() + static_cast<size_t>(left) > kMostResults) {
      why_ = "it asks for more than 32 devices";
      return false;
    }
    for (size_t i = from; i < cards_.size() && !error_; ++i) {
      if (out_of_steps()) return false;
      if (!take(at, r, of, i)) continue;
      if (some(at, r, of, left - 1, i + 1)) return true;
      give_back(at, r, i);
    }
    return false;
  }

  bool all(At at, const Request& r, const ClassFacts& of) {
    std::vector<size_t> wanted;
    for (size_t i = 0; i < cards_.size(); ++i) {
      const Card& card = *cards_[i].card;
      const auto consumed = consumed_of(card, r);
      if (!consumed || !has_room(card, cards_[i].used, *consumed)) continue;
      const bool may = may_have(card, r, of);
      if (error_) return false;
      if (may) wanted.push_back(i);
      // All means this one too, and it cannot be had.
      Request tolerant = r;
      tolerant.tolerations = {{"", "Exists", "", ""}};
      const auto would = selectable(card, tolerant, of);
      if (!may && would.ok() && *would) return no("a device of all that it asks for has a taint");
    }
    if (wanted.empty()) return no("no device matches");
    size_t done = 0;
    for (; done < wanted.size() && take(at, r, of, wanted[done]); ++done) {
    }
    if (!error_ && done == wanted.size() && request({at.claim, at.request + 1})) return true;
    while (done > 0) give_back(at, r, wanted[--done]);
    return false;
  }

  bool no(const char* why) {
    why_ = why;
    return false;
  }

  bool take(At at, const Request& r, const ClassFacts& of, size_t i) {
    const CardState& state = cards_[i];
    const Card& card = *state.card;
    if (!may_have(card, r, of)) return false;
    const bool in_use = state.taken || (taken_here_.count(i) != 0 && !card.shared);
    if (in_use && !r.admin) return false;
    if (in_use && r.admin && taken_here_.count(i) != 0) return false;
    const auto consumed = consumed_of(card, r);
    Amounts used = state.used;
    add(&used, here_[i], 1);
    if (!consumed || !has_room(card, used, *consumed))
      return no("its devices have too little room");
    if (!allowed(at, r, card)) return no("its constraints cannot be satisfied");
    Choice choice{r.name, i, r.admin, card.shared ? *consumed : Amounts{}};
    add(&here_[i], choice.consumed, 1);
    ++taken_here_[i];
    chosen_[at.claim].push_back(std::move(choice));
    return true;
  }

  void give_back(At at, const Request&, size_t i) {
    add(&here_[i], chosen_[at.claim].back().consumed, -1);
    if (--taken_here_[i] == 0) taken_here_.erase(i);
    chosen_[at.claim].pop_back();
  }

  static bool concerns(const Constraint& c, const std::string& request) {
    if (c.requests.empty()) return true;
    const std::string parent = request.substr(0, request.find('/'));
    return std::find(c.requests.begin(), c.requests.end(), request) != c.requests.end() ||
           std::find(c.requests.begin(), c.requests.end(), parent) != c.requests.end();
  }

  static const cel::Value* attribute(const Card& card, const std::string& name) {
    const auto found = card.attributes.find(name);
    return found == card.attributes.end() ? nullptr : &found->second;
  }

  bool allowed(At at, const Request& r, const Card& card) const {
    for (const Constraint& c : facts(at.claim).constraints) {
      if (!concerns(c, r.name)) continue;
      const cel::Value* own = attribute(card, c.attribute);
      if (own == nullptr) return false;
      for (const Choice& other : chosen_[at.claim]) {
        if (!concerns(c, other.request)) continue;
        const cel::Value* theirs = attribute(*cards_[other.card].card, c.attribute);
        const bool same = own->v.index() == theirs->v.index() && cel::equal(*own, *theirs);
        if (same == c.distinct) return false;
      }
    }
    return true;
  }

  const std::vector<Asking>& asking_;
  const std::vector<CardState>& cards_;
  std::vector<std::vector<Choice>> chosen_;
  std::map<size_t, Amounts> here_;
  std::map<size_t, int> taken_here_;
  std::map<std::pair<const Card*, const Request*>, bool> selectable_;
  int steps_ = 0;
  std::optional<base::Error> error_;
  std::string why_ = "no device matches";
};

}  // namespace

Result<bool> selectable(const Card& card, const Request& request, const ClassFacts& of) {
  if (!card.foreign.empty()) return false;
  for (const auto* selectors : {&of.selectors, &request.selectors})
    for (const Selector& selector : *selectors) {
      const auto holds = cel::holds(*selector, card.seen);
      if (!holds.ok())
        return fail(Code::kInvalid, "device " + card.pool + "/" + card.name + ": selector, " +
                                        holds.error().message);
      if (!*holds) return false;
    }
  return untolerated(request.tolerations, card.taints) == nullptr;
}

Result<std::vector<std::vector<Choice>>> fit(const std::vector<Asking>& asking,
                                             const std::vector<CardState>& cards) {
  return Search(asking, cards).run();
}

}  // namespace flexai::control
