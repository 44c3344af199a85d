#include "remote/deferred_errors.h"

#include <gtest/gtest.h>

namespace flexai::remote {
namespace {

DeferredError error(ObjectId queue, int32_t code) {
  return {.queue = queue, .call = 7, .entry = 76, .code = code, .later = 0, .text = "kernel k"};
}

TEST(DeferredErrors, TheFirstOfAQueueIsReportedOnceWithTheCountOfTheRest) {
  DeferredErrors errors;
  EXPECT_TRUE(errors.empty());
  errors.add(error(1, -5));
  errors.add(error(1, -14));
  errors.add(error(1, -14));
  errors.add(error(2, -4));
  auto first = errors.take(1);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->code, -5);
  EXPECT_EQ(first->later, 2u);
  EXPECT_FALSE(errors.take(1).has_value());
  EXPECT_EQ(errors.take(2)->code, -4);
  EXPECT_TRUE(errors.empty());
}

TEST(DeferredErrors, OfAReleasedQueueAreForgotten) {
  DeferredErrors errors;
  errors.add(error(1, -5));
  errors.forget(1);
  EXPECT_TRUE(errors.empty());
}

TEST(DeferredErrors, TravelWholeOrNotAtAll) {
  wire::Writer writer;
  encode(error(9, -61), writer);
  auto read = decode_deferred_error(writer.bytes());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, error(9, -61));
  for (size_t size = 0; size < writer.bytes().size(); ++size)
    EXPECT_FALSE(decode_deferred_error(writer.bytes().first(size)).ok());
}

}  // namespace
}  // namespace flexai::remote
