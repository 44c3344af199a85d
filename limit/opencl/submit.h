// submit: the one way every metered command takes. Admits it, or sends it through a gate when it
// cannot start yet; hands it to the driver; books its end. `call(count, list, event)` is the
// driver's own enqueue.
#pragma once

#include <algorithm>

#include "limit/opencl/entries.h"
#include "limit/opencl/gate.h"

namespace flexai::limit::opencl {

// In-flight work is bounded in predicted time; this floor also bounds it in number, because the
// same kernel with other arguments may take a hundred times longer than it did.
inline constexpr Nanos kLeastBooking = 15 * base::kMicrosecond;

inline Nanos booking(const CostTable::Entry& entry) {
  return std::max(entry.least.load(std::memory_order_relaxed), kLeastBooking);
}

template <typename Call>
cl_int submit(cl_command_queue handle, CostTable::Entry& entry, bool blocking, cl_uint count,
              const cl_event* list, cl_event* event, Call&& call) {
  Queue* queue = Queues::get().find(handle);
  if (queue == nullptr)
    return call(count, list, event);  // no host queue of a granted card: the driver says why
  WaitList waits{list == nullptr ? 0 : count, list};
  if (Gates::get().must_wait(*queue, waits)) [[unlikely]]
    return Gates::get().enqueue(*queue, waits, &entry, blocking, false, event, call);
  Nanos predicted = booking(entry);
  Tenant& tenant = *queue->tenant();
  tenant.admit(predicted);
  cl_event made = nullptr;
  cl_int rc = call(count, list, &made);
  if (rc != CL_SUCCESS || made == nullptr) {
    tenant.settle(predicted, 0);
    return rc;
  }
  if (event != nullptr) {
    *event = made;
    Process::get().next().clRetainEvent(made);
  }
  queue->submitted(made, predicted, &entry);
  if (blocking && queue->in_order()) queue->all_over();
  return rc;
}

// Commands that cost the card nothing (markers, barriers) but stand in the order of the others.
// `all_before`: waits for everything before it even out of order; `barrier`: everything after it
// waits for it.
template <typename Call>
cl_int submit_unmetered(cl_command_queue handle, bool blocking, bool all_before, bool barrier,
                        cl_uint count, const cl_event* list, cl_event* event, Call&& call) {
  Queue* queue = Queues::get().find(handle);
  if (queue == nullptr) return call(count, list, event);
  WaitList waits{list == nullptr ? 0 : count, list};
  if (Gates::get().must_wait(*queue, waits, all_before)) [[unlikely]]
    return Gates::get().enqueue(*queue, waits, nullptr, blocking, barrier, event, call);
  return call(count, list, event);
}

// Host <-> card copies: a card with copy engines does them beside kernels, so they need no lease
// there.
template <typename Call>
cl_int submit_transfer(cl_command_queue handle, CostTable::Entry& entry, bool blocking,
                       cl_uint count, const cl_event* list, cl_event* event, Call&& call) {
  Queue* queue = Queues::get().find(handle);
  if (queue != nullptr) queue->tenant()->count_copy();
  if (queue == nullptr || !queue->tenant()->copy_engine())
    return submit(handle, entry, blocking, count, list, event, call);
  return submit_unmetered(handle, blocking, false, false, count, list, event, call);
}

// The cost entry of a copy-like command: what it does and how much, to a factor of two.
CostTable::Entry& copy_cost(EntryId what, size_t bytes);

}  // namespace flexai::limit::opencl
