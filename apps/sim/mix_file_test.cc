#include "apps/sim/mix_file.h"

#include <gtest/gtest.h>

namespace flexai::apps::sim {
namespace {

const std::string kNodes =
    "[[nodes]]\ncount = 3\nmodel = \"A\"\ncards = 8\ncpu_milli = 96000\nmemory_mib = 100000\n";

TEST(MixFile, HoldsWhatItSays) {
  const auto trace = parse_mix(
      kNodes + "[[tasks]]\ncount = 50\ncard_milli = [100, 200]\nmodels = [\"A\"]\nseconds = 60\n",
      "mix.toml");
  ASSERT_TRUE(trace.ok()) << trace.error().message;
  EXPECT_EQ(trace->nodes.size(), 3u);
  ASSERT_EQ(trace->tasks.size(), 50u);
  for (const TraceTask& task : trace->tasks) {
    EXPECT_GE(task.shape.milli, 100);
    EXPECT_LE(task.shape.milli, 200);
    EXPECT_EQ(task.shape.models, 1u);
    EXPECT_EQ(task.deleted_s - task.created_s, 60);
  }
}

TEST(MixFile, IsTheSameEveryTime) {
  const std::string text = kNodes + "[[tasks]]\ncount = 20\ncard_milli = [1, 1000]\n";
  const auto a = parse_mix(text, "m"), b = parse_mix(text, "m");
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(a->tasks[i].shape, b->tasks[i].shape);
}

struct Bad {
  const char* text;
  const char* says;
};

TEST(MixFile, ErrorsNameLineAndField) {
  for (const Bad& bad : {
           Bad{"[[tasks]]\ncard_milli = 1001\n", "mix.toml:8: tasks[0].card_milli is 1001"},
           Bad{"[[tasks]]\ncards = -1\n", "mix.toml:8: tasks[0].cards is -1"},
           Bad{"[[tasks]]\n\ncard_milli = [5, 1]\n", "mix.toml:9: tasks[0].card_milli is 1"},
           Bad{"[[tasks]]\ncpu_milli = \"2\"\n", "mix.toml:8: tasks[0].cpu_milli must be"},
           Bad{"[[tasks]]\ncolour = 3\n", "mix.toml:8: tasks[0].colour is not known"},
           Bad{"[[tasks]]\nmodels = [\"Z\"]\n", "no node has a card of model \"Z\""},
           Bad{"[[tasks]]\ncards = = 2\n", "mix.toml:8: "},
           Bad{"", "there is no [[tasks]]"},
       }) {
    const auto trace = parse_mix(kNodes + bad.text, "mix.toml");
    ASSERT_FALSE(trace.ok()) << bad.text;
    EXPECT_NE(trace.error().message.find(bad.says), std::string::npos) << trace.error().message;
  }
  const auto none = parse_mix("[[nodes]]\nmodel = \"A\"\n[[tasks]]\n", "mix.toml");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("mix.toml:1: nodes[0].cards is missing"), std::string::npos)
      << none.error().message;
}

}  // namespace
}  // namespace flexai::apps::sim
