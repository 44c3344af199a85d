#include "kube/election.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "kube/retry.h"

namespace flexai::kube {
namespace {

using base::kSecond;
using base::Nanos;
using Step = Election::Step;

LeaseRecord lease(const std::string& holder, const std::string& version) {
  LeaseRecord record;
  record.holder = holder;
  record.resource_version = version;
  record.uid = "u";
  record.seconds = 15;
  return record;
}

TEST(Election, AHolderIsWaitedOutByOurOwnClockFromWhenWeSawItsLastWord) {
  Election me("me", {});
  EXPECT_EQ(me.seen(lease("other", "1"), 100 * kSecond), Step::kWait);
  EXPECT_EQ(me.seen(lease("other", "1"), 114 * kSecond), Step::kWait);
  EXPECT_EQ(me.seen(lease("other", "2"), 114 * kSecond), Step::kWait);  // renewed
  EXPECT_EQ(me.seen(lease("other", "2"), 128 * kSecond), Step::kWait);
  EXPECT_EQ(me.seen(lease("other", "2"), 129 * kSecond), Step::kTake);
}

TEST(Election, ItsOwnClockReadingsInTheLeaseMeanNothing) {
  Election me("me", {});
  LeaseRecord old = lease("other", "1");
  old.renewed = "1970-01-01T00:00:00.000000Z";
  EXPECT_EQ(me.seen(old, kSecond), Step::kWait);
}

TEST(Election, ALongerLeaseOfAnotherVersionIsRespected) {
  Election me("me", {});
  LeaseRecord longer = lease("other", "1");
  longer.seconds = 60;
  me.seen(longer, 0);
  EXPECT_EQ(me.seen(longer, 59 * kSecond), Step::kWait);
  EXPECT_EQ(me.seen(longer, 60 * kSecond), Step::kTake);
  LeaseRecord odd = lease("other", "2");
  odd.seconds = INT64_MAX;
  EXPECT_EQ(me.seen(odd, 0), Step::kWait);
}

TEST(Election, AWordIsGoodFromWhenItWasSentAndNotFromItsAnswer) {
  Election me("me", {});
  EXPECT_EQ(me.absent(0), Step::kCreate);
  me.held(lease("me", "1"), 10 * kSecond, 13 * kSecond);
  EXPECT_TRUE(me.leads(20 * kSecond - 1));
  EXPECT_FALSE(me.leads(20 * kSecond));
}

TEST(Election, SeeingAnotherHolderEndsIt) {
  Election me("me", {});
  me.held(lease("me", "1"), 10 * kSecond, 10 * kSecond);
  EXPECT_EQ(me.seen(lease("other", "2"), 11 * kSecond), Step::kWait);
  EXPECT_FALSE(me.leads(11 * kSecond));
}

TEST(Election, AReleasedLeaseIsTakenAtOnceAndADeletedOneIsNot) {
  Election me("me", {});
  EXPECT_EQ(me.seen(lease("", "1"), 0), Step::kTake);
  EXPECT_EQ(me.record("t").transitions, 1);
  EXPECT_EQ(me.seen(lease("other", "2"), 0), Step::kWait);
  EXPECT_EQ(me.absent(14 * kSecond), Step::kWait);
  EXPECT_EQ(me.absent(15 * kSecond), Step::kCreate);
}

TEST(Election, TimesThatCannotHoldAreRefused) {
  EXPECT_TRUE(check(LeaseTimes{}).ok());
  EXPECT_FALSE(check(LeaseTimes{15 * kSecond, 15 * kSecond, 2 * kSecond}).ok());
  EXPECT_FALSE(check(LeaseTimes{15 * kSecond, 10 * kSecond, 6 * kSecond}).ok());
  EXPECT_FALSE(check(LeaseTimes{kSecond / 2, kSecond / 4, kSecond / 10}).ok());
}

TEST(Election, LeasesAreWrittenAsTheyAreRead) {
  LeaseRecord record = lease("me", "9");
  record.acquired = "2026-01-01T00:00:00.000000Z";
  record.renewed = "2026-01-01T00:00:05.000000Z";
  record.transitions = 3;
  auto again = lease_from_json(lease_json(record, "ns", "name"));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->holder, "me");
  EXPECT_EQ(again->resource_version, "9");
  EXPECT_EQ(again->renewed, record.renewed);
  EXPECT_EQ(again->transitions, 3);
  EXPECT_FALSE(lease_from_json("{}").ok());
  EXPECT_FALSE(lease_from_json("[").ok());
}

// A server with one lease and several processes that look and write with delays, lose answers, stop
// for a while, and whose clocks differ. What is true of every moment: at most one believes it
// leads.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    for (int i = 0; i < 4; ++i) {
      processes_.push_back(
          {Election("p" + std::to_string(i), {}), random_.below(1000 * kSecond), 0, 0, {}});
    }
  }

  // Nanoseconds of real time in steps; how long somebody led.
  Nanos run(Nanos length) {
    Nanos led = 0;
    for (now_ = 0; now_ < length; now_ += kStep) {
      for (Process& p : processes_) turn(p);
      auto leaders = std::count_if(processes_.begin(), processes_.end(),
                                   [this](const Process& p) { return p.election.leads(clock(p)); });
      EXPECT_LE(leaders, 1) << "at " << now_ / kStep;
      led += leaders != 0 ? kStep : 0;
    }
    return led;
  }

 private:
  static constexpr Nanos kStep = kSecond / 10;

  struct Letter {
    LeaseRecord record;
    Nanos sent;     // by the process's clock
    Nanos arrives;  // real
    bool lost;      // its answer
  };
  struct Process {
    Election election;
    Nanos offset;       // of its clock
    Nanos next = 0;     // real time of its next look
    Nanos stopped = 0;  // until then it does nothing
    std::optional<Letter> letter;
  };

  Nanos clock(const Process& p) const { return now_ + p.offset; }
  bool chance(int percent) { return random_.below(100) < percent; }

  void turn(Process& p) {
    if (p.letter && p.letter->arrives <= now_) arrive(p);
    if (now_ < p.stopped || p.letter || now_ < p.next) return;
    if (chance(2)) p.stopped = now_ + random_.below(60 * kSecond);
    p.next = now_ + 2 * kSecond;
    if (chance(20)) return;  // the look found no server
    Step step = lease_ ? p.election.seen(*lease_, clock(p)) : p.election.absent(clock(p));
    if (step == Step::kWait) return;
    LeaseRecord record = p.election.record("t");
    if (step == Step::kCreate) record.resource_version.clear();
    p.letter = Letter{record, clock(p), now_ + random_.below(8 * kSecond), chance(20)};
  }

  // The server decides when the letter comes in; the process hears of it then, or never.
  void arrive(Process& p) {
    Letter letter = *p.letter;
    p.letter.reset();
    const std::string present = lease_ ? lease_->resource_version : "";
    if (letter.record.resource_version != present) return;  // a conflict
    lease_ = letter.record;
    lease_->resource_version = std::to_string(++version_);
    lease_->uid = "u";
    if (!letter.lost && now_ >= p.stopped) p.election.held(*lease_, letter.sent, clock(p));
  }

  Random random_;
  Nanos now_ = 0;
  std::vector<Process> processes_;
  std::optional<LeaseRecord> lease_;
  uint64_t version_ = 0;
};

TEST(Election, NeverTwoLeadersWhateverIsLateLostOrStopped) {
  Nanos led = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) led += World(seed).run(2000 * kSecond);
  // And somebody leads for most of the time all the same.
  EXPECT_GT(led, 30 * 600 * kSecond);
}

}  // namespace
}  // namespace flexai::kube
