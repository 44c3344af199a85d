// Holds docs/formats/shared-memory.md to the code: offsets and examples.
#include "limit/layout.h"

#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <map>
#include <regex>
#include <string>

#include "limit/ledger.h"
#include "limit/tally.h"

namespace flexai::limit {
namespace {

#define FIELD(type, name) \
  { #type "::" #name, offsetof(type, name) }

const std::map<std::string, size_t> kOffsets = {
    FIELD(ControlPage, magic),
    FIELD(ControlPage, version),
    FIELD(ControlPage, slice_id),
    FIELD(ControlPage, incarnation),
    FIELD(ControlPage, epoch_ns),
    FIELD(ControlPage, memory_limit),
    FIELD(ControlPage, share_milli),
    FIELD(ControlPage, ceiling_milli),
    FIELD(ControlPage, qos),
    FIELD(ControlPage, priority),
    FIELD(ControlPage, lease),
    FIELD(ControlPage, in_flight_bound_ns),
    FIELD(ControlPage, heartbeat_ns),
    FIELD(TenantPages, magic),
    FIELD(TenantPages, version),
    FIELD(TenantPages, slice_id),
    FIELD(TenantPages, total),
    FIELD(TenantPages, peak_bytes),
    FIELD(TenantPages, owners),
    FIELD(TenantPages, slots),
    FIELD(Slot, waiting),
    FIELD(Slot, in_flight),
    FIELD(Slot, busy_ns),
    FIELD(Slot, busy_since_ns),
    FIELD(Slot, est_end_ns),
    FIELD(Slot, idle_since_ns),
    FIELD(Slot, beat_ns),
    FIELD(Slot, launches),
    FIELD(Slot, copies),
    FIELD(Slot, waited_ns),
    FIELD(Slot, throttled_ns),
    FIELD(Slot, refused_allocations),
    FIELD(Slot, started_ns),
    FIELD(Slot, held),
    FIELD(Slot, reap_state),
    FIELD(Slot, reap_bytes),
    FIELD(Slot, reap_applied),
    FIELD(Slot, lanes),
    FIELD(Tally, bytes),
    FIELD(Tally, tag),
    FIELD(Lane, state),
    FIELD(Lane, bytes),
    FIELD(Lane, total_applied),
    FIELD(Lane, held_applied),
};

std::string page() {
  std::ifstream in(FLEXAI_SHARED_MEMORY_PAGE);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SharedMemoryPage, EveryFieldIsWhereThePageSays) {
  std::string text = page();
  std::regex row(R"(\n\| `(\w+::\w+)` \| (\d+) \|)");
  std::map<std::string, size_t> said;
  for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it)
    said[(*it)[1]] = std::stoul((*it)[2]);
  EXPECT_EQ(said, kOffsets);
  EXPECT_EQ(sizeof(Slot), 704u);
  EXPECT_EQ(kTenantBytes, 94208u);
  EXPECT_EQ(kLayoutVersion, 1u);
}

TEST(SharedMemoryPage, ExamplesDecodeAsThePageSays) {
  std::string text = page();
  int lines = 0;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) {
    const char* line = text.c_str() + ++at;
    uint64_t word = 0, a = 0, b = 0, c = 0;
    if (std::sscanf(line,
                    "lease 0x%" SCNx64 " sequence %" SCNu64 " flags %" SCNu64 " end_us %" SCNu64,
                    &word, &a, &b, &c) == 4) {
      EXPECT_EQ(lease::sequence(word), a);
      EXPECT_EQ(lease::flags(word), b);
      EXPECT_EQ(lease::end_us(word), c);
      EXPECT_EQ(lease::pack(a, b, c), word);
      ++lines;
    }
    if (std::sscanf(line, "tag 0x%" SCNx64 " slot %" SCNu64 " lane %" SCNu64 " sequence %" SCNu64,
                    &word, &a, &b, &c) == 4) {
      EXPECT_EQ(tally::tag(static_cast<uint32_t>(a), static_cast<uint32_t>(b), c), word);
      ++lines;
    }
    if (std::sscanf(line, "lane_state 0x%" SCNx64 " sequence %" SCNu64 " phase %" SCNu64, &word, &a,
                    &b) == 3) {
      EXPECT_EQ(a << 3 | b, word);
      EXPECT_EQ(static_cast<LanePhase>(b), LanePhase::kCommit);
      ++lines;
    }
  }
  EXPECT_EQ(lines, 5);
}

}  // namespace
}  // namespace flexai::limit
