#include "remote/opencl/worker/moves.h"

#include <algorithm>

#include "remote/opencl/link_calls.h"
#include "remote/opencl/worker/flow.h"
#include "remote/opencl/worker/landings.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

namespace {

using Bytes32 = std::array<std::byte, 32>;

Bytes32 secret(Incoming& call, const char* field) {
  Bytes32 made{};
  const auto values = call.values<std::byte>(field, made.size());
  if (values.count == made.size()) std::copy_n(values.values.begin(), made.size(), made.begin());
  return made;
}

// Everything of a buffer that is there, and nothing else.
cl_int check(const Table& table, cl_command_queue queue, const BufferRange& range) {
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (range.buffer == nullptr) return CL_INVALID_MEM_OBJECT;
  size_t size = 0;
  const cl_int code =
      table.clGetMemObjectInfo(range.buffer, CL_MEM_SIZE, sizeof size, &size, nullptr);
  if (code != CL_SUCCESS) return code;
  const bool within = range.size != 0 && range.size <= kMostMove && range.offset <= size &&
                      range.size <= size - range.offset;
  return within ? CL_SUCCESS : CL_INVALID_VALUE;
}

void allow(Incoming& call) {
  const Bytes32 key = secret(call, "key");
  if (!call.ready()) return;
  call.answer(call.worker().links()->allow(key).ok() ? CL_SUCCESS : CL_OUT_OF_RESOURCES);
}

void expect(Incoming& call) {
  const auto queue = call.handle<cl_command_queue>("queue");
  const auto buffer = call.handle<cl_mem>("buffer");
  const size_t offset = call.number<size_t>("offset"), size = call.number<size_t>("size");
  const Bytes32 ticket = secret(call, "ticket");
  const ObjectId event = call.id("event");
  call.may_make(event);
  if (!call.ready()) return;
  const BufferRange range{queue, buffer, offset, size};
  cl_int code = event == 0 ? CL_INVALID_VALUE : check(call.table(), queue, range);
  if (code == CL_SUCCESS) code = call.worker().landings().expect(call, range, ticket, event);
  call.answer(code);
}

void forget(Incoming& call) {
  const auto queue = call.handle<cl_command_queue>("queue");
  const Bytes32 ticket = secret(call, "ticket");
  if (!call.ready()) return;
  call.worker().landings().forget(ticket);
  call.answer(queue == nullptr ? CL_INVALID_COMMAND_QUEUE : CL_SUCCESS);
}

void send(Incoming& call) {
  const auto queue = call.handle<cl_command_queue>("queue");
  const auto buffer = call.handle<cl_mem>("buffer");
  const size_t offset = call.number<size_t>("offset"), size = call.number<size_t>("size");
  const auto count = call.number<cl_uint>("count");
  const auto waits = call.objects<cl_event>("waits", count, CL_INVALID_EVENT_WAIT_LIST);
  const char* link = call.text("link");
  const Bytes32 ticket = secret(call, "ticket");
  const ObjectId event = call.id("event");
  call.may_make(event);
  if (!call.ready()) return;
  const BufferRange range{queue, buffer, offset, size};
  cl_int code =
      event == 0 || link == nullptr ? CL_INVALID_VALUE : check(call.table(), queue, range);
  if (code == CL_SUCCESS) code = flow_over(call, range, {link, ticket}, count, waits, event);
  call.answer(code);
}

}  // namespace

bool serve_own(Incoming& call, uint16_t entry) {
  if (call.worker().links() == nullptr) return false;
  switch (entry) {
    case kAllowLink:
      allow(call);
      return true;
    case kExpectMove:
      expect(call);
      return true;
    case kForgetMove:
      forget(call);
      return true;
    case kSendMove:
      send(call);
      return true;
    default:
      return false;
  }
}

}  // namespace flexai::remote::opencl
