// Snapshots from strangers: read, written and read again, decided; what the plan leaves is sound.
// Input: the text.
#include <nlohmann/json.hpp>

#include "sched/planner.h"
#include "sched/snapshot_json.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

constexpr size_t kMostNodes = 64, kMostWork = 64;  // so that an input takes milliseconds

bool small(const sched::Snapshot& s) {
  size_t members = 0;
  for (const model::Workload& w : s.workloads) members += w.members;
  return s.nodes.size() <= kMostNodes && members <= kMostWork;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto snapshot = sched::snapshot_from_text(text);
  if (!snapshot.ok()) {
    must(!snapshot.error().message.empty(), "a refusal says why");
    return 0;
  }
  const nlohmann::json written = sched::to_json(*snapshot);
  auto again = sched::snapshot_from_json(written);
  must(again.ok(), "a snapshot can be read as it is written");
  must(sched::to_json(*again) == written, "a snapshot is read as it is written");
  if (!small(*snapshot)) return 0;
  auto plan = sched::decide(*snapshot);
  must(plan.ok(), "what was read can be decided");
  must(*plan == *sched::decide(*again), "the same snapshot gives the same plan");
  const sched::Snapshot left = sched::after(*snapshot, *plan);
  must(sched::validate(left).ok(), "a plan overbooks nothing");
  auto planner = sched::Planner::open(*snapshot);
  must(planner.ok(), "what can be decided can be opened");
  must((*planner)->decide() == *plan, "a session that lives on decides the same");
  (*planner)->carry_out(*plan);
  const sched::Snapshot known = (*planner)->snapshot();
  must((*planner)->decide() == *sched::decide(known), "and so it does afterwards");
  return 0;
}
