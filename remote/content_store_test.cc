#include "remote/content_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/hex.h"
#include "base/temporary_folder.h"

namespace flexai::remote {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = wire::bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

wire::Digest key_of(const std::string& text) {
  return wire::digest_of(wire::bytes_of(text)).value();
}

class ContentStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(place_.empty());
    folder_ = place_ + "/store";
  }

  std::unique_ptr<ContentStore> open(uint64_t most = 1u << 20) {
    return ContentStore::open(folder_, most).value();
  }
  std::string path_of(const std::string& text) {
    return folder_ + "/" + base::hex_of(key_of(text));
  }
  size_t files() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& each : fs::directory_iterator(folder_)) ++count;
    return count;
  }
  // As if it had been used so many seconds ago.
  void age(const std::string& text, time_t seconds) {
    const timespec when[2] = {{::time(nullptr) - seconds, 0}, {::time(nullptr) - seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path_of(text).c_str(), when, 0), 0);
  }

  base::TemporaryFolder temporary_;
  const std::string place_ = temporary_.path();
  std::string folder_;
};

TEST_F(ContentStoreTest, AnotherProcessFindsWhatWasKept) {
  EXPECT_FALSE(open()->find(key_of("a")).has_value());
  ASSERT_TRUE(open()->keep(key_of("a"), bytes_of("content")).ok());
  EXPECT_EQ(open()->find(key_of("a")), bytes_of("content"));
  EXPECT_FALSE(open()->find(key_of("b")).has_value());
  ASSERT_TRUE(open()->keep(key_of("a"), {}).ok());
  EXPECT_EQ(open()->find(key_of("a")), bytes_of(""));
  open()->drop(key_of("a"));
  EXPECT_FALSE(open()->find(key_of("a")).has_value());
  struct stat about {};
  ASSERT_EQ(::stat(folder_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
}

// The example of the page.
TEST_F(ContentStoreTest, AnEntryIsWhatThePageSays) {
  auto store = open();
  std::ifstream page(FLEXAI_KEPT_PAGE);
  int examples = 0;
  for (std::string word; page >> word;) {
    if (word != "entry") continue;
    std::string key, bytes, file, skip;
    if (!(page >> key >> skip) || skip != "bytes" || !(page >> bytes >> skip >> file)) continue;
    ++examples;
    std::string whole;
    for (size_t i = 0; i + 1 < file.size(); i += 2)
      whole += static_cast<char>(std::stoi(file.substr(i, 2), nullptr, 16));
    std::ofstream(folder_ + "/" + key, std::ios::binary) << whole;
    const auto found = store->find(key_of("a program"));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(base::hex_of(*found), bytes);
    store->drop(key_of("a program"));
    ASSERT_TRUE(store->keep(key_of("a program"), *found).ok());
    std::ifstream again(folder_ + "/" + key, std::ios::binary);
    EXPECT_EQ(std::string((std::istreambuf_iterator<char>(again)), {}), whole);
  }
  EXPECT_EQ(examples, 1);
}

TEST_F(ContentStoreTest, NothingDamagedIsHandedOut) {
  auto store = open();
  const std::string content(3000, 'x');
  ASSERT_TRUE(store->keep(key_of("a"), bytes_of(content)).ok());
  std::ifstream file(path_of("a"), std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), {});
  auto put = [&](const std::string& bytes) {
    std::ofstream(path_of("a"), std::ios::binary | std::ios::trunc) << bytes;
  };
  for (size_t at = 0; at < whole.size(); at += at < 100 ? 1 : 97) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    put(changed);
    EXPECT_FALSE(store->find(key_of("a")).has_value()) << at;
    EXPECT_FALSE(fs::exists(path_of("a"))) << at;
    put(whole.substr(0, at));
    EXPECT_FALSE(store->find(key_of("a")).has_value()) << at;
  }
  put(whole + "more");
  EXPECT_FALSE(store->find(key_of("a")).has_value());
  put(whole);
  EXPECT_EQ(store->find(key_of("a")), bytes_of(content));
}

TEST_F(ContentStoreTest, AnEntryUnderAnotherNameIsNone) {
  auto store = open();
  ASSERT_TRUE(store->keep(key_of("a"), bytes_of("of a")).ok());
  fs::rename(path_of("a"), path_of("b"));
  EXPECT_FALSE(store->find(key_of("b")).has_value());
}

TEST_F(ContentStoreTest, OnlyFilesAreRead) {
  auto store = open();
  ASSERT_TRUE(store->keep(key_of("a"), bytes_of("of a")).ok());
  fs::rename(path_of("a"), place_ + "/elsewhere");
  fs::create_symlink(place_ + "/elsewhere", path_of("a"));
  EXPECT_FALSE(store->find(key_of("a")).has_value());
  ASSERT_EQ(::mkfifo(path_of("b").c_str(), 0600), 0);
  EXPECT_FALSE(store->find(key_of("b")).has_value());  // and does not wait for its other end
  fs::create_directory(path_of("c"));
  EXPECT_FALSE(store->find(key_of("c")).has_value());
}

TEST_F(ContentStoreTest, WhatWasNotUsedForLongestGoesFirst) {
  auto store = open(10'000);
  const std::string piece(2'000, 'p');
  for (const char* name : {"a", "b", "c", "d"})
    ASSERT_TRUE(store->keep(key_of(name), bytes_of(piece)).ok());
  age("a", 400);
  age("b", 300);
  age("c", 200);
  age("d", 100);
  ASSERT_TRUE(store->find(key_of("a")).has_value());  // used now
  auto again = open(10'000);
  ASSERT_TRUE(again->keep(key_of("e"), bytes_of(std::string(4'000, 'e'))).ok());
  EXPECT_TRUE(again->find(key_of("a")).has_value());
  EXPECT_FALSE(again->find(key_of("b")).has_value());
  EXPECT_TRUE(again->find(key_of("d")).has_value());
  EXPECT_TRUE(again->find(key_of("e")).has_value());
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(again->keep(key_of("n" + std::to_string(i)), bytes_of(piece)).ok());
  EXPECT_LE(files(), 5u);
}

TEST_F(ContentStoreTest, WhatIsTooLargeIsNotKept) {
  auto store = open(1'000);
  EXPECT_EQ(store->keep(key_of("a"), bytes_of(std::string(1'001, 'x'))).error().code,
            base::Code::kExhausted);
  EXPECT_EQ(files(), 0u);
}

TEST_F(ContentStoreTest, WhatAKilledWriterLeftGoes) {
  auto store = open(1'000);
  std::ofstream(folder_ + "/new-old") << "half";
  std::ofstream(folder_ + "/new-fresh") << "half";
  const timespec when[2] = {{::time(nullptr) - 7200, 0}, {::time(nullptr) - 7200, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ + "/new-old").c_str(), when, 0), 0);
  ASSERT_TRUE(store->keep(key_of("a"), bytes_of("x")).ok());
  EXPECT_FALSE(fs::exists(folder_ + "/new-old"));
  EXPECT_TRUE(fs::exists(folder_ + "/new-fresh"));
}

TEST_F(ContentStoreTest, AFolderThatIsGoneIsNobodysError) {
  auto store = open();
  fs::remove_all(folder_);
  EXPECT_FALSE(store->keep(key_of("a"), bytes_of("x")).ok());
  EXPECT_FALSE(store->find(key_of("a")).has_value());
  std::ofstream(place_ + "/file") << "x";
  EXPECT_FALSE(ContentStore::open(place_ + "/file", 1).ok());
  EXPECT_FALSE(ContentStore::open(place_ + "/nowhere/store", 1).ok());
}

// In a process of its own: the disk is one that this test makes.
TEST_F(ContentStoreTest, AFullDisk) {
  fs::create_directory(folder_);
  if (::mount("none", folder_.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "needs to mount";
  auto store = open();
  ASSERT_TRUE(store->keep(key_of("small"), bytes_of("fits")).ok());
  const base::Status full = store->keep(key_of("large"), bytes_of(std::string(200'000, 'x')));
  EXPECT_FALSE(full.ok());
  EXPECT_FALSE(store->find(key_of("large")).has_value());
  EXPECT_EQ(files(), 1u);  // nothing half
  EXPECT_EQ(store->find(key_of("small")), bytes_of("fits"));
  store.reset();
  ::umount(folder_.c_str());
}

TEST_F(ContentStoreTest, ManyAtOnceSeeAllOrNothing) {
  fs::create_directory(folder_);
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      children.push_back(pid);
      continue;
    }
    auto store = open(40'000);
    int wrong = 0;
    for (int i = 0; i < 300; ++i) {
      const std::string name = std::to_string(i % 13);
      const std::string content(static_cast<size_t>(4'000 + i % 13), name[0]);
      if ((i + child) % 2 == 0) {
        [[maybe_unused]] auto kept = store->keep(key_of(name), bytes_of(content));
      }
      const auto found = store->find(key_of(name));
      if (found.has_value() && *found != bytes_of(content)) ++wrong;
    }
    ::_exit(wrong == 0 ? 0 : 1);
  }
  for (pid_t pid : children) {
    int status = 1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace flexai::remote
