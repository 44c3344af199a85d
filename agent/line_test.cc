#include "agent/line.h"

#include <gtest/gtest.h>

#include <vector>

namespace flexai::agent {
namespace {

struct Waiter {
  bool fits = false;
  int tried = 0;
  std::function<bool()> attempt() {
    return [this] {
      ++tried;
      return fits;
    };
  }
};

TEST(Line, ServesInTheOrderOfComing) {
  Line line;
  Waiter first, second;
  second.fits = true;
  line.join("a", first.attempt());
  line.join("a", second.attempt());
  line.poke();
  EXPECT_EQ(second.tried, 0) << "the second must not overtake the first on the same card";
  first.fits = true;
  line.poke();
  EXPECT_EQ(second.tried, 1);
  EXPECT_EQ(line.size(), 0u);
}

TEST(Line, ACardsLineDoesNotHoldUpAnother) {
  Line line;
  Waiter first, second;
  second.fits = true;
  line.join("a", first.attempt());
  line.join("b", second.attempt());
  line.poke();
  EXPECT_EQ(second.tried, 1);
}

TEST(Line, WhoeverTakesAnyCardStandsInEveryLine) {
  Line line;
  Waiter any, named;
  named.fits = true;
  line.join("", any.attempt());
  line.join("b", named.attempt());
  line.poke();
  EXPECT_EQ(named.tried, 0);
  EXPECT_TRUE(line.ahead_of("c"));
}

TEST(Line, LeavingLetsTheNextMoveUp) {
  Line line;
  Waiter first, second;
  second.fits = true;
  uint64_t place = line.join("a", first.attempt());
  line.join("a", second.attempt());
  line.leave(place);
  line.poke();
  EXPECT_EQ(second.tried, 1);
  EXPECT_FALSE(line.ahead_of("a"));
}

}  // namespace
}  // namespace flexai::agent
