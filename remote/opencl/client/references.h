// Counting references: here, so that no handle dangles, and at the worker, so that the driver's
// counts are the program's. Neither costs a round trip. Threads: any.
#pragma once

#include "remote/opencl/client/client.h"
#include "remote/opencl/client/outgoing.h"

namespace flexai::remote::opencl {

template <typename Handle>
cl_int retain(Handle handle, cl_int (*tell)(Mode, Handle)) {
  auto* object = get(handle);
  if (object == nullptr || object->refs.load() == 0) return invalid_code(kKindOf<Handle>);
  object->refs.fetch_add(1, std::memory_order_relaxed);
  tell(Mode::kTell, handle);
  return CL_SUCCESS;
}

// Always succeeds with a handle that is one: what is gone is released too.
template <typename Handle>
cl_int release(Handle handle, cl_int (*tell)(Mode, Handle)) {
  auto* object = get(handle);
  if (object == nullptr) return invalid_code(kKindOf<Handle>);
  uint32_t refs = object->refs.load();
  do {
    if (refs == 0) return invalid_code(kKindOf<Handle>);
  } while (!object->refs.compare_exchange_weak(refs, refs - 1));
  // The last one is told when nothing here needs the object any more; an event's at once, because
  // its end may come when nothing can be sent.
  if (refs > 1 || kKindOf<Handle> == kEvent) tell(Mode::kTell, handle);
  if (refs == 1) drop(object);
  return CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
