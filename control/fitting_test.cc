#include "control/fitting.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace flexai::control {
namespace {

using base::Code;

constexpr const char* kCompute = "xpu.flexai.io/compute";
constexpr const char* kMemory = "xpu.flexai.io/memory";
constexpr const char* kBrand = "xpu.flexai.io/brand";
constexpr const char* kSlot = "xpu.flexai.io/slot";

// Claims and cards that live as long as the search.
class FittingTest : public ::testing::Test {
 protected:
  void card(int64_t compute, int64_t memory, int64_t brand = 0, bool tainted = false) {
    Card& c = *cards_.emplace_back(std::make_unique<Card>());
    c.pool = "n";
    c.name = "card-" + std::to_string(cards_.size() - 1);
    c.shared = true;
    c.capacities[kCompute].whole = Amount::whole(compute);
    c.capacities[kMemory].whole = Amount::whole(memory);
    c.attributes[kBrand] = {brand};
    c.attributes[kSlot] = {static_cast<int64_t>(cards_.size() - 1)};
    if (tainted) c.taints.push_back({"t", "", "NoSchedule"});
    states_.push_back({&c, static_cast<uint32_t>(cards_.size() - 1), false, {}});
  }

  Request way(int64_t compute, int64_t memory, int64_t count = 1, bool all = false) {
    Request r;
    r.asked = {{kCompute, Amount::whole(compute)}, {kMemory, Amount::whole(memory)}};
    r.count = count;
    r.all = all;
    return r;
  }

  void request(std::vector<Request> ways) {
    if (claims_.empty()) claims_.push_back(std::make_unique<ClaimFacts>());
    auto& requests = claims_.back()->requests;
    for (size_t i = 0; i < ways.size(); ++i)
      ways[i].name =
          "r" + std::to_string(requests.size()) + (ways.size() > 1 ? "/w" + std::to_string(i) : "");
    requests.push_back(std::move(ways));
  }
  void next_claim() { claims_.push_back(std::make_unique<ClaimFacts>()); }

  base::Result<std::vector<std::vector<Choice>>> search() {
    std::vector<Asking> asking;
    for (const auto& claim : claims_) {
      asking.push_back({claim.get(), {}});
      for (const auto& ways : claim->requests)
        asking.back().classes.emplace_back(ways.size(), &class_);
    }
    steps_ = 0;
    return fit(asking, states_, &steps_);
  }
  // "0 1|2": the cards by their position, claim by claim.
  std::string found() {
    const auto result = search();
    if (!result.ok()) return result.error().message;
    std::string text;
    for (const auto& claim : *result) {
      if (&claim != &result->front()) text += "|";
      for (const Choice& choice : claim)
        text += (text.empty() || text.back() == '|' ? "" : " ") + std::to_string(choice.card);
    }
    return text;
  }

  std::vector<std::unique_ptr<Card>> cards_;
  std::vector<CardState> states_;
  std::vector<std::unique_ptr<ClaimFacts>> claims_;
  ClassFacts class_;
  int steps_ = 0;
};

TEST_F(FittingTest, AnEarlierPieceLeavesTheOnlyCardThatWillDoToALaterOne) {
  card(1000, 32);
  card(1000, 16);
  request({way(1000, 1)});
  request({way(1000, 32, 1, true)});
  EXPECT_EQ(found(), "1 0");
  next_claim();
  request({way(1, 1)});
  EXPECT_EQ(found(), "its devices have too little room");
}

TEST_F(FittingTest, AnEarlierWayIsLeftWhenALaterRequestNeedsIt) {
  card(1000, 16);
  card(1000, 16);
  request({way(1000, 1, 2), way(1000, 1)});
  request({way(1000, 1)});
  EXPECT_EQ(found(), "0 1");
}

TEST_F(FittingTest, ALaterClaimOfThePodIsFoundRoomForToo) {
  card(1000, 32);
  card(1000, 16);
  request({way(600, 8)});
  next_claim();
  request({way(600, 30)});
  EXPECT_EQ(found(), "1|0");
}

TEST_F(FittingTest, EqualCardsAreNotAllTriedOneAfterTheOther) {
  for (int i = 0; i < 16; ++i) card(1000, 16);
  for (int i = 0; i < 17; ++i) request({way(600, 1)});
  EXPECT_EQ(found(), "its devices have too little room");
  EXPECT_LT(steps_, 10'000);
}

// 16 ways of taking all cards for each of 31 requests, and one that cannot be.
TEST_F(FittingTest, AHostileClaimIsGivenUp) {
  card(1000, 1000);
  for (int i = 0; i < 31; ++i) request(std::vector<Request>(8, way(1, 1, 1, true)));
  request({way(1000, 1)});
  const auto result = search();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kTimeout);
  EXPECT_LE(steps_, 50'001);
}

TEST_F(FittingTest, NoClaimGetsMoreDevicesThanTheServerTakes) {
  for (int i = 0; i < 12; ++i) card(1000, 16);
  for (int i = 0; i < 3; ++i) request({way(1, 1, 1, true)});
  EXPECT_EQ(found(), "it asks for more than 32 devices");
}

// Everything that could be chosen, tried without any order or cleverness.
class Naive {
 public:
  Naive(const ClaimFacts& claim, const std::vector<CardState>& cards)
      : claim_(claim), cards_(cards), compute_(cards.size()), memory_(cards.size()) {}
  bool possible(size_t request = 0) {
    if (request == claim_.requests.size()) return bound();
    for (const Request& way : claim_.requests[request])
      for (uint32_t set = 1; set < 1u << cards_.size(); ++set)
        if (wanted(way, set) && put(way, set, request)) return true;
    return false;
  }

 private:
  static bool taints(const CardState& s) { return !s.card->taints.empty(); }
  int64_t asked(const Request& way, const char* name) const { return way.asked.at(name).value(); }
  int64_t whole(size_t i, const char* name) const {
    return cards_[i].card->capacities.at(name).whole.value();
  }
  bool wanted(const Request& way, uint32_t set) const {
    if (!way.all) return std::bitset<32>(set).count() == static_cast<size_t>(way.count);
    for (size_t i = 0; i < cards_.size(); ++i) {
      const bool could =
          asked(way, kCompute) <= whole(i, kCompute) && asked(way, kMemory) <= whole(i, kMemory);
      if (could != ((set >> i & 1) != 0)) return false;
    }
    return true;
  }
  bool put(const Request& way, uint32_t set, size_t request) {
    bool fits = true;
    for (size_t i = 0; i < cards_.size(); ++i) {
      if ((set >> i & 1) == 0) continue;
      compute_[i] += asked(way, kCompute);
      memory_[i] += asked(way, kMemory);
      chosen_.emplace_back(way.name, i);
      fits = fits && compute_[i] <= whole(i, kCompute) && memory_[i] <= whole(i, kMemory) &&
             !taints(cards_[i]);
    }
    if (fits && possible(request + 1)) return true;
    for (size_t i = cards_.size(); i-- > 0;) {
      if ((set >> i & 1) == 0) continue;
      compute_[i] -= asked(way, kCompute);
      memory_[i] -= asked(way, kMemory);
      chosen_.pop_back();
    }
    return false;
  }
  bool bound() const {
    for (const Constraint& c : claim_.constraints) {
      std::vector<int64_t> values;
      for (const auto& [name, i] : chosen_)
        if (c.requests.empty() || c.requests[0] == name.substr(0, name.find('/')))
          values.push_back(*cards_[i].card->attributes.at(c.attribute).get<int64_t>());
      for (size_t a = 0; a < values.size(); ++a)
        for (size_t b = 0; b < a; ++b)
          if ((values[a] == values[b]) == c.distinct) return false;
    }
    return true;
  }

  const ClaimFacts& claim_;
  const std::vector<CardState>& cards_;
  std::vector<int64_t> compute_, memory_;
  std::vector<std::pair<std::string, size_t>> chosen_;
};

TEST_F(FittingTest, WhatIsPossibleIsFoundAndNothingElse) {
  std::mt19937 chance(1);
  const auto pick = [&](std::vector<int64_t> of) { return of[chance() % of.size()]; };
  int possible = 0, hard = 0;
  for (int round = 0; round < 3000; ++round) {
    cards_.clear();
    states_.clear();
    claims_.clear();
    const bool alike = chance() % 4 == 0;
    for (int64_t i = pick({2, 3, 4, 5}); i > 0; --i)
      card(1000, alike ? 16 : pick({8, 16, 32}), alike ? 0 : pick({0, 1}),
           !alike && chance() % 12 == 0);
    for (int64_t i = pick({1, 2, 3, 4}); i > 0; --i) {
      std::vector<Request> ways;
      for (int64_t w = pick({1, 1, 1, 2}); w > 0; --w)
        ways.push_back(way(pick({1, 300, 500, 700, 1000}), pick({1, 8, 12, 32}), pick({1, 1, 2, 3}),
                           chance() % 8 == 0));
      request(std::move(ways));
    }
    for (int64_t i = pick({0, 0, 1, 2}); i > 0; --i) {
      Constraint c;
      c.attribute = chance() % 2 == 0 ? kBrand : kSlot;
      c.distinct = chance() % 2 == 0;
      if (chance() % 3 == 0) c.requests = {"r0"};
      claims_.back()->constraints.push_back(c);
    }
    const bool could = Naive(*claims_.back(), states_).possible();
    const auto result = search();
    ASSERT_EQ(result.ok(), could) << "round " << round;
    possible += could;
    hard += steps_ > 256;
  }
  EXPECT_GT(possible, 500);
  EXPECT_LT(possible, 2500);
  EXPECT_GT(hard, 10);
}

}  // namespace
}  // namespace flexai::control
