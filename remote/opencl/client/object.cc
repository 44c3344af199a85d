#include "remote/opencl/client/object.h"

#include <sys/mman.h>

#include <cstddef>
#include <new>

#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/outgoing.h"
#include "remote/opencl/wide/object.h"

namespace flexai::remote::opencl {

namespace {

const cl_icd_dispatch* g_dispatch = nullptr;
std::atomic<void*> g_graves[Object::kGraves];
std::atomic<size_t> g_buried{0};

// What is left of an object that ended: enough of its beginning to be told apart.
struct Grave {
  const cl_icd_dispatch* dispatch;
  Kind kind;
};
static_assert(offsetof(Object, kind) == offsetof(Grave, kind));

}  // namespace

void set_dispatch(const cl_icd_dispatch* dispatch) { g_dispatch = dispatch; }

Object::Object(Kind k, ObjectId i, Object* p, Object* p2, Client* c)
    : dispatch(g_dispatch),
      kind(k),
      id(i),
      parent(p),
      parent2(p2),
      client(c != nullptr || p == nullptr ? c : p->client) {
  hold(p);
  hold(p2);
}

void* Object::operator new(size_t size) { return ::operator new(size); }

void Object::operator delete(void* at) {
  if (at == nullptr) return;
  new (at) Grave{g_dispatch, 0};
  ::operator delete(g_graves[g_buried.fetch_add(1) % kGraves].exchange(at));
}

namespace {

// The destructor callbacks in the reverse order of their registration, as the API says.
template <typename Handle, typename T>
void run_ends(T* object) {
  decltype(object->ends) ends;
  {
    base::MutexLock lock(object->mutex);
    ends.swap(object->ends);
  }
  for (auto each = ends.rbegin(); each != ends.rend(); ++each)
    each->first(handle_of<Handle>(object), each->second);
}

void end_mem(Mem* mem) {
  wire_clReleaseMemObject(Mode::kTell, handle_of<cl_mem>(mem));
  Client::get().remove_argument(mem);
  if (mem->granted) Client::of(mem).give_grant(mem->size);
  run_ends<cl_mem>(mem);
  {
    base::MutexLock lock(mem->mutex);
    if (mem->shadow != nullptr) ::munmap(mem->shadow, mem->size);
  }
  delete mem;
}

void end_context(Context* context) {
  wire_clReleaseContext(Mode::kTell, handle_of<cl_context>(context));
  Client::of(context).remove_listener(context->id);
  run_ends<cl_context>(context);
  for (Device* device : context->devices) drop(device);
  delete context;
}

void end_program(Program* program) {
  wire_clReleaseProgram(Mode::kTell, handle_of<cl_program>(program));
  if (program->released != nullptr)
    program->released(handle_of<cl_program>(program), program->released_data);
  delete program;
}

void end_command_buffer(CommandBuffer* buffer) {
  Event* last = nullptr;
  {
    base::MutexLock lock(buffer->mutex);
    last = buffer->last;
  }
  drop(last);
  delete buffer;
}

// Tells the worker, for the kinds whose last release was put off, and frees.
void end(Object* object) {
  switch (object->kind) {
    case kMem:
      return end_mem(static_cast<Mem*>(object));
    case kContext:
      return end_context(static_cast<Context*>(object));
    case kProgram:
      return end_program(static_cast<Program*>(object));
    case kCommandQueue:
      wire_clReleaseCommandQueue(Mode::kTell, handle_of<cl_command_queue>(object));
      delete static_cast<Queue*>(object);
      return;
    case kKernel:
      wire_clReleaseKernel(Mode::kTell, handle_of<cl_kernel>(object));
      delete static_cast<Kernel*>(object);
      return;
    case kSampler:
      wire_clReleaseSampler(Mode::kTell, handle_of<cl_sampler>(object));
      Client::get().remove_argument(object);
      delete static_cast<Sampler*>(object);
      return;
    case kCommandBuffer:
      wire_clReleaseCommandBufferKHR(Mode::kTell, handle_of<cl_command_buffer_khr>(object));
      return end_command_buffer(static_cast<CommandBuffer*>(object));
    case kDevice:
      wire_clReleaseDevice(Mode::kTell, handle_of<cl_device_id>(object));
      delete static_cast<Device*>(object);
      return;
    case kEvent:
      delete static_cast<Event*>(object);
      return;
    default:
      return wide::end(object);
  }
}

}  // namespace

void drop(Object* object) {
  while (object != nullptr && object->holds.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    Object* const parent = object->parent;
    Object* const parent2 = object->parent2;
    const ObjectId id = object->id;
    Client* const client = id == 0 ? nullptr : &Client::of(object);
    end(object);
    if (client != nullptr && !client->in_child()) client->ids().give_back(id);
    drop(parent2);
    object = parent;
  }
}

}  // namespace flexai::remote::opencl
