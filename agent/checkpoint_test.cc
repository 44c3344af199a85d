#include "agent/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

using base::Code;
using testing::HasSubstr;

StoredSlice slice(uint64_t id, const std::string& name) {
  StoredSlice stored;
  stored.id = id;
  stored.card_key = "key of the card";
  stored.slice.name = name;
  stored.slice.card = "fake-0";
  stored.slice.compute_milli = 300;
  stored.slice.ceiling_milli = 800;
  stored.slice.memory_bytes = 1ull << 33;
  stored.slice.priority = model::Priority::kHigh;
  stored.slice.owner_uid = 4000000000u;
  return stored;
}

Change put(const StoredSlice& stored) {
  Change change;
  change.put_slices.push_back(stored);
  return change;
}

void execute(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

class CheckpointTest : public testing::Test {
 protected:
  base::TemporaryFolder folder_;
  std::string path_ = folder_ / "state.db";
};

TEST_F(CheckpointTest, BringsBackSlicesAndRunsAsTheyWere) {
  StoredRun run{7, std::string(32, 'a'), 1000, 4242, 99, "python train.py", {3, 5}};
  {
    auto checkpoint = Checkpoint::open(path_);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
    Change change = put(slice(3, "one"));
    change.put_slices.push_back(slice(5, "two"));
    change.put_runs.push_back(run);
    ASSERT_TRUE((*checkpoint)->save(change).ok());
    ASSERT_TRUE((*checkpoint)->set_boot("boot").ok());
  }
  auto checkpoint = Checkpoint::open(path_);
  ASSERT_TRUE(checkpoint.ok());
  auto stored = (*checkpoint)->load();
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->slices, (std::vector<StoredSlice>{slice(3, "one"), slice(5, "two")}));
  EXPECT_EQ(stored->runs, std::vector<StoredRun>{run});
  EXPECT_EQ(stored->boot, "boot");
  EXPECT_EQ(stored->last_id, 7u);
}

TEST_F(CheckpointTest, ARunThatGoesOnElsewhereHasNoSlicesAnyMore) {
  StoredRun run{7, std::string(32, 'a'), 1000, 4242, 99, "python train.py", {3}};
  StoredRun left = run;
  left.id = 8;
  left.grant = "b";
  auto checkpoint = Checkpoint::open(path_);
  Change change = put(slice(3, "one"));
  change.put_runs = {run};
  ASSERT_TRUE((*checkpoint)->save(change).ok());
  run.slices.clear();
  run.away = {"gpu2:7700", 5};
  Change gone;
  gone.drop_runs = {run.id};
  gone.put_runs = {run, left};
  ASSERT_TRUE((*checkpoint)->save(gone).ok());
  EXPECT_EQ((*checkpoint)->load()->runs, (std::vector<StoredRun>{run, left}));
}

TEST_F(CheckpointTest, BringsBackCardsAndKnowsNoneWhenTheyCannotBeRead) {
  model::Device card;
  card.id = "fake-0";
  card.key = "key \xff of the card";  // a driver may say anything
  card.memory_bytes = 1ull << 40;
  card.driver_files = {"/lib/driver.so"};
  auto checkpoint = Checkpoint::open(path_);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_TRUE((*checkpoint)->load()->cards.empty());
  ASSERT_TRUE((*checkpoint)->set_cards({card}).ok());
  auto stored = (*checkpoint)->load();
  ASSERT_EQ(stored->cards.size(), 1u);
  EXPECT_EQ(stored->cards[0].driver_files, card.driver_files);
  EXPECT_EQ(stored->cards[0].memory_bytes, card.memory_bytes);
  checkpoint->reset();
  execute(path_, "UPDATE meta SET value='[{\"id\":7}]' WHERE key='cards'");
  checkpoint = Checkpoint::open(path_);
  stored = (*checkpoint)->load();
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->cards.empty());
}

TEST_F(CheckpointTest, NumbersAreNotGivenOutAgainAfterADeletion) {
  auto checkpoint = Checkpoint::open(path_);
  ASSERT_TRUE((*checkpoint)->save(put(slice(9, "gone"))).ok());
  Change drop;
  drop.drop_slices.push_back(9);
  ASSERT_TRUE((*checkpoint)->save(drop).ok());
  auto stored = (*checkpoint)->load();
  EXPECT_TRUE(stored->slices.empty());
  EXPECT_EQ(stored->last_id, 9u);
}

TEST_F(CheckpointTest, CountsIncarnations) {
  EXPECT_EQ(*(*Checkpoint::open(path_))->next_incarnation(), 1u);
  EXPECT_EQ(*(*Checkpoint::open(path_))->next_incarnation(), 2u);
}

TEST_F(CheckpointTest, IsReadableByItsOwnerOnly) {
  auto checkpoint = Checkpoint::open(path_);
  struct stat st {};
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

// What version 1 wrote is read, and what it could not say is empty.
TEST_F(CheckpointTest, BringsVersion1Up) {
  StoredRun run{3, "0123", 7, 42, 99, "train", {1}, "desk", "k-0b0c6a3e-0", "team"};
  {
    auto checkpoint = Checkpoint::open(path_);
    Change change;
    change.put_slices.push_back(slice(1, "a"));
    change.put_runs.push_back(run);
    ASSERT_TRUE((*checkpoint)->save(change).ok());
    auto stored = (*checkpoint)->load();
    ASSERT_EQ(stored->runs.size(), 1u);
    EXPECT_EQ(stored->runs[0], run);
  }
  execute(path_, "ALTER TABLE runs DROP COLUMN host");
  execute(path_, "ALTER TABLE runs DROP COLUMN claim");
  execute(path_, "ALTER TABLE runs DROP COLUMN tenant");
  execute(path_, "ALTER TABLE runs DROP COLUMN away_host");
  execute(path_, "ALTER TABLE runs DROP COLUMN away_run");
  execute(path_, "ALTER TABLE slices DROP COLUMN paused");
  execute(path_, "ALTER TABLE slices DROP COLUMN residency");
  execute(path_, "PRAGMA user_version=1");
  auto checkpoint = Checkpoint::open(path_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  auto stored = (*checkpoint)->load();
  ASSERT_TRUE(stored.ok());
  ASSERT_EQ(stored->slices.size(), 1u);
  EXPECT_FALSE(stored->slices[0].slice.still());
  run.host.clear();
  run.claim.clear();
  run.tenant.clear();
  ASSERT_EQ(stored->runs.size(), 1u);
  EXPECT_EQ(stored->runs[0], run);
}

TEST_F(CheckpointTest, RefusesANewerVersionAndLeavesItAlone) {
  { auto checkpoint = Checkpoint::open(path_); }
  execute(path_, "PRAGMA user_version=99");
  auto refused = Checkpoint::open(path_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("version 99"));
}

TEST_F(CheckpointTest, RefusesRubbishAndNamesTheWayOut) {
  std::ofstream(path_) << std::string(10000, 'x');
  auto refused = Checkpoint::open(path_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("--reset-state"));
  auto aside = Checkpoint::set_aside(path_);
  ASSERT_TRUE(aside.ok());
  EXPECT_EQ(access(aside->c_str(), F_OK), 0);
  EXPECT_TRUE(Checkpoint::open(path_).ok());
}

TEST_F(CheckpointTest, NoticesDamageInTheMiddleOfTheFile) {
  {
    auto checkpoint = Checkpoint::open(path_);
    for (uint64_t id = 1; id < 400; ++id)
      ASSERT_TRUE((*checkpoint)->save(put(slice(id, "s" + std::to_string(id)))).ok());
  }
  struct stat st {};
  stat(path_.c_str(), &st);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  for (long at = 4096; at < st.st_size; at += 4096) {
    file.seekp(at);
    file << std::string(64, '\xff');
  }
  file.close();
  auto opened = Checkpoint::open(path_);
  bool refused = !opened.ok() || !(*opened)->load().ok();
  EXPECT_TRUE(refused);
}

TEST_F(CheckpointTest, RefusesASliceThatMakesNoSense) {
  {
    auto checkpoint = Checkpoint::open(path_);
    ASSERT_TRUE((*checkpoint)->save(put(slice(1, "one"))).ok());
  }
  execute(path_, "UPDATE slices SET compute_milli=5000");
  auto checkpoint = Checkpoint::open(path_);
  ASSERT_TRUE(checkpoint.ok());
  auto stored = (*checkpoint)->load();
  ASSERT_FALSE(stored.ok());
  EXPECT_EQ(stored.error().code, Code::kCorrupt);
}

TEST_F(CheckpointTest, AFullDiskIsAnErrorAndTheStateStaysAsItWas) {
  // In a child, because the file size limit is the whole process's.
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto checkpoint = Checkpoint::open(path_);
    if (!checkpoint.ok() || !(*checkpoint)->save(put(slice(1, "before"))).ok()) _exit(10);
    struct stat st {};
    stat((path_ + "-wal").c_str(), &st);
    rlimit limit{static_cast<rlim_t>(st.st_size), static_cast<rlim_t>(st.st_size)};
    setrlimit(RLIMIT_FSIZE, &limit);
    Change change;
    for (uint64_t id = 2; id < 200; ++id)
      change.put_slices.push_back(slice(id, "s" + std::to_string(id)));
    auto full = (*checkpoint)->save(change);
    if (full.ok()) _exit(11);
    if (full.error().code != Code::kExhausted) _exit(12);
    auto stored = (*checkpoint)->load();
    _exit(stored.ok() && stored->slices.size() == 1 ? 0 : 13);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  auto checkpoint = Checkpoint::open(path_);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ((*checkpoint)->load()->slices.size(), 1u);
}

// The file cannot grow in a child; what it did is looked at afterwards.
class FullDisk : public CheckpointTest {
 protected:
  // How `work` ended in a process whose files may not grow.
  template <typename Work>
  int in_child(Work work) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGXFSZ, SIG_IGN);
      auto checkpoint = Checkpoint::open(path_);
      if (!checkpoint.ok()) _exit(99);
      const int code = work(**checkpoint);
      if (code == 0) checkpoint->reset();
      _exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static void room(bool there) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = there ? limit.rlim_max : 1;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    auto checkpoint = Checkpoint::open(path_);
    const auto stored = (*checkpoint)->load();
    for (const auto& each : stored->slices) found.push_back(each.slice.name);
    return found;
  }
  static Change drop(uint64_t id) {
    Change change;
    change.drop_slices.push_back(id);
    return change;
  }
};

TEST_F(FullDisk, WhatIsDroppedIsOwedAndWrittenLater) {
  EXPECT_EQ(in_child([](Checkpoint& checkpoint) {
              if (!checkpoint.save(put(slice(3, "one"))).ok()) return 1;
              if (!checkpoint.save(put(slice(4, "two"))).ok()) return 2;
              room(false);
              if (!checkpoint.save(drop(3)).ok() || !checkpoint.owes()) return 3;
              if (checkpoint.settle().ok()) return 4;
              if (checkpoint.save(put(slice(5, "three"))).ok()) return 5;
              room(true);
              if (!checkpoint.settle().ok() || checkpoint.owes()) return 6;
              return 7;  // without an end of its own
            }),
            7);
  EXPECT_EQ(names(), std::vector<std::string>{"two"});
}

TEST_F(FullDisk, ANameThatIsOwedMayComeAgain) {
  EXPECT_EQ(in_child([](Checkpoint& checkpoint) {
              if (!checkpoint.save(put(slice(3, "one"))).ok()) return 1;
              room(false);
              if (!checkpoint.save(drop(3)).ok()) return 2;
              room(true);
              if (!checkpoint.save(put(slice(4, "one"))).ok() || checkpoint.owes()) return 3;
              return 7;
            }),
            7);
  EXPECT_EQ(names(), std::vector<std::string>{"one"});
}

TEST_F(FullDisk, AnOrderlyEndWritesWhatIsOwed) {
  EXPECT_EQ(in_child([](Checkpoint& checkpoint) {
              if (!checkpoint.save(put(slice(3, "one"))).ok()) return 1;
              room(false);
              if (!checkpoint.save(drop(3)).ok()) return 2;
              room(true);
              return 0;
            }),
            0);
  EXPECT_TRUE(names().empty());
}

TEST_F(CheckpointTest, AFolderThatIsNotThereIsAClearError) {
  auto refused = Checkpoint::open(folder_ / "missing/state.db");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("--state"));
}

}  // namespace
}  // namespace flexai::agent
