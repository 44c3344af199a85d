// Objects of contexts whose devices are of several hosts. Each stands for one object on every host
// that needs it; those are made with the table below, which is the client's. They begin with a
// dispatch table of their own, so a loader brings calls on them to wide_ functions, and calls on
// objects of one host never come here.
//
// Memory is made on a host when a command there first uses it. Commands that use the same bytes of
// memory on different hosts run in the order in which they were enqueued.
//
// Threads: any. What changes with commands is guarded by the context's mutex, which is held while
// commands are sent (they are not waited for) so that they and the moves they need keep their
// order.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/object.h"
#include "remote/opencl/wide/ranges.h"

namespace flexai::remote::opencl::wide {

inline constexpr Kind kWideContext = 201, kWideQueue = 202, kWideMem = 203, kWideSampler = 204,
                      kWideProgram = 205, kWideKernel = 206, kWideEvent = 207;

// What the objects below are made with, and which host a device is of. Set once, before any call.
struct Below {
  Table table;
  const void* (*home)(cl_device_id);
  bool direct = false;  // the objects are the client's, whose bytes may go straight (direct.h)
};
void set_below(const Below& below);
const Table& below();
const void* home_of(cl_device_id device);
bool has_direct();

struct WideObject : Object {
  WideObject(Kind kind, Object* parent = nullptr, Object* parent2 = nullptr);
};

struct Host {
  cl_context context = nullptr;
  std::vector<cl_device_id> devices;
  cl_command_queue mover = nullptr;  // of commands that nobody asked for
};

struct WideMem;

struct WideContext : WideObject {
  WideContext() : WideObject(kWideContext) {}
  ~WideContext();
  Place host_of(cl_device_id device) const;  // hosts.size(): of none
  std::vector<Host> hosts;
  std::vector<cl_device_id> devices;
  std::vector<cl_context_properties> properties;
  base::Mutex mutex;
  // What an argument of a kernel may name, with a number that no other object had.
  std::unordered_map<const Object*, uint64_t> arguments FLEXAI_GUARDED_BY(mutex);
  uint64_t serial FLEXAI_GUARDED_BY(mutex) = 0;
  std::vector<std::pair<void(CL_CALLBACK*)(cl_context, void*), void*>> ends
      FLEXAI_GUARDED_BY(mutex);
};

struct WideQueue : WideObject {
  WideQueue(WideContext* context, Place on) : WideObject(kWideQueue, context), host(on) {}
  ~WideQueue();
  WideContext* context() const { return static_cast<WideContext*>(parent); }
  const Place host;
  cl_command_queue real = nullptr;
};

struct WideMem : WideObject {
  WideMem(WideContext* context, WideMem* of);
  ~WideMem();
  WideContext* context() const { return static_cast<WideContext*>(parent); }
  WideMem* of() const { return static_cast<WideMem*>(parent2); }
  WideMem* root() { return of() == nullptr ? this : of()->root(); }
  size_t start() const { return of() == nullptr ? 0 : offset + of()->start(); }  // in the root
  // Of bytes of memory, that is, not of the pixels of an image of its own.
  bool is_bytes() { return root()->type == CL_MEM_OBJECT_BUFFER; }

  cl_mem_object_type type = CL_MEM_OBJECT_BUFFER;
  cl_mem_flags flags = 0;
  size_t size = 0, offset = 0;
  cl_image_format format{};
  cl_image_desc desc{};
  void* host_ptr = nullptr;
  std::vector<cl_mem_properties> properties;

  // REQUIRES: the context's mutex, for all of these.
  std::vector<cl_mem> reals;                      // by host; null: not needed there yet
  std::unique_ptr<Ranges> ranges;                 // of a root
  std::shared_ptr<std::vector<std::byte>> given;  // the program's bytes, until a host has them
  struct Mapped {
    void* at;
    Place host;
    size_t begin, size;
    bool writes;
  };
  std::vector<Mapped> maps;
  std::vector<std::pair<void(CL_CALLBACK*)(cl_mem, void*), void*>> ends;
};

struct WideSampler : WideObject {
  explicit WideSampler(WideContext* context);
  ~WideSampler();
  WideContext* context() const { return static_cast<WideContext*>(parent); }
  std::vector<cl_sampler> reals;
};

struct WideProgram : WideObject {
  explicit WideProgram(WideContext* context) : WideObject(kWideProgram, context) {}
  ~WideProgram();
  WideContext* context() const { return static_cast<WideContext*>(parent); }
  std::vector<cl_program> reals;  // by host; null: its devices are not of the program
  std::vector<cl_device_id> devices;
  base::Mutex mutex;
  // Whether a kernel of that name writes what that argument names; of the last build.
  std::map<std::pair<std::string, cl_uint>, bool> writes FLEXAI_GUARDED_BY(mutex);
  void(CL_CALLBACK* released)(cl_program, void*) = nullptr;
  void* released_data = nullptr;
};

struct WideKernel : WideObject {
  explicit WideKernel(WideProgram* program) : WideObject(kWideKernel, program) {}
  ~WideKernel();
  WideProgram* program() const { return static_cast<WideProgram*>(parent); }
  std::vector<cl_kernel> reals;  // by host; null: it was not built there
  std::string name;
  struct Argument {
    WideMem* mem = nullptr;  // if it is still the one with this serial
    uint64_t serial = 0;
    bool writes = true;          // as far as is known
    std::vector<cl_mem> set_to;  // by host
  };
  std::unordered_map<cl_uint, Argument> arguments;  // REQUIRES: the context's mutex
};

struct WideEvent : WideObject {
  WideEvent(WideContext* context, WideQueue* queue, cl_command_type what, Place on);
  ~WideEvent();
  WideContext* context() const { return static_cast<WideContext*>(parent); }
  WideQueue* queue() const { return static_cast<WideQueue*>(parent2); }
  const cl_command_type command;
  const Place host;
  cl_event real = nullptr;
  // By host, REQUIRES: the context's mutex: user events that end when it does; null: not needed
  // yet. A user event of the program is one on every host.
  std::vector<cl_event> proxies;
};

template <typename T>
inline constexpr Kind kWideKind = 0;
template <>
inline constexpr Kind kWideKind<WideContext> = kWideContext;
template <>
inline constexpr Kind kWideKind<WideQueue> = kWideQueue;
template <>
inline constexpr Kind kWideKind<WideMem> = kWideMem;
template <>
inline constexpr Kind kWideKind<WideSampler> = kWideSampler;
template <>
inline constexpr Kind kWideKind<WideProgram> = kWideProgram;
template <>
inline constexpr Kind kWideKind<WideKernel> = kWideKernel;
template <>
inline constexpr Kind kWideKind<WideEvent> = kWideEvent;

// Null for null and for handles of another kind.
template <typename T>
T* wide(const void* handle) {
  Object* object = object_at(handle);
  return object == nullptr || object->kind != kWideKind<T> ? nullptr : static_cast<T*>(object);
}

template <typename T, typename Handle>
cl_int retain_wide(Handle handle, cl_int invalid) {
  T* object = wide<T>(handle);
  if (object == nullptr || object->refs.load() == 0) return invalid;
  object->refs.fetch_add(1, std::memory_order_relaxed);
  return CL_SUCCESS;
}

template <typename T, typename Handle>
cl_int release_wide(Handle handle, cl_int invalid) {
  T* object = wide<T>(handle);
  if (object == nullptr) return invalid;
  uint32_t refs = object->refs.load();
  do {
    if (refs == 0) return invalid;
  } while (!object->refs.compare_exchange_weak(refs, refs - 1));
  if (refs == 1) drop(object);
  return CL_SUCCESS;
}

// What a create returns. `made` belongs to it.
template <typename Handle, typename T>
Handle given(T* made, cl_int code, cl_int* errcode_ret) {
  if (errcode_ret != nullptr) *errcode_ret = code;
  if (code == CL_SUCCESS) return handle_of<Handle>(made);
  if (made != nullptr) {
    made->refs.store(0);
    drop(made);
  }
  return nullptr;
}

// The last hold was given up; called by drop().
void end(Object* object);

}  // namespace flexai::remote::opencl::wide
