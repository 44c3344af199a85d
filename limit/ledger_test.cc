#include "limit/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

#include "limit/ledger_fixture.h"
#include "limit/tally.h"

namespace flexai::limit {
namespace {

TEST(Ledger, ReservesCommitsAndReleases) {
  SharedSlice slice(1000);
  Ledger ledger(slice.control(), slice.pages(), 3);
  auto ticket = ledger.reserve(600);
  ASSERT_TRUE(ticket.ok());
  EXPECT_EQ(slice.total(), 600u);
  EXPECT_EQ(held_bytes(slice.pages(), 3), 0u);
  ledger.commit(*ticket);
  EXPECT_EQ(held_bytes(slice.pages(), 3), 600u);
  ledger.release(600);
  EXPECT_EQ(slice.total(), 0u);
  EXPECT_EQ(held_bytes(slice.pages(), 3), 0u);
  EXPECT_EQ(slice.pages()->peak_bytes.load(), 600u);
}

TEST(Ledger, RollBackGivesBack) {
  SharedSlice slice(1000);
  Ledger ledger(slice.control(), slice.pages(), 0);
  auto ticket = ledger.reserve(1000);
  ASSERT_TRUE(ticket.ok());
  ledger.roll_back(*ticket);
  EXPECT_EQ(slice.total(), 0u);
  EXPECT_TRUE(ledger.reserve(1000).ok());
}

TEST(Ledger, RefusesOverTheLimitAndSaysWhat) {
  SharedSlice slice(4096);
  Ledger ledger(slice.control(), slice.pages(), 0);
  ASSERT_TRUE(ledger.reserve(3072).ok());
  auto refused = ledger.reserve(2048);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, base::Code::kExhausted);
  EXPECT_THAT(refused.error().message,
              testing::AllOf(testing::HasSubstr("2KiB"), testing::HasSubstr("3KiB"),
                             testing::HasSubstr("4KiB")));
  EXPECT_EQ(slice.pages()->slots[0].refused_allocations.load(), 1u);
  EXPECT_FALSE(ledger.reserve(UINT64_MAX).ok());
  EXPECT_FALSE(ledger.reserve(UINT64_MAX - 3071).ok());  // would wrap round to 0
  EXPECT_TRUE(ledger.reserve(1024).ok());
}

TEST(Ledger, LimitBelowUseRefusesEverythingUntilReleased) {
  SharedSlice slice(1000);
  Ledger ledger(slice.control(), slice.pages(), 0);
  auto ticket = ledger.reserve(800);
  ledger.commit(*ticket);
  slice.control()->memory_limit.store(500);
  EXPECT_FALSE(ledger.reserve(1).ok());
  ledger.release(800);
  EXPECT_TRUE(ledger.reserve(500).ok());
}

TEST(Ledger, MoreThreadsThanLanes) {
  SharedSlice slice(1 << 20);
  Ledger ledger(slice.control(), slice.pages(), 0);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 3 * kLanes; ++i)
    threads.emplace_back([&ledger, i] {
      for (int n = 0; n < 200; ++n) {
        auto ticket = ledger.reserve(i + 1);
        if (n % 3 == 0) {
          ledger.roll_back(*ticket);
          continue;
        }
        ledger.commit(*ticket);
        if (n % 3 == 1) ledger.release(i + 1);
      }
    });
  for (auto& thread : threads) thread.join();
  uint64_t kept = 0;
  for (uint32_t i = 0; i < 3 * kLanes; ++i) kept += (i + 1) * 66;  // n % 3 == 2
  EXPECT_EQ(slice.total(), kept);
  EXPECT_EQ(held_bytes(slice.pages(), 0), kept);
}

// Several processes fight for less than they want; the total never passes the limit and ends exact.
TEST(Ledger, ProcessesNeverPassTheLimit) {
  constexpr uint64_t kLimit = 10000;
  constexpr int kProcesses = 4;
  SharedSlice slice(kLimit);
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      Ledger ledger(slice.control(), slice.pages(), static_cast<uint32_t>(p));
      std::minstd_rand random(static_cast<unsigned>(p + 1));
      bool exceeded = false;
      std::vector<uint64_t> held;
      for (int n = 0; n < 20000; ++n) {
        auto ticket = ledger.reserve(random() % 3000 + 1);
        exceeded |= ledger.used() > kLimit;
        if (ticket.ok()) {
          ledger.commit(*ticket);
          held.push_back(ticket->bytes);
        }
        if (!ticket.ok() || random() % 2 == 0) {
          for (uint64_t bytes : held) ledger.release(bytes);
          held.clear();
        }
      }
      for (uint64_t bytes : held) ledger.release(bytes);
      ::_exit(exceeded ? 1 : 0);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(slice.total(), 0u);
  EXPECT_LE(slice.pages()->peak_bytes.load(), kLimit);
  EXPECT_GT(slice.pages()->peak_bytes.load(), kLimit / 2);
}

// --- reap ----------------------------------------------------------------------------------------

TEST(Reap, ReturnsCommittedAndReserved) {
  SharedSlice slice(1000);
  slice.pages()->owners[0].store(77);
  Ledger dead(slice.control(), slice.pages(), 0);
  Ledger other(slice.control(), slice.pages(), 1);
  dead.commit(*dead.reserve(100));
  auto reserved = dead.reserve(30);
  other.commit(*other.reserve(500));
  ASSERT_TRUE(reserved.ok());
  EXPECT_EQ(reap(slice.pages(), 0), 130u);
  EXPECT_EQ(slice.total(), 500u);
  EXPECT_EQ(held_bytes(slice.pages(), 0), 0u);
  EXPECT_EQ(slice.pages()->owners[0].load(), 0u);
  EXPECT_EQ(reap(slice.pages(), 0), 0u);
  EXPECT_EQ(slice.total(), 500u);
}

TEST(Reap, KeepsCountersOfUseAndClearsDemand) {
  SharedSlice slice(1000);
  Slot& slot = slice.pages()->slots[4];
  slice.pages()->owners[4].store(1);
  slot.waiting.store(2);
  slot.in_flight.store(3);
  slot.busy_since_ns.store(9);
  slot.busy_ns.store(1234);
  slot.launches.store(55);
  reap(slice.pages(), 4);
  EXPECT_EQ(slot.waiting.load(), 0u);
  EXPECT_EQ(slot.in_flight.load(), 0u);
  EXPECT_EQ(slot.busy_since_ns.load(), 0);
  EXPECT_EQ(slot.busy_ns.load(), 1234);
  EXPECT_EQ(slot.launches.load(), 55u);
}

TEST(Reap, SlotIsUsedAgain) {
  SharedSlice slice(1000);
  for (uint64_t round = 0; round < 50; ++round) {
    Ledger process(slice.control(), slice.pages(), 0);
    auto kept = process.reserve(round + 1);
    ASSERT_TRUE(kept.ok());
    if (round % 2 == 0) process.commit(*kept);
    auto more = process.reserve(7);
    process.roll_back(*more);
    reap(slice.pages(), 0);
    ASSERT_EQ(slice.total(), 0u);
  }
}

TEST(Tally, AppliedWordsNeverGoBack) {
  std::atomic<uint64_t> applied{10};
  tally::advance(&applied, 9);
  EXPECT_EQ(applied.load(), 10u);
  tally::advance(&applied, 11);
  EXPECT_EQ(applied.load(), 11u);
  applied.store(tally::kSequenceMask);
  tally::advance(&applied, 1);  // round the clock
  EXPECT_EQ(applied.load(), 1u);
  tally::advance(&applied, tally::kSequenceMask);
  EXPECT_EQ(applied.load(), 1u);
}

TEST(Reap, SequencesWrap) {
  for (uint64_t before : {tally::kSequenceMask - 3, tally::kSequenceMask - 1, tally::kSequenceMask,
                          tally::kSequenceMask / 2, tally::kSequenceMask / 2 + 2}) {
    SharedSlice slice(1000);
    Slot& slot = slice.pages()->slots[0];
    for (Lane& lane : slot.lanes) {
      lane.state.store(before << 3);
      lane.total_applied.store(before);
      lane.held_applied.store(before);
    }
    slot.reap_applied.store(before);
    slot.reap_state.store(before << 3);
    Ledger dead(slice.control(), slice.pages(), 0);
    Ledger other(slice.control(), slice.pages(), 1);
    for (int n = 0; n < 5; ++n) {
      other.commit(*other.reserve(10));
      dead.commit(*dead.reserve(100));
      other.commit(*other.reserve(10));
      dead.roll_back(*dead.reserve(1));
      dead.release(50);
      ASSERT_TRUE(dead.reserve(3).ok());
      other.release(20);
      reap(slice.pages(), 0);
      ASSERT_EQ(slice.total(), 0u) << before << " round " << n;
    }
  }
}

// Whatever a tenant leaves in its pages: reap comes back, does not crash, frees the slot.
TEST(Reap, SurvivesRubbish) {
  std::mt19937_64 random(7);
  SharedSlice slice(1000);
  for (int round = 0; round < 300; ++round) {
    auto* words = reinterpret_cast<uint64_t*>(slice.pages());
    for (size_t i = 0; i < sizeof(TenantPages) / 8; ++i)
      words[i] = random() % 4 == 0 ? UINT64_MAX - random() % 16 : random();
    for (uint32_t slot : {0u, 63u, kMaxSlots - 1}) {
      reap(slice.pages(), slot);
      ASSERT_EQ(slice.pages()->owners[slot].load(), 0u);
      ASSERT_EQ(held_bytes(slice.pages(), slot), 0u);
    }
  }
  EXPECT_EQ(reap(slice.pages(), kMaxSlots), 0u);
  EXPECT_EQ(held_bytes(slice.pages(), UINT32_MAX), 0u);
}

// A tenant that scribbles over everything while the agent reaps cannot hold the agent.
TEST(Reap, SurvivesAScribblingTenant) {
  SharedSlice slice(1000);
  pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    std::mt19937_64 random(9);
    for (;;) {
      __atomic_store_n(&slice.pages()->total.tag, random(), __ATOMIC_RELAXED);
      __atomic_store_n(&slice.pages()->total.bytes, random(), __ATOMIC_RELAXED);
      slice.pages()->slots[random() % 4].reap_state.store(random());
      slice.pages()->slots[random() % 4].lanes[random() % kLanes].total_applied.store(random());
    }
  }
  for (int round = 0; round < 2000; ++round) reap(slice.pages(), static_cast<uint32_t>(round % 4));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace flexai::limit
