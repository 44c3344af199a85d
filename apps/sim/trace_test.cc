#include "apps/sim/trace.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "apps/sim/csv.h"
#include "apps/sim/packing.h"

namespace flexai::apps::sim {
namespace {

class TraceFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "flexai-trace";
    std::filesystem::create_directories(folder_);
    write("openb_node_list_gpu_node.csv", "sn,cpu_milli,memory_mib,gpu,model\nn0,8000,1000,2,A\n");
    write("openb_pod_list_x.csv", kHeader + "p0,1000,10,1,500,\np1,1000,10,0,0,\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string said() {
    const auto trace = read_openb(folder_, "x");
    return trace.ok() ? "" : trace.error().message.substr(folder_.size() + 1);
  }

  const std::string kHeader = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";
  std::string folder_;
};

TEST_F(TraceFolder, IsRead) {
  const auto trace = read_openb(folder_, "x");
  ASSERT_TRUE(trace.ok()) << trace.error().message;
  EXPECT_EQ(trace->nodes.size(), 1u);
  EXPECT_EQ(trace->tasks[0].shape.milli, 500);
  EXPECT_EQ(trace->tasks[1].shape.cards, 0);
}

TEST_F(TraceFolder, ErrorsNameFileLineAndField) {
  write("openb_pod_list_x.csv", kHeader + "p0,1000,10,1,500,\np1,-5,10,1,500,\n");
  EXPECT_EQ(said(), "openb_pod_list_x.csv:3: cpu_milli: -5 is not in 0..10000000");
  write("openb_pod_list_x.csv", kHeader + "p0,1000,10,1,99999999999999999999,\n");
  EXPECT_NE(said().find("x.csv:2: gpu_milli: "), std::string::npos);
  write("openb_pod_list_x.csv", "name,cpu_milli,memory_mib,num_gpu\np0,1,1,1\n");
  EXPECT_EQ(said(), "openb_pod_list_x.csv:1: column \"gpu_milli\" is missing");
  write("openb_pod_list_x.csv", kHeader + "p0,1000\n");
  EXPECT_NE(said().find("the line ends before this field"), std::string::npos);
  write("openb_pod_list_x.csv", kHeader + "p0,1,1,1,500,Z\n");
  EXPECT_NE(said().find("no node has a card of model \"Z\""), std::string::npos);
  write("openb_pod_list_x.csv", kHeader + "p0,1,1,1,500,\np0,1,1,1,500,\n");
  EXPECT_NE(said().find("twice"), std::string::npos);
  write("openb_pod_list_x.csv", "");
  EXPECT_NE(said().find("is empty"), std::string::npos);
}

// The published figures of the default list, one seed each: far off means that a rule is wrong.
TEST(Openb, OneSeedIsNearThePublishedMean) {
  const auto folder = find_trace("openb");
  if (!folder.ok()) GTEST_SKIP() << folder.error().message;
  const auto trace = read_openb(*folder, "default");
  ASSERT_TRUE(trace.ok()) << trace.error().message;
  EXPECT_NEAR(run_packing(*trace, "default", "FGD", 1.3, 42).allocated[130], 95.39, 0.6);
  EXPECT_NEAR(run_packing(*trace, "default", "BestFit", 1.3, 42).allocated[130], 93.08, 0.8);
  EXPECT_NEAR(run_packing(*trace, "default", "Random", 1.3, 42).allocated[130], 87.47, 1.5);
  EXPECT_GT(run_packing(*trace, "default", "hi", 1.3, 42).allocated[130], 95.4);
  const PackingResult remote = run_packing(*trace, "default", "hi-remote", 1.3, 42);
  EXPECT_GT(remote.allocated[130], 96.0);
  EXPECT_LE(remote.remote, 1.0);
}

}  // namespace
}  // namespace flexai::apps::sim
