#include "agent/card_arbiter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "agent/demand_reader.h"
#include "agent/use_ring.h"
#include "base/futex.h"

namespace flexai::agent {
namespace {

using base::kMillisecond;
using base::kSecond;
using base::monotonic_now;
using base::Nanos;
using limit::Terms;
using model::Priority;
using model::Qos;

constexpr uint64_t kIncarnation = 42;
constexpr Nanos kPatience = 10 * kSecond;

Terms elastic(uint32_t share) { return {Qos::kElastic, share, 1000, Priority::kNormal}; }

bool eventually(const std::function<bool()>& holds) {
  for (Nanos until = monotonic_now() + kPatience; monotonic_now() < until; ::usleep(200))
    if (holds()) return true;
  return false;
}

// A slice's files, and one process of it that speaks the protocol by hand.
class FakeTenant {
 public:
  explicit FakeTenant(uint64_t id) : id_(id) {
    file_ = std::move(make_control_page(id, kIncarnation)).value();
    pages_fd_ = std::move(make_tenant_pages(id)).value();
    pages_ = std::move(map_tenant_pages(pages_fd_.get(), id)).value();
    seen_ = std::move(base::Mapping::map(file_.read_only.get(), limit::kControlBytes,
                                         base::Mapping::Access::kRead))
                .value();
    doorbell_ = base::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    pages()->owners[3].store(id);
  }
  SliceRuntime runtime() {
    SliceRuntime runtime;
    runtime.id = id_;
    runtime.name = "slice-" + std::to_string(id_);
    runtime.control = std::move(file_.control);
    runtime.pages = std::move(map_tenant_pages(pages_fd_.get(), id_)).value();
    runtime.doorbell = std::move(doorbell_.duplicate()).value();
    return runtime;
  }
  const limit::ControlPage* control() const { return seen_.as<limit::ControlPage>(); }
  limit::TenantPages* pages() const { return pages_.as<limit::TenantPages>(); }
  limit::Slot& slot(size_t index = 3) const { return pages()->slots[index]; }
  size_t bytes_in_use() const {  // of the pages' file, in memory
    struct stat st {};
    return ::fstat(pages_fd_.get(), &st) == 0 ? static_cast<size_t>(st.st_blocks) * 512 : 0;
  }
  void ring() const { ::eventfd_write(doorbell_.get(), 1); }
  int doorbell() const { return doorbell_.get(); }
  int control_fd() const { return file_.read_only.get(); }

  bool granted() const {
    uint64_t word = control()->lease.load();
    auto end = static_cast<Nanos>(limit::lease::end_us(word) * 1000) + control()->epoch_ns;
    return (limit::lease::flags(word) & limit::lease::kGranted) != 0 && monotonic_now() < end;
  }
  void want() const {
    slot().beat_ns.store(monotonic_now());
    slot().waiting.fetch_add(1);
    ring();
  }
  bool wait_for_lease() const {
    for (Nanos until = monotonic_now() + kPatience; monotonic_now() < until;) {
      uint32_t word = control()->futex_word()->load();
      if (granted()) return true;
      slot().beat_ns.store(monotonic_now());
      base::futex_wait(control()->futex_word(), word, monotonic_now() + 10 * kMillisecond);
    }
    return false;
  }
  // One kernel that keeps the card for `length`.
  void run_kernel(Nanos length) const {
    Nanos start = monotonic_now();
    slot().busy_since_ns.store(start);
    slot().est_end_ns.store(start + length);
    slot().in_flight.fetch_add(1);
    slot().waiting.fetch_sub(1);
    while (monotonic_now() < start + length) ::usleep(100);
    slot().busy_ns.fetch_add(monotonic_now() - start);
    slot().busy_since_ns.store(0);
    slot().idle_since_ns.store(monotonic_now());
    slot().in_flight.fetch_sub(1);
  }

 private:
  uint64_t id_;
  ControlFile file_;
  base::Fd pages_fd_, doorbell_;
  base::Mapping pages_, seen_;
};

std::unique_ptr<CardArbiter> start() {
  return std::move(CardArbiter::start({.card = "test-0"})).value();
}

TEST(SharedPages, TenantCannotWriteTheControlPage) {
  FakeTenant tenant(7);
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, tenant.control_fd(), 0),
            MAP_FAILED);
  void* read = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, tenant.control_fd(), 0);
  ASSERT_NE(read, MAP_FAILED);
  EXPECT_NE(::mprotect(read, 4096, PROT_READ | PROT_WRITE), 0);
  ::munmap(read, 4096);
  // Opened again for writing: the seal still stands in the way.
  std::string path = "/proc/self/fd/" + std::to_string(tenant.control_fd());
  base::Fd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (again.valid()) {
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again.get(), 0),
              MAP_FAILED);
    EXPECT_LT(::pwrite(again.get(), "x", 1, 0), 0);
  }
}

TEST(SharedPages, ForeignOrShortPagesAreRefused) {
  auto pages = make_tenant_pages(7);
  EXPECT_TRUE(map_tenant_pages(pages->get(), 7).ok());
  EXPECT_EQ(map_tenant_pages(pages->get(), 8).error().code, base::Code::kCorrupt);
  auto small = base::make_memfd("small", 4096);
  EXPECT_EQ(map_tenant_pages(small->get(), 7).error().code, base::Code::kCorrupt);
  auto empty = base::make_memfd("empty", limit::kTenantBytes);
  EXPECT_EQ(map_tenant_pages(empty->get(), 0).error().code, base::Code::kCorrupt);
}

TEST(CardArbiter, WritesLimitsAtOnce) {
  auto arbiter = start();
  FakeTenant tenant(1);
  ASSERT_TRUE(arbiter->add_slice(tenant.runtime(), elastic(300), 1 << 20).ok());
  EXPECT_EQ(tenant.control()->memory_limit.load(), 1u << 20);
  EXPECT_EQ(tenant.control()->share_milli.load(), 300u);
  Terms fixed{Qos::kFixed, 500, 500, Priority::kHigh};
  ASSERT_TRUE(arbiter->set_terms(1, fixed, 2 << 20).ok());
  EXPECT_EQ(tenant.control()->memory_limit.load(), 2u << 20);
  EXPECT_EQ(tenant.control()->share_milli.load(), 500u);
  EXPECT_EQ(tenant.control()->qos.load(), static_cast<uint32_t>(Qos::kFixed));
  EXPECT_EQ(tenant.control()->incarnation, kIncarnation);
  EXPECT_EQ(arbiter->set_terms(2, fixed, 1).error().code, base::Code::kNotFound);
}

TEST(CardArbiter, GrantsToAWaiterAndChargesItsUse) {
  auto arbiter = start();
  FakeTenant tenant(1);
  ASSERT_TRUE(arbiter->add_slice(tenant.runtime(), elastic(300), 0).ok());
  EXPECT_FALSE(tenant.granted());
  tenant.want();
  ASSERT_TRUE(tenant.wait_for_lease());
  EXPECT_GT(tenant.control()->heartbeat_ns.load(), 0);
  tenant.run_kernel(20 * kMillisecond);
  ASSERT_TRUE(eventually([&] { return arbiter->snapshot().slices[0].use.charged > 0; }));
  CardUse card = arbiter->snapshot();
  EXPECT_EQ(card.slices[0].use.leases, 1u);
  EXPECT_EQ(card.slices[0].processes, 1u);
  EXPECT_EQ(card.slices[0].name, "slice-1");
}

TEST(CardArbiter, TwoTenantsNeverHoldTogether) {
  auto arbiter = start();
  FakeTenant a(1), b(2);
  ASSERT_TRUE(arbiter->add_slice(a.runtime(), elastic(300), 0).ok());
  ASSERT_TRUE(arbiter->add_slice(b.runtime(), elastic(600), 0).ok());
  std::atomic<int> running{0};
  std::atomic<int> together{0};
  auto work = [&](const FakeTenant& tenant) {
    for (int i = 0; i < 60; ++i) {
      tenant.want();
      if (!tenant.wait_for_lease()) return false;
      if (running.fetch_add(1) > 0) ++together;
      tenant.run_kernel(kMillisecond);
      --running;
    }
    return true;
  };
  bool b_done = false;
  std::thread other([&] { b_done = work(b); });
  EXPECT_TRUE(work(a));
  other.join();
  EXPECT_TRUE(b_done);
  // The next one is let in a little before the last work ends, and wake-ups jitter; but not at
  // will.
  EXPECT_LT(together.load(), 60);
  EXPECT_GT(arbiter->snapshot().slices[0].use.charged, 0);
  EXPECT_GT(arbiter->snapshot().slices[1].use.charged, 0);
}

TEST(CardArbiter, SleepsWhenNothingIsActive) {
  auto arbiter = start();
  std::vector<std::unique_ptr<FakeTenant>> tenants;
  for (uint64_t id = 1; id <= 300; ++id) {
    tenants.push_back(std::make_unique<FakeTenant>(id));
    ASSERT_TRUE(arbiter->add_slice(tenants.back()->runtime(), elastic(1), 0).ok());
  }
  arbiter->snapshot();
  uint64_t steps = arbiter->snapshot().steps;
  ::usleep(100000);
  EXPECT_EQ(arbiter->snapshot().steps, steps);
  tenants[150]->want();
  EXPECT_TRUE(tenants[150]->wait_for_lease());
}

TEST(CardArbiter, DoorbellStormIsCheapAndHarmsNobody) {
  auto arbiter = start();
  FakeTenant storm(1), other(2);
  ASSERT_TRUE(arbiter->add_slice(storm.runtime(), elastic(100), 0).ok());
  ASSERT_TRUE(arbiter->add_slice(other.runtime(), elastic(100), 0).ok());
  // It even empties its doorbell itself and makes it blocking: the agent must not hang in a read.
  ::fcntl(storm.doorbell(), F_SETFL, 0);
  std::atomic<bool> stop{false};
  std::thread ringer([&] {
    while (!stop) {
      storm.ring();
      eventfd_t value = 0;
      iovec io{&value, sizeof value};
      ::preadv2(storm.doorbell(), &io, 1, -1, RWF_NOWAIT);
      storm.ring();
    }
  });
  for (int i = 0; i < 20; ++i) {
    other.want();
    EXPECT_TRUE(other.wait_for_lease());
    other.run_kernel(kMillisecond);
  }
  stop = true;
  ringer.join();
}

TEST(CardArbiter, RubbishInTheTenantPagesHarmsNobodyElse) {
  auto arbiter = start();
  FakeTenant hostile(1), other(2);
  ASSERT_TRUE(arbiter->add_slice(hostile.runtime(), elastic(100), 0).ok());
  ASSERT_TRUE(arbiter->add_slice(other.runtime(), elastic(100), 0).ok());
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    std::mt19937_64 random(5);
    auto* words = reinterpret_cast<std::atomic<uint64_t>*>(hostile.pages());
    while (!stop) {
      for (int i = 0; i < 500; ++i)
        words[random() % (sizeof(limit::TenantPages) / 8)].store(random());
      hostile.ring();
      ::usleep(100);
    }
  });
  for (int i = 0; i < 20; ++i) {
    other.want();
    const bool leased = other.wait_for_lease();
    EXPECT_TRUE(leased);
    if (!leased) break;
    other.run_kernel(kMillisecond);
    arbiter->snapshot();
  }
  stop = true;
  scribbler.join();
}

// A process stopped for longer than the agent's patience, then continued: it does not ring again.
TEST(CardArbiter, ContinuedProcessIsServed) {
  auto arbiter = start();
  FakeTenant stopped(1), other(2);
  ASSERT_TRUE(arbiter->add_slice(stopped.runtime(), elastic(100), 0).ok());
  ASSERT_TRUE(arbiter->add_slice(other.runtime(), elastic(100), 0).ok());
  other.want();
  ASSERT_TRUE(other.wait_for_lease());
  stopped.want();
  Nanos until = monotonic_now() + 200 * kMillisecond;
  while (monotonic_now() < until) {
    other.slot().beat_ns.store(monotonic_now());
    ::usleep(5000);
  }
  EXPECT_FALSE(stopped.granted());
  EXPECT_TRUE(stopped.wait_for_lease());
}

TEST(CardArbiter, RemovedSliceHasNoLeaseAndItsNeighbourGoesOn) {
  auto arbiter = start();
  FakeTenant a(1), b(2);
  ASSERT_TRUE(arbiter->add_slice(a.runtime(), elastic(100), 0).ok());
  ASSERT_TRUE(arbiter->add_slice(b.runtime(), elastic(100), 0).ok());
  EXPECT_EQ(arbiter->add_slice(FakeTenant(2).runtime(), elastic(1), 0).error().code,
            base::Code::kConflict);
  a.want();
  ASSERT_TRUE(a.wait_for_lease());
  ASSERT_TRUE(arbiter->remove_slice(1).ok());
  EXPECT_FALSE(a.granted());
  EXPECT_EQ(arbiter->remove_slice(1).error().code, base::Code::kNotFound);
  b.want();
  EXPECT_TRUE(b.wait_for_lease());
  EXPECT_EQ(arbiter->snapshot().slices.size(), 1u);
}

TEST(CardArbiter, LeasesEndWithTheArbiter) {
  FakeTenant tenant(1);
  {
    auto arbiter = start();
    ASSERT_TRUE(arbiter->add_slice(tenant.runtime(), elastic(100), 0).ok());
    tenant.want();
    ASSERT_TRUE(tenant.wait_for_lease());
  }
  EXPECT_FALSE(tenant.granted());
}

// A process that dies must not make the slice's use go back, nor a new one in its slot.
TEST(DemandReader, UseOnlyGrows) {
  FakeTenant tenant(1);
  tenant.slot(3).busy_ns.store(1000);
  DemandReader reader(tenant.pages(), 50 * kMillisecond, 5000);
  EXPECT_EQ(reader.read(5000).busy_total, 0);  // before our time
  tenant.slot(3).busy_ns.store(1500);
  tenant.slot(9).busy_ns.store(5000);  // of a process that is gone
  tenant.pages()->owners[9].store(8);
  reader.find_owners();
  tenant.slot(9).busy_ns.store(5070);
  EXPECT_EQ(reader.read(6000).busy_total, 570);
  tenant.pages()->owners[3].store(0);
  reader.find_owners();
  EXPECT_EQ(reader.read(7000).busy_total, 570);
  tenant.pages()->owners[3].store(99);
  tenant.slot(3).busy_ns.store(1600);
  reader.find_owners();
  EXPECT_EQ(reader.read(8000).busy_total, 670);
}

// Slots of nobody are holes of a memory file: looking at them would fill it.
TEST(DemandReader, TouchesNoSlotOfNobody) {
  FakeTenant tenant(1);
  DemandReader reader(tenant.pages(), 50 * kMillisecond, kSecond);
  reader.find_owners();
  reader.read(2 * kSecond);
  EXPECT_EQ(reader.reach(), 4u);
  EXPECT_EQ(tenant.bytes_in_use(), 4096u);
}

TEST(CardArbiter, UnusedSlotsCostNoMemory) {
  auto arbiter = start();
  FakeTenant tenant(1);
  ASSERT_TRUE(arbiter->add_slice(tenant.runtime(), elastic(100), 0).ok());
  tenant.slot().launches.store(7);
  arbiter->slots_changed(1);
  CardUse use = arbiter->snapshot();
  EXPECT_EQ(use.slices[0].processes, 1u);
  EXPECT_EQ(use.slices[0].launches, 7u);
  EXPECT_EQ(tenant.bytes_in_use(), 4096u);
}

TEST(DemandReader, SilentProcessesDoNotCount) {
  FakeTenant tenant(1);
  Nanos now = kSecond;
  DemandReader reader(tenant.pages(), 50 * kMillisecond, now);
  tenant.slot().waiting.store(1);
  tenant.slot().beat_ns.store(now - 500 * kMillisecond);
  EXPECT_TRUE(reader.read(now).waiting) << "it has only just begun to wait";
  EXPECT_FALSE(reader.read(now + 51 * kMillisecond).waiting);
  tenant.slot().beat_ns.store(now + 55 * kMillisecond);
  EXPECT_TRUE(reader.read(now + 60 * kMillisecond).waiting);
  tenant.pages()->owners[3].store(0);
  EXPECT_FALSE(reader.read(now + 61 * kMillisecond).waiting);
}

TEST(UseRing, PartOfTheLastSeconds) {
  UseRing ring;
  for (Nanos now = 0; now < 20 * kSecond; now += kMillisecond)
    ring.add(now, now < 15 * kSecond ? kMillisecond / 2 : kMillisecond / 4);
  EXPECT_NEAR(ring.part(20 * kSecond, 1), 0.25, 0.001);
  EXPECT_NEAR(ring.part(20 * kSecond, 10), 0.375, 0.001);
  EXPECT_NEAR(ring.part(40 * kSecond, 10), 0.0, 0.001);
}

}  // namespace
}  // namespace flexai::agent
