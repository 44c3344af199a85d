// Events of a process that has no session.
#include "remote/opencl/client/event.h"

#include <gtest/gtest.h>

#include "remote/message.h"

namespace flexai::remote::opencl {
namespace {

TEST(Event, WithoutASessionNothingComesAsBulk) {
  std::vector<std::byte> memory(kBulkBytes);
  Event event(0, nullptr, nullptr, CL_COMMAND_MAP_BUFFER);
  Landing into;
  into.at = memory.data();
  into.row = into.row_pitch = into.slice_pitch = memory.size();
  event.expect(into);
  EXPECT_FALSE(event.by_bulk);
  EXPECT_EQ(event.landing.size(), kBulkBytes);
  event.expect_nothing();
  event.finish(CL_COMPLETE);
  EXPECT_TRUE(event.done());
}

}  // namespace
}  // namespace flexai::remote::opencl
