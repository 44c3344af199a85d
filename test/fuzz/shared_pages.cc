// A hostile tenant's shared pages, as the agent reads and repairs them. Input: steps: bytes written
// anywhere into the pages, time that passes, what the agent or another process of the slice does.
#include <memory>

#include "agent/demand_reader.h"
#include "limit/ledger.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

struct Pages {
  limit::ControlPage control{};
  limit::TenantPages tenant{};
};

// Times near a few anchors are worth more than random words.
void write(test::Input* input, limit::TenantPages* pages) {
  size_t at = input->take<uint32_t>() % (sizeof *pages - 8);
  if (at % 16 != 0) at = at / 8 * 8;  // most words are aligned
  size_t size = input->take<uint8_t>() % 64 + 1u;
  input->take_into(reinterpret_cast<char*>(pages) + at, std::min(size, sizeof *pages - at));
}

void check(const limit::Demand& demand, base::Nanos now, base::Nanos before) {
  must(demand.busy_total >= before, "use only grows");
  must(demand.est_end >= 0, "an end is a time");
  must(demand.last_beat <= now && demand.idle_since <= now, "nothing is later than now");
}

void repair(limit::TenantPages* pages, uint32_t slot) {
  uint64_t total = limit::total_bytes(pages);
  limit::reap(pages, slot);
  must(pages->owners[slot % limit::kMaxSlots] == 0 || slot >= limit::kMaxSlots, "slot is free");
  must(limit::total_bytes(pages) <= total, "a repair only gives back");
  if (slot < limit::kMaxSlots) must(limit::held_bytes(pages, slot) == 0, "nothing is held");
}

void allocate(test::Input* input, Pages* all) {
  limit::Ledger ledger(&all->control, &all->tenant, input->take<uint8_t>() % limit::kMaxSlots);
  auto ticket = ledger.reserve(input->take<uint64_t>());
  if (!ticket.ok()) return must(!ticket.error().message.empty(), "a refusal says why");
  must(limit::total_bytes(&all->tenant) <= ledger.limit(), "no more than the limit");
  const auto then = input->take<uint8_t>() % 3;
  if (then == 0) ledger.roll_back(*ticket);
  if (then >= 1) ledger.commit(*ticket);
  if (then == 2) ledger.release(ticket->bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  test::Input input(data, size);
  auto all = std::make_unique<Pages>();
  all->control.memory_limit = 1 << 20;
  limit::TenantPages* pages = &all->tenant;
  base::Nanos now = 1000 * base::kSecond, busy = 0;
  agent::DemandReader reader(pages, 50 * base::kMillisecond, now);
  for (int steps = 0; steps < 200 && !input.empty(); ++steps) {
    switch (input.take<uint8_t>() % 8) {
      case 0:
        pages->owners[input.take<uint8_t>() % limit::kMaxSlots] = input.take<uint64_t>();
        break;
      case 1:
        reader.find_owners();
        break;
      case 2:
        repair(pages, input.take<uint8_t>());
        break;
      case 3:
        allocate(&input, all.get());
        break;
      case 4: {
        now += input.take<uint32_t>();
        auto demand = reader.read(now);
        check(demand, now, busy);
        busy = demand.busy_total;
        break;
      }
      default:
        write(&input, pages);
    }
  }
  return 0;
}
