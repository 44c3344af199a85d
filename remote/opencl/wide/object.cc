#include "remote/opencl/wide/object.h"

#include <algorithm>
#include <utility>

#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {

namespace {

const Below* g_below = nullptr;

template <typename T, typename Release>
void release_all(std::vector<T>& all, Release release) {
  for (T each : all)
    if (each != nullptr) release(each);
}

// In the reverse order of their registration, as the API says.
template <typename Handle, typename T, typename Ends>
void run_ends(T* object, const Ends& ends) {
  for (auto each = ends.rbegin(); each != ends.rend(); ++each)
    each->first(handle_of<Handle>(object), each->second);
}

// Nobody registers any more with an object that has no references.
auto ends_of(WideContext* context) {
  base::MutexLock lock(context->mutex);
  return std::exchange(context->ends, {});
}

}  // namespace

void set_below(const Below& below) { g_below = new Below(below); }
const Table& below() { return g_below->table; }
bool has_direct() { return g_below->direct; }
const void* home_of(cl_device_id device) {
  return g_below == nullptr ? nullptr : g_below->home(device);
}

WideObject::WideObject(Kind k, Object* p, Object* p2) : Object(k, 0, p, p2) {
  dispatch = wide_dispatch();
}

WideContext::~WideContext() {
  for (Host& host : hosts) {
    if (host.mover != nullptr) below().clReleaseCommandQueue(host.mover);
    if (host.context != nullptr) below().clReleaseContext(host.context);
  }
}

Place WideContext::host_of(cl_device_id device) const {
  for (size_t i = 0; i < hosts.size(); ++i) {
    const auto& its = hosts[i].devices;
    if (std::find(its.begin(), its.end(), device) != its.end()) return static_cast<Place>(i);
  }
  return static_cast<Place>(hosts.size());
}

WideQueue::~WideQueue() {
  if (real != nullptr) below().clReleaseCommandQueue(real);
}

WideMem::WideMem(WideContext* context, WideMem* of) : WideObject(kWideMem, context, of) {
  if (context == nullptr) return;
  base::MutexLock lock(context->mutex);
  reals.resize(context->hosts.size());
  context->arguments[this] = ++context->serial;
}

WideMem::~WideMem() {
  if (context() == nullptr) return;
  base::MutexLock lock(context()->mutex);
  context()->arguments.erase(this);
  release_all(reals, below().clReleaseMemObject);
}

WideSampler::WideSampler(WideContext* context) : WideObject(kWideSampler, context) {
  base::MutexLock lock(context->mutex);
  context->arguments[this] = ++context->serial;
}

WideSampler::~WideSampler() {
  base::MutexLock lock(context()->mutex);
  context()->arguments.erase(this);
  release_all(reals, below().clReleaseSampler);
}

WideProgram::~WideProgram() { release_all(reals, below().clReleaseProgram); }
WideKernel::~WideKernel() { release_all(reals, below().clReleaseKernel); }

WideEvent::WideEvent(WideContext* context, WideQueue* queue, cl_command_type what, Place on)
    : WideObject(kWideEvent, context, queue), command(what), host(on) {
  proxies.resize(context->hosts.size());
}

WideEvent::~WideEvent() {
  release_all(proxies, below().clReleaseEvent);
  if (real != nullptr) below().clReleaseEvent(real);
}

void end(Object* object) {
  switch (object->kind) {
    case kWideContext: {
      auto* context = static_cast<WideContext*>(object);
      run_ends<cl_context>(context, ends_of(context));
      delete context;
      return;
    }
    case kWideQueue:
      delete static_cast<WideQueue*>(object);
      return;
    case kWideMem: {
      auto* mem = static_cast<WideMem*>(object);
      run_ends<cl_mem>(mem, mem->ends);
      delete mem;
      return;
    }
    case kWideSampler:
      delete static_cast<WideSampler*>(object);
      return;
    case kWideProgram: {
      auto* program = static_cast<WideProgram*>(object);
      if (program->released != nullptr)
        program->released(handle_of<cl_program>(program), program->released_data);
      delete program;
      return;
    }
    case kWideKernel:
      delete static_cast<WideKernel*>(object);
      return;
    case kWideEvent:
      delete static_cast<WideEvent*>(object);
      return;
    default:
      return;
  }
}

}  // namespace flexai::remote::opencl::wide
