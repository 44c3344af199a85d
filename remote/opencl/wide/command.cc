#include "remote/opencl/wide/command.h"

#include <algorithm>

namespace flexai::remote::opencl::wide {

Use whole(cl_mem mem, Access access) {
  auto* its = wide<WideMem>(mem);
  return {its, 0, its == nullptr ? 0 : its->size, access};
}

Use part(cl_mem mem, size_t begin, size_t size, Access access) {
  return {wide<WideMem>(mem), begin, size, access};
}

namespace {

struct Range {
  size_t begin, end;  // in the root
};

// What is out of bounds the driver refuses.
Range range_of(const Use& use) {
  WideMem* mem = use.mem;
  if (!mem->is_bytes()) return {0, 1};
  if (mem->type != CL_MEM_OBJECT_BUFFER) return {mem->start(), mem->start() + mem->size};
  const size_t begin = std::min(use.begin, mem->size);
  return {mem->start() + begin, mem->start() + begin + std::min(use.size, mem->size - begin)};
}

bool is_complete(const WideEvent* event) {
  cl_int status = CL_QUEUED;
  below().clGetEventInfo(event->real, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                         nullptr);
  return status == CL_COMPLETE;
}

}  // namespace

Command::Command(cl_command_queue queue, cl_command_type type, Waits waits, cl_event* event)
    : queue_(wide<WideQueue>(queue)), type_(type), given_(waits), place_(event) {}

cl_int Command::check(const std::vector<Use>& uses) const {
  if (queue_ == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if ((given_.count == 0) != (given_.list == nullptr)) return CL_INVALID_EVENT_WAIT_LIST;
  for (const Use& use : uses) {
    if (use.mem == nullptr) return CL_INVALID_MEM_OBJECT;
    if (use.mem->context() != queue_->context()) return CL_INVALID_CONTEXT;
  }
  for (cl_uint i = 0; i < given_.count; ++i) {
    const auto* event = wide<WideEvent>(given_.list[i]);
    if (event == nullptr) return CL_INVALID_EVENT_WAIT_LIST;
    if (event->context() != queue_->context()) return CL_INVALID_CONTEXT;
  }
  return CL_SUCCESS;
}

cl_int Command::begin(const std::vector<Use>& uses) {
  cl_int code = CL_SUCCESS;
  // These wait for everything when they have nothing to wait for.
  const bool all = type_ == CL_COMMAND_MARKER || type_ == CL_COMMAND_BARRIER;
  for (cl_uint i = 0; code == CL_SUCCESS && i < given_.count; ++i) {
    auto* event = wide<WideEvent>(given_.list[i]);
    if (!all && event->host != queue_->host && is_complete(event)) continue;
    waits_.push_back(there(event, queue_->host, &code));
  }
  for (size_t i = 0; code == CL_SUCCESS && i < uses.size(); ++i) {
    if (real_of(uses[i].mem, queue_->host, &code) == nullptr) break;
    if (uses[i].access == Access::kWrite || uses[i].access == Access::kNone) continue;
    const Range range = range_of(uses[i]);
    code = bring(uses[i].mem->root(), range.begin, range.end, queue_->host, &waits_);
  }
  return code;
}

cl_mem Command::real(cl_mem mem) {
  const auto* its = wide<WideMem>(mem);
  return its == nullptr ? nullptr : its->reals[queue_->host];
}

void Command::wrote(const std::vector<Use>& uses) {
  if (real_ == nullptr) return;
  Token token;
  for (const Use& use : uses) {
    if (use.access == Access::kRead || use.access == Access::kNone) continue;
    if (token == nullptr) token = std::make_shared<EventArrival>(false, real_, queue_->real);
    const Range range = range_of(use);
    use.mem->root()->ranges->written(range.begin, range.end, queue_->host, token);
  }
}

cl_int Command::finish(cl_int code, bool blocking) {
  if (code != CL_SUCCESS || real_ == nullptr) return code;
  if (blocking) {
    code = below().clWaitForEvents(1, &real_);
    if (code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST && given_.count == 0)
      below().clGetEventInfo(real_, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof code, &code, nullptr);
  }
  if (place_ == nullptr || code != CL_SUCCESS) {
    below().clReleaseEvent(real_);
    return code;
  }
  auto* event = new WideEvent(queue_->context(), queue_, type_, queue_->host);
  event->real = real_;
  *place_ = handle_of<cl_event>(event);
  return code;
}

}  // namespace flexai::remote::opencl::wide
