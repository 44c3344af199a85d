// Gates over a driver that is made up, so that what threads do at the same time is done in order.
#include "limit/opencl/gate.h"

#include <gtest/gtest.h>

#include <array>

#include "limit/opencl/entries.h"

namespace flexai::limit::opencl {
namespace {

// Events: the lowest free place is the next one's, as with an allocator that likes to use again.
struct Event {
  int references = 0;
};
std::array<Event, 16> g_events;
Event* g_marker = nullptr;            // the last one, held by the driver until it has run
cl_event g_born_meanwhile = nullptr;  // by another thread, while a user event is being set

cl_event make() {
  for (Event& one : g_events)
    if (one.references == 0) {
      one.references = 1;
      return reinterpret_cast<cl_event>(&one);
    }
  return nullptr;
}
Event* of(cl_event event) { return reinterpret_cast<Event*>(event); }

cl_event CL_API_CALL create(cl_context, cl_int* code) {
  if (code != nullptr) *code = CL_SUCCESS;
  return make();
}
cl_int CL_API_CALL retain(cl_event event) {
  ++of(event)->references;
  return CL_SUCCESS;
}
cl_int CL_API_CALL release(cl_event event) {
  --of(event)->references;
  return CL_SUCCESS;
}
cl_int CL_API_CALL marker(cl_command_queue, cl_uint, const cl_event*, cl_event* event) {
  *event = make();
  g_marker = of(*event);
  ++g_marker->references;
  return CL_SUCCESS;
}
// The marker that waits for it runs at once and is over; then somebody makes a user event.
cl_int CL_API_CALL set(cl_event, cl_int) {
  if (g_marker != nullptr) --g_marker->references;
  g_marker = nullptr;
  g_born_meanwhile = limit_clCreateUserEvent(nullptr, nullptr);
  return CL_SUCCESS;
}
cl_int CL_API_CALL info(cl_event, cl_event_info name, size_t, void* value, size_t*) {
  if (name == CL_EVENT_REFERENCE_COUNT) *static_cast<cl_uint*>(value) = 2;
  return CL_SUCCESS;
}

TEST(Gates, ACommandThatEndsBeforeItIsKnownToStartKeepsItsAddress) {
  Table next;
  next.clCreateUserEvent = create;
  next.clRetainEvent = retain;
  next.clReleaseEvent = release;
  next.clEnqueueMarkerWithWaitList = marker;
  next.clSetUserEventStatus = set;
  next.clGetEventInfo = info;
  Process::get().set_next(next);
  int place = 0;
  auto* const handle = reinterpret_cast<cl_command_queue>(&place);
  Queues::get().add(std::make_shared<Queue>(handle, nullptr, nullptr,
                                            CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
                                            std::vector<cl_queue_properties>{}));
  cl_event user = limit_clCreateUserEvent(nullptr, nullptr);
  ASSERT_EQ(limit_clEnqueueMarkerWithWaitList(handle, 1, &user, nullptr), CL_SUCCESS);
  const Event* const known = g_marker;
  ASSERT_EQ(limit_clSetUserEventStatus(user, CL_COMPLETE), CL_SUCCESS);
  EXPECT_NE(of(g_born_meanwhile), known);
  EXPECT_TRUE(Gates::get().is_unset_user_event(g_born_meanwhile));
  EXPECT_FALSE(Gates::get().is_unset_user_event(user));
  EXPECT_EQ(known->references, 0) << "it is let go when it has started";
  Queues::get().remove(handle);
}

}  // namespace
}  // namespace flexai::limit::opencl
