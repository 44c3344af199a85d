// Kills at every instruction. A process in the middle of each kind of step is single-stepped; after
// every instruction a copy of it is made (the copy starts at that very instruction) and killed with
// SIGKILL. Then another process of the slice works on, or does not; the dead one is reaped; the
// account must be exact. The reaper is killed likewise, from every distinct state of the shared
// memory that a killed process can leave.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "limit/ledger.h"
#include "limit/ledger_fixture.h"

namespace flexai::limit {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__)
constexpr bool kStepping = false;  // stepping through a sanitizer's own code proves nothing more
#else
constexpr bool kStepping = true;
#endif

constexpr uint32_t kVictim = 0;
constexpr uint32_t kOther = 1;
constexpr uint64_t kLimit = 100000;
constexpr uint64_t kOthers = 5000;  // bytes of the other process, far more than the victim's

using Body = std::function<void(Ledger*)>;

void prevent_reordering() { asm volatile("" ::: "memory"); }

const std::map<std::string, Body>& steps() {
  static const std::map<std::string, Body> all = {
      {"allocate",
       [](Ledger* ledger) {
         auto ticket = ledger->reserve(100);
         prevent_reordering();  // the driver call would be here
         ledger->commit(*ticket);
       }},
      {"release", [](Ledger* ledger) { ledger->release(64); }},
      {"refused by the driver",
       [](Ledger* ledger) {
         auto ticket = ledger->reserve(100);
         ledger->roll_back(*ticket);
       }},
      {"over the limit", [](Ledger* ledger) { (void)ledger->reserve(kLimit); }},
  };
  return all;
}

// Child and parent on one CPU: a step then costs a switch instead of a wake-up of another CPU.
class Pinned {
 public:
  Pinned() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(::sched_getcpu()), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

// A traced child stopped right before `body`.
pid_t traced(const std::function<void()>& body) {
  pid_t pid = ::fork();
  if (pid != 0) {
    ::waitpid(pid, nullptr, 0);
    ::ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    return pid;
  }
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  body();
  ::_exit(0);
}

// False when the child is gone.
bool step(pid_t pid) {
  if (::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0) return false;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSTOPPED(status);
}

void kill_now(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, __WALL);
}

void finish(pid_t pid) {
  int status = 0;
  do {
    ::ptrace(PTRACE_CONT, pid, nullptr, nullptr);
  } while (::waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
}

#if defined(__x86_64__)
// A system call for a stopped child to make: its registers are set so that it continues here.
extern "C" void flexai_test_syscall();
asm(".text\nflexai_test_syscall: syscall\n int3\n");

// A second process in the same state as the stopped `pid`, at the same instruction, stopped too.
pid_t copy_of(pid_t pid) {
  user_regs_struct saved{};
  ::ptrace(PTRACE_GETREGS, pid, nullptr, &saved);
  user_regs_struct call = saved;
  call.rax = SYS_clone;
  call.orig_rax = ~0ull;  // not in a system call that would be restarted
  call.rdi = 0;           // its end is not signalled to `pid`
  call.rsi = call.rdx = call.r10 = call.r8 = 0;
  call.rip = reinterpret_cast<uint64_t>(&flexai_test_syscall);
  ::ptrace(PTRACE_SETREGS, pid, nullptr, &call);
  ::ptrace(PTRACE_CONT, pid, nullptr, nullptr);
  ::waitpid(pid, nullptr, 0);
  unsigned long copy = 0;
  ::ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &copy);
  ::waitpid(static_cast<pid_t>(copy), nullptr, __WALL);
  ::ptrace(PTRACE_SETREGS, copy, nullptr, &saved);
  ::ptrace(PTRACE_CONT, pid, nullptr, nullptr);  // up to the int3
  ::waitpid(pid, nullptr, 0);
  ::ptrace(PTRACE_SETREGS, pid, nullptr, &saved);
  return static_cast<pid_t>(copy);
}
#else
pid_t copy_of(pid_t) { return -1; }
#endif

using Image = std::string;
Image image_of(const SharedSlice& slice) {
  return Image(reinterpret_cast<const char*>(slice.pages()), sizeof(TenantPages));
}
void restore(const SharedSlice& slice, const Image& image) {
  memcpy(static_cast<void*>(slice.pages()), image.data(), image.size());
}

class Kill : public testing::Test {
 protected:
  void SetUp() override {
    if (!kStepping) GTEST_SKIP() << "only without a sanitizer, on x86-64";
    pinned_.reset(new Pinned);
    victim_.reset(new Ledger(slice_.control(), slice_.pages(), kVictim));
    other_.reset(new Ledger(slice_.control(), slice_.pages(), kOther));
    slice_.pages()->owners[kVictim].store(1);
    slice_.pages()->owners[kOther].store(2);
    for (uint64_t bytes : {1u, 2u, 64u}) victim_->commit(*victim_->reserve(bytes));
    // Runs everything once: lazily bound symbols and first allocations are not what is tested.
    for (const auto& [name, body] : steps()) body(victim_.get());
    victim_->commit(*victim_->reserve(64));
    other_->commit(*other_->reserve(kOthers));
    // Another thread of the victim: a second view of its slot that keeps off the first lane.
    sibling_.reset(new Ledger(slice_.control(), slice_.pages(), kVictim));
    ASSERT_TRUE(sibling_->reserve(0).ok());
    slice_.pages()->slots[kVictim].lanes[0].state.fetch_and(~uint64_t{7});
    start_ = image_of(slice_);
  }

  // The other process at work: overwrites the last writer's tags.
  void work_on() {
    other_->commit(*other_->reserve(10));
    other_->roll_back(*other_->reserve(5));
    other_->release(10);
  }

  // So does another thread of the victim.
  void sibling_works_on() {
    sibling_->commit(*sibling_->reserve(7));
    sibling_->roll_back(*sibling_->reserve(5));
    sibling_->release(3);
  }

  void expect_exact(const std::string& where) {
    ASSERT_EQ(slice_.total(), kOthers) << where;
    ASSERT_EQ(held_bytes(slice_.pages(), kVictim), 0u) << where;
    ASSERT_EQ(held_bytes(slice_.pages(), kOther), kOthers) << where;
    ASSERT_EQ(slice_.pages()->owners[kVictim].load(), 0u) << where;
    for (const Lane& lane : slice_.pages()->slots[kVictim].lanes)
      ASSERT_EQ(lane.state.load() & 7, 0u) << where;
  }

  // Steps through `body`, started from the memory `from`. After every instruction `check` gets a
  // copy of the process stopped there; whatever it does to the shared memory is undone.
  int at_every_instruction(const Image& from, const std::function<void()>& body,
                           const std::function<void(pid_t, int)>& check) {
    restore(slice_, from);
    pid_t pid = traced(body);
    int count = 0;
    do {
      Image now = image_of(slice_);
      check(copy_of(pid), count++);
      if (HasFatalFailure()) {
        kill_now(pid);
        return count;
      }
      restore(slice_, now);
    } while (step(pid));
    return count;
  }

  // Every distinct shared memory that a kill during any of the steps can leave.
  std::set<Image> crash_states() {
    std::set<Image> states;
    for (const auto& [name, body] : steps()) {
      restore(slice_, start_);
      pid_t pid = traced([&, run = &body] { (*run)(victim_.get()); });
      do {
        states.insert(image_of(slice_));
      } while (step(pid));
    }
    return states;
  }

  std::unique_ptr<Pinned> pinned_;
  SharedSlice slice_{kLimit};
  std::unique_ptr<Ledger> victim_, sibling_, other_;
  Image start_;
};

TEST_F(Kill, ProcessAfterEveryInstruction) {
  for (const auto& [name, body] : steps()) {
    auto check = [&](pid_t copy, int count) {
      kill_now(copy);
      std::string where = name + ", instruction " + std::to_string(count);
      Image killed = image_of(slice_);
      reap(slice_.pages(), kVictim);
      ASSERT_NO_FATAL_FAILURE(expect_exact(where));
      restore(slice_, killed);
      work_on();
      reap(slice_.pages(), kVictim);
      ASSERT_NO_FATAL_FAILURE(expect_exact(where + ", others at work"));
      restore(slice_, killed);
      sibling_works_on();
      reap(slice_.pages(), kVictim);
      ASSERT_NO_FATAL_FAILURE(expect_exact(where + ", its other thread at work"));
    };
    int count = at_every_instruction(
        start_, [&] { body(victim_.get()); }, check);
    if (HasFatalFailure()) return;
    EXPECT_GT(count, 100) << name << " was not stepped";
    RecordProperty(name, count);
  }
}

// The other process gets in between at every instruction of one that lives on.
TEST_F(Kill, NobodyDiesButOthersComeBetween) {
  for (const auto& [name, body] : steps()) {
    auto check = [&](pid_t copy, int count) {
      std::string where = name + ", instruction " + std::to_string(count);
      work_on();
      finish(copy);
      uint64_t held = held_bytes(slice_.pages(), kVictim);
      ASSERT_EQ(slice_.total(), kOthers + held) << where;
      reap(slice_.pages(), kVictim);
      ASSERT_NO_FATAL_FAILURE(expect_exact(where));
    };
    at_every_instruction(
        start_, [&] { body(victim_.get()); }, check);
    if (HasFatalFailure()) return;
  }
}

// The dead one is reaped while another process is at any instruction of a step of its own.
TEST_F(Kill, ReapedWhileAnotherIsInTheMiddle) {
  for (const Image& state : crash_states()) {
    restore(slice_, state);
    bool last_writer = slice_.pages()->total.tag >> 48 <= kLanes;
    if (!last_writer) continue;  // nobody would have to help it
    auto check = [&](pid_t copy, int count) {
      reap(slice_.pages(), kVictim);
      finish(copy);
      ASSERT_EQ(slice_.total(), kOthers + 10) << "instruction " << count;
      other_->release(10);
      ASSERT_NO_FATAL_FAILURE(expect_exact("instruction " + std::to_string(count)));
    };
    at_every_instruction(
        state, [&] { other_->commit(*other_->reserve(10)); }, check);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Kill, ReaperAfterEveryInstructionFromEveryState) {
  std::set<Image> states = crash_states();
  EXPECT_GT(states.size(), 15u);
  int kills = 0;
  for (const Image& state : states) {
    auto check = [&](pid_t copy, int count) {
      kill_now(copy);
      if (count % 2 == 0) work_on();
      reap(slice_.pages(), kVictim);
      ASSERT_NO_FATAL_FAILURE(expect_exact("reaper, instruction " + std::to_string(count)));
    };
    kills += at_every_instruction(
        state, [&] { reap(slice_.pages(), kVictim); }, check);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(kills, 2000);
  RecordProperty("kills", kills);
}

// --- random kills of busy processes --------------------------------------------------------------

[[noreturn]] void be_busy(const SharedSlice& slice, uint32_t slot, unsigned seed) {
  Ledger ledger(slice.control(), slice.pages(), slot);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t)
    threads.emplace_back([&ledger, seed, t] {
      std::minstd_rand random(seed * 31 + t);
      std::vector<uint64_t> held;
      for (;;) {
        auto ticket = ledger.reserve(random() % 2000 + 1);
        if (ticket.ok() && random() % 3 == 0) {
          ledger.roll_back(*ticket);
        } else if (ticket.ok()) {
          ledger.commit(*ticket);
          held.push_back(ticket->bytes);
        }
        if (held.empty() || (ticket.ok() && random() % 2 == 0)) continue;
        ledger.release(held.back());
        held.pop_back();
      }
    });
  for (auto& thread : threads) thread.join();
  ::_exit(0);
}

TEST(RandomKill, ThousandBusyProcessesLoseNothing) {
  constexpr uint32_t kProcesses = 3;
  constexpr int kKills = 1000;
  SharedSlice slice(kLimit);
  std::mt19937 random(3);
  int kills = 0;
  while (kills < kKills) {
    std::vector<pid_t> children;
    for (uint32_t p = 0; p < kProcesses; ++p) {
      slice.pages()->owners[p].store(p + 1);
      pid_t pid = ::fork();
      ASSERT_GE(pid, 0);
      if (pid == 0) be_busy(slice, p, static_cast<unsigned>(random()));
      children.push_back(pid);
    }
    base::Nanos until = base::monotonic_now() + 2 * base::kMillisecond +
                        static_cast<base::Nanos>(random() % 1000) * base::kMicrosecond;
    while (base::monotonic_now() < until) ::usleep(100);
    // Each is reaped while the rest is still at it.
    for (uint32_t p = 0; p < kProcesses; ++p, ++kills) {
      kill_now(children[p]);
      ASSERT_LE(slice.total(), kLimit);
      reap(slice.pages(), p);
      ::usleep(static_cast<useconds_t>(random() % 500));
    }
    ASSERT_EQ(slice.total(), 0u) << "after " << kills << " kills";
  }
}

}  // namespace
}  // namespace flexai::limit
