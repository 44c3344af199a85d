#include "remote/opencl/worker/arrive.h"

#include "remote/handover.h"

namespace flexai::remote::opencl {

using base::kSecond;
using base::monotonic_now;

namespace {

// From the first part to the last: a program may work that long before its memory may go.
constexpr base::Nanos kUntilMoved = 3600 * kSecond;

base::Result<Inventory> receive_objects(wire::Transport& from, PartTag tag, size_t devices) {
  FLEXAI_TRY_ASSIGN(const auto bytes,
                    receive_part(from, tag, kMostInventory, monotonic_now() + kUntilMoved));
  return decode_inventory(bytes, devices);
}

base::Result<Arrived> receive(HostSession& door, const Granted& granted, wire::Transport& from) {
  Rebuild rebuild(granted);
  FLEXAI_TRY_ASSIGN(const Inventory first,
                    receive_objects(from, PartTag::kBeforehand, granted.devices.size()));
  FLEXAI_TRY(rebuild.beforehand(first));
  FLEXAI_TRY(send_answer(from, {}));
  FLEXAI_TRY_ASSIGN(const auto bytes, receive_part(from, PartTag::kSession, wire::kMostState,
                                                   monotonic_now() + kUntilMoved));
  FLEXAI_TRY_ASSIGN(const wire::SessionState state, wire::decode_session_state(bytes));
  FLEXAI_TRY_ASSIGN(const Inventory all,
                    receive_objects(from, PartTag::kObjects, granted.devices.size()));
  FLEXAI_TRY(rebuild.objects(all, from));
  Arrived made;
  FLEXAI_TRY_ASSIGN(made.session, door.adopt(state, from.peer()));
  FLEXAI_TRY_ASSIGN(made.worker, Worker::make(*made.session, granted));
  FLEXAI_TRY(rebuild.install(all, *made.worker));
  made.worker->dispatcher().set_parts(all.call);
  return made;
}

}  // namespace

base::Result<Arrived> arrive(HostSession& door, Granted granted) {
  FLEXAI_TRY_ASSIGN(const auto from, door.wait_handover());
  auto made = receive(door, granted, *from);
  if (!made.ok()) {
    [[maybe_unused]] auto told = send_answer(*from, made.error());
    return made;
  }
  FLEXAI_TRY(send_answer(*from, {}));
  FLEXAI_TRY(made->session->await_peer(0));
  [[maybe_unused]] auto told = send_answer(*from, {});
  return made;
}

}  // namespace flexai::remote::opencl
