#include "apps/sim/tenants.h"

#include <gtest/gtest.h>

#include "apps/sim/mix_file.h"

namespace flexai::apps::sim {
namespace {

constexpr const char* kTown =
    "[[nodes]]\ncount = 6\nmodel = \"A\"\ncards = 4\ncpu_milli = 64000\nmemory_mib = 100000\n"
    "[[tasks]]\ncount = 300\ncard_milli = [100, 900]\ncpu_milli = [500, 4000]\n"
    "seconds = [600, 7200]\n"
    "[[tasks]]\ncount = 200\ncard_milli = 1000\ncpu_milli = 4000\nseconds = [600, 7200]\n"
    "[[tasks]]\ncount = 25\ncards = 4\ncpu_milli = 16000\nseconds = [1800, 7200]\n";

TenantResult town(double load, uint64_t seed) {
  const auto trace = parse_mix(kTown, "town.toml");
  EXPECT_TRUE(trace.ok()) << trace.error().message;
  TenantOptions options;
  options.queues = 4;
  options.thin = 1;
  options.tasks = 1200;
  options.load = load;
  options.tick_s = 60;
  options.seed = seed;
  const auto result = run_tenants(*trace, options);
  EXPECT_TRUE(result.ok());
  return *result;
}

// Overloaded for a day: every promise to a queue is kept, nothing goes back and forth, and the
// plans of the session that lives on are those of the snapshot.
TEST(Tenants, PromisesHoldUnderLoad) {
  size_t suspends = 0, moves = 0;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const TenantResult r = town(1.3, seed);
    EXPECT_LE(r.longest_below_guarantee_s, 60) << seed;
    EXPECT_EQ(r.loops, 0u) << seed;
    EXPECT_LT(r.longest_unrest, 16) << seed;
    EXPECT_EQ(r.differing, 0u) << seed;
    EXPECT_LE(r.worst_distance, 20) << seed;  // the largest demand is four of 24 cards
    EXPECT_GT(r.used, 85) << seed;
    EXPECT_GT(r.distance_by_window.size(), 20u) << seed;
    suspends += r.suspends;
    moves += r.moves;
  }
  EXPECT_GT(suspends, 20u);
  EXPECT_GT(moves, 5u);
}

// Nobody is stopped for others when there is room for all.
TEST(Tenants, LittleIsStoppedWhenThereIsRoom) {
  const TenantResult r = town(0.4, 1);
  EXPECT_LE(r.requeues + r.kills, 5u);
  EXPECT_LT(r.wait_mean_s, 60);
}

}  // namespace
}  // namespace flexai::apps::sim
