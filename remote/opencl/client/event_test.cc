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
  EXPECT_TRUE(event.expect(into));
  EXPECT_FALSE(event.receives);
  EXPECT_FALSE(event.send(memory, nullptr));
  EXPECT_EQ(event.landing.size(), kBulkBytes);
  event.let_go();
  event.finish(CL_COMPLETE);
  EXPECT_TRUE(event.done());
}

}  // namespace
}  // namespace flexai::remote::opencl
