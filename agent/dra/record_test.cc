#include "agent/dra/record.h"

#include <gtest/gtest.h>

namespace flexai::agent::dra {
namespace {

// As docs/formats/claims.md shows them.
const char* const kGrant = R"({
 "namespace": "team", "name": "train-card", "uid": "0b0c6a3e-1111-2222-3333-444455556666", "index": 0,
 "device": "card-1a2b3c4d", "share": "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1", "host": "plain"})";
const char* const kPrepared = R"({
 "namespace": "team", "name": "train-card", "uid": "0b0c6a3e-1111-2222-3333-444455556666", "results": [
  {"index": 0, "request": "xpu", "pool": "card", "device": "card-1a2b3c4d",
   "share": "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1", "run": 12}]})";

TEST(Record, TheDocumentedExamplesAreRead) {
  auto grant = read_grant(kGrant);
  ASSERT_TRUE(grant.ok()) << grant.error().message;
  EXPECT_EQ(grant->slice(), "k-0b0c6a3e-0");
  EXPECT_EQ(grant->host, "plain");
  EXPECT_EQ(*read_grant(write(*grant)), *grant);
  EXPECT_FALSE(grant->moved);
  grant->moved = true;
  EXPECT_TRUE(read_grant(write(*grant))->moved);
  auto prepared = read_prepared(kPrepared);
  ASSERT_TRUE(prepared.ok()) << prepared.error().message;
  EXPECT_EQ(prepared->results.at(0).run, 12u);
  EXPECT_EQ(*read_prepared(write(*prepared)), *prepared);
}

TEST(Record, DamagedOnesAreRefused) {
  for (const char* text : {"", "[]", "{}", R"({"uid": "../../etc"})", R"({"uid": ".x"})",
                           R"({"uid": "a", "index": 5000})", R"({"uid": "a", "more": 1})",
                           R"({"uid": "a", "results": [{"run": -1}]})"}) {
    EXPECT_FALSE(read_grant(text).ok()) << text;
    EXPECT_FALSE(read_prepared(text).ok()) << text;
  }
}

}  // namespace
}  // namespace flexai::agent::dra
