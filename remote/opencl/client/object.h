// The client's objects: what the program's handles point to. Each begins with the dispatch table,
// as cl_khr_icd wants it. A handle of another kind, or null, is told apart, and one that was
// released for good as long as its memory is not used again: for the next kGraves releases.
//
// Lifetime: `refs` are the program's references; `holds` keep the memory: one while there are
// references, one for each object made from it, one while a command is under way. Threads: any.
#pragma once

#include <CL/cl_icd.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "remote/opencl/client/info_cache.h"
#include "remote/opencl/kind.h"
#include "remote/opencl/landing.h"

namespace flexai::remote::opencl {

inline constexpr Kind kPlatform = 100;

// What objects begin with from now on; set once, before any call.
void set_dispatch(const cl_icd_dispatch* dispatch);

class Client;

struct Object {
  const cl_icd_dispatch* dispatch;
  const Kind kind;
  const ObjectId id;
  std::atomic<uint32_t> refs{1};
  std::atomic<uint32_t> holds{1};
  Object* const parent;   // held
  Object* const parent2;  // held
  Client* const client;   // whose worker has it: that of what it was made from

  Object(Kind kind, ObjectId id, Object* parent = nullptr, Object* parent2 = nullptr,
         Client* client = nullptr);

  // What is deleted keeps its dispatch table, so that a loader finds us, and is of no kind.
  static constexpr size_t kGraves = 1024;
  static void* operator new(size_t size);
  static void operator delete(void* at);
};

struct Platform : Object {
  Platform() : Object(kPlatform, 0) {}
};

struct Device : Object {
  Device(ObjectId id, Device* of, Client* client) : Object(kDevice, id, of, nullptr, client) {}
  Device* of() const { return static_cast<Device*>(parent); }  // a sub-device's; null for a card
  cl_device_type type = 0;
  InfoCache infos;
};

struct Context : Object {
  Context(ObjectId id, Client* client) : Object(kContext, id, nullptr, nullptr, client) {}
  std::vector<Device*> devices;
  std::vector<cl_context_properties> properties;
  base::Mutex mutex;
  std::vector<std::pair<void(CL_CALLBACK*)(cl_context, void*), void*>> ends
      FLEXAI_GUARDED_BY(mutex);
};

struct Queue : Object {
  Queue(ObjectId id, Context* context, Device* device)
      : Object(kCommandQueue, id, context, device) {}
  Context* context() const { return static_cast<Context*>(parent); }
  Device* device() const { return static_cast<Device*>(parent2); }
  cl_command_queue_properties properties = 0;
  std::vector<cl_queue_properties> list;
  std::atomic<uint64_t> begun{0}, ended{0};  // commands that have an event
};

class Pristine;

struct Mapped {
  ObjectId id = 0;
  Landing place;
  bool writes = false;
  std::shared_ptr<Pristine> pristine;  // null: all of it travels back
};

struct Mem : Object {
  Mem(ObjectId id, Context* context, Mem* of) : Object(kMem, id, context, of) {}
  Context* context() const { return static_cast<Context*>(parent); }
  Mem* of() const { return static_cast<Mem*>(parent2); }
  cl_mem_object_type type = CL_MEM_OBJECT_BUFFER;
  cl_mem_flags flags = 0;
  InfoCache infos;
  size_t size = 0;       // bytes; of images without gaps
  size_t offset = 0;     // of a sub-buffer
  bool granted = false;  // made without asking
  void* host_ptr = nullptr;
  cl_image_format format{};
  cl_image_desc desc{};
  base::Mutex mutex;
  std::byte* shadow FLEXAI_GUARDED_BY(mutex) = nullptr;  // the program's view of mapped bytes
  std::vector<Mapped> maps FLEXAI_GUARDED_BY(mutex);
  std::vector<std::pair<void(CL_CALLBACK*)(cl_mem, void*), void*>> ends FLEXAI_GUARDED_BY(mutex);
};

struct Sampler : Object {
  Sampler(ObjectId id, Context* context) : Object(kSampler, id, context) {}
  InfoCache infos;
};

// What the driver was found to accept for a kernel of a program; the same for all kernels of that
// name. Nothing that was accepted is asked again.
struct KernelFacts {
  base::Mutex mutex;
  std::map<uint64_t, bool> arguments FLEXAI_GUARDED_BY(mutex);  // index, size and form
  std::map<uint64_t, bool> launches FLEXAI_GUARDED_BY(mutex);   // shapes
  uint64_t needed FLEXAI_GUARDED_BY(mutex) = 0;                 // arguments set then
  InfoCache infos;
};

struct Program : Object {
  Program(ObjectId id, Context* context) : Object(kProgram, id, context) {}
  Context* context() const { return static_cast<Context*>(parent); }
  std::vector<Device*> devices;
  base::Mutex mutex;
  std::map<std::string, std::shared_ptr<KernelFacts>> kernels FLEXAI_GUARDED_BY(mutex);
  bool names_known FLEXAI_GUARDED_BY(mutex) = false;
  InfoCache infos;  // of the last build
  void(CL_CALLBACK* released)(cl_program, void*) = nullptr;
  void* released_data = nullptr;
};

struct Kernel : Object {
  Kernel(ObjectId id, Program* program) : Object(kKernel, id, program) {}
  Program* program() const { return static_cast<Program*>(parent); }
  std::shared_ptr<KernelFacts> facts;  // null: unknown name
  std::atomic<uint64_t> set{0};        // arguments that have a value, by index
};

struct Event;

struct CommandBuffer : Object {
  CommandBuffer(ObjectId id, Queue* queue) : Object(kCommandBuffer, id, queue) {}
  Queue* queue() const { return static_cast<Queue*>(parent); }
  std::vector<Queue*> queues;
  base::Mutex mutex;
  bool accepted FLEXAI_GUARDED_BY(mutex) = false;  // was enqueued on the queues it was made for
  Event* last FLEXAI_GUARDED_BY(mutex) = nullptr;  // of the newest such; held
};

// What a handle points to; only their types are used.
Platform* object_of(cl_platform_id);
Device* object_of(cl_device_id);
Context* object_of(cl_context);
Queue* object_of(cl_command_queue);
Mem* object_of(cl_mem);
Sampler* object_of(cl_sampler);
Program* object_of(cl_program);
Kernel* object_of(cl_kernel);
Event* object_of(cl_event);
CommandBuffer* object_of(cl_command_buffer_khr);
template <typename Handle>
using ObjectOf = decltype(object_of(Handle{}));

inline Object* object_at(const void* handle) {
  return static_cast<Object*>(const_cast<void*>(handle));
}

// Null for null and for handles of another kind.
template <typename Handle>
ObjectOf<Handle> get(Handle handle) {
  constexpr Kind kind = kKindOf<Handle> == 0 ? kPlatform : kKindOf<Handle>;
  Object* object = object_at(handle);
  if (object == nullptr || object->kind != kind) return nullptr;
  return static_cast<ObjectOf<Handle>>(object);
}

template <typename Handle, typename T>
Handle handle_of(T* object) {
  return reinterpret_cast<Handle>(static_cast<Object*>(object));
}

inline void hold(Object* object) {
  if (object != nullptr) object->holds.fetch_add(1, std::memory_order_relaxed);
}
// Gives a hold up. With the last one the worker is told and the memory freed, so not in a sink.
void drop(Object* object);

}  // namespace flexai::remote::opencl
