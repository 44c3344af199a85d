#include "kube/lease.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/object_view.h"

namespace flexai::kube {
namespace {

using nlohmann::json;

LeaseSpec spec() {
  LeaseSpec made;
  made.claim = {"train-card", "0b0c6a3e-1111-2222-3333-444455556666"};
  made.pod = {"train", "5d1f"};
  made.node = "plain";
  made.pool = "card";
  made.device = "card-1a2b3c4d";
  made.share_id = "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1";
  made.compute_milli = 300;
  made.memory_bytes = 1u << 30;
  made.queue = "default";
  made.state = LeaseState::kSuspended;
  made.hold = true;
  made.target = {"second", "card-5e6f7a8b"};
  return made;
}

TEST(Lease, WhatIsWrittenIsReadBack) {
  json object = lease_object("team", 2, spec());
  LeaseStatus status;
  status.observed_generation = 4;
  status.phase = LeasePhase::kFailed;
  status.slice = "k-0b0c6a3e-2";
  status.compute_milli = 300;
  status.used_milli = 210;
  status.reason = "NoRoom";
  status.message = "no room";
  status.since = "2026-01-01T00:00:00Z";
  object["status"] = status_json(status);
  auto lease = parse_lease(object.dump());
  ASSERT_TRUE(lease.ok()) << lease.error().message;
  EXPECT_EQ(lease->spec, spec());
  EXPECT_EQ(lease->status, status);
  EXPECT_EQ(lease->index, 2u);
  EXPECT_TRUE(lease->held);
  EXPECT_FALSE(lease->deleting);
}

TEST(Lease, OneOfAnotherShapeIsRefusedWithTheField) {
  const std::pair<const char*, json> cases[] = {
      {"/spec/claim/uid", 5},          {"/spec/pool", ""},
      {"/spec/device", json::array()}, {"/spec/compute", 1001},
      {"/spec/compute", "all"},        {"/spec/state", "Sleeping"},
      {"/metadata/name", "x-0"},       {"/metadata/name", "0b0c6a3e-1111-2222-3333-444455556666-x"},
      {"/metadata/name", "x"},         {"/spec", 1},
      {"/metadata", json::array()},    {"/spec/hold", "yes"},
      {"/spec/target", "second"},      {"/spec/target/device", ""}};
  for (const auto& [place, value] : cases) {
    json object = lease_object("team", 0, spec());
    object[json::json_pointer(place)] = value;
    auto lease = read_lease(object);
    ASSERT_FALSE(lease.ok()) << place << value;
    EXPECT_EQ(lease.error().code, base::Code::kCorrupt);
  }
}

}  // namespace
}  // namespace flexai::kube
