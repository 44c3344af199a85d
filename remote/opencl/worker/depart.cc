#include "remote/opencl/worker/depart.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "remote/opencl/worker/contents.h"
#include "remote/opencl/worker/drain.h"
#include "remote/opencl/worker/stock.h"
#include "wire/dial.h"
#include "wire/exchange.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using base::kSecond;
using base::monotonic_now;
using base::Nanos;
using base::Result;

namespace {

constexpr Nanos kGreeting = 5 * kSecond, kBuilding = 600 * kSecond, kDecision = 3600 * kSecond;
constexpr std::chrono::microseconds kLook{50};

}  // namespace

Result<size_t> Depart::go(const base::Fd& channel, Nanos patience) {
  FLEXAI_TRY_ASSIGN(MoveMessage told,
                    receive_move(channel.get(), MoveWord::kPlace, monotonic_now() + kGreeting));
  FLEXAI_TRY_ASSIGN(const Place place, decode_place(told.body));
  wire::Writer note;
  FLEXAI_TRY(encode(place.introduction, note));
  FLEXAI_TRY(greet(place, std::move(told.socket)));
  FLEXAI_TRY(beforehand());
  if (!worker_.hold().take_whole(monotonic_now() + patience)) return still_busy();
  auto went = hand_over(monotonic_now() + patience);
  base::Status decided = went.ok() ? base::Status() : base::Status(went.error());
  if (decided.ok()) decided = send_move(channel.get(), MoveWord::kReady);
  if (decided.ok()) {
    auto word = receive_move(channel.get(), MoveWord::kCommit, monotonic_now() + kDecision);
    if (!word.ok()) decided = word.error();
  }
  if (decided.ok()) {
    worker_.session().pass_on(note.bytes());
    return *went;
  }
  // One that fails, fails when it is used.
  for (auto& [id, mapping] : worker_.mappings()) map_again(worker_.table(), queues_, mapping);
  queues_.drop();
  worker_.session().thaw();
  worker_.hold().let_go();
  there_.reset();
  return decided.error();
}

base::Status Depart::greet(const Place& place, base::Fd socket) {
  FLEXAI_TRY_ASSIGN(const wire::Endpoint endpoint,
                    wire::parse_endpoint(place.introduction.endpoint));
  FLEXAI_TRY_ASSIGN(auto tls,
                    wire::TlsContext::make(place.introduction.identity, wire::TlsRole::kClient));
  const Nanos deadline = monotonic_now() + kGreeting;
  FLEXAI_TRY_ASSIGN(there_,
                    tls->secure(std::move(socket), endpoint.place, deadline, endpoint.name));
  return wire::send_frame(*there_, wire::FrameType::kAdopt, place.ticket, deadline);
}

// Short for the program: it is only read what there is.
base::Status Depart::beforehand() {
  if (!worker_.hold().take_whole(monotonic_now() + kGreeting)) return still_busy();
  Stock stock(worker_);
  auto found = stock.beforehand();
  worker_.hold().let_go();
  FLEXAI_TRY(found);
  wire::Writer writer;
  FLEXAI_TRY(encode(*found, writer));
  FLEXAI_TRY(send_part(*there_, PartTag::kBeforehand, writer.bytes()));
  return receive_answer(*there_, monotonic_now() + kBuilding);
}

// No thread is between taking a call in and doing it: it waits before the turnstile, with the call
// in hand, or for the next one.
bool Depart::at_rest(Nanos deadline) {
  while (!worker_.hold().someone_waits() && !worker_.session().receiver_rests()) {
    if (monotonic_now() >= deadline) return false;
    std::this_thread::sleep_for(kLook);
  }
  return true;
}

Result<size_t> Depart::hand_over(Nanos deadline) {
  FLEXAI_TRY(drain(worker_, deadline));
  worker_.carry_printed();
  worker_.forget_lasts();
  worker_.session().freeze();
  if (!at_rest(deadline)) return still_busy();
  FLEXAI_TRY_ASSIGN(const wire::SessionState state,
                    worker_.session().state(worker_.hold().someone_waits()));
  Stock stock(worker_);
  FLEXAI_TRY_ASSIGN(const Inventory inventory, stock.all());
  wire::Writer session, objects;
  FLEXAI_TRY(wire::encode(state, session));
  FLEXAI_TRY(encode(inventory, objects));
  FLEXAI_TRY(send_part(*there_, PartTag::kSession, session.bytes()));
  FLEXAI_TRY(send_part(*there_, PartTag::kObjects, objects.bytes()));
  FLEXAI_TRY(unmap_all());
  FLEXAI_TRY(send_memory(stock.memory(), inventory));
  FLEXAI_TRY(receive_answer(*there_, monotonic_now() + kPartPatience));
  return inventory.bytes();
}

base::Status Depart::send_memory(const std::vector<cl_mem>& objects, const Inventory& inventory) {
  for (size_t i = 0; i < objects.size(); ++i) {
    MemFacts facts = inventory.memory[i].facts;
    if (facts.bytes == 0) continue;
    worker_.table().clGetMemObjectInfo(objects[i], CL_MEM_CONTEXT, sizeof facts.context,
                                       &facts.context, nullptr);
    FLEXAI_TRY_ASSIGN(const cl_command_queue queue, queues_.of(facts.context));
    FLEXAI_TRY(send_object(worker_.table(), queue, objects[i], facts, *there_));
  }
  return {};
}

base::Status Depart::unmap_all() {
  for (auto& [id, mapping] : worker_.mappings())
    if (mapping.place.at != nullptr) FLEXAI_TRY(unmap_now(worker_.table(), queues_, mapping));
  return {};
}

void Depart::follow() {
  const Nanos deadline = monotonic_now() + worker_.session().options().grace;
  const base::Status come = receive_answer(*there_, deadline);
  // The other worker is gone, perhaps before the client came: it learns that there.
  const std::chrono::nanoseconds left(std::max<Nanos>(deadline - monotonic_now(), 0));
  if (!come.ok()) std::this_thread::sleep_for(left);
  worker_.session().end(
      {.code = wire::RefusalCode::kEnded, .text = "the session has moved to another host"});
}

}  // namespace flexai::remote::opencl
