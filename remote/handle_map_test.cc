#include "remote/handle_map.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace flexai::remote {
namespace {

using base::Code;

int objects[8];

TEST(Ids, AreNeverTheSameTwice) {
  IdSource source(4);
  std::set<ObjectId> seen;
  for (int round = 0; round < 100; ++round) {
    ObjectId a = *source.take(), b = *source.take();
    EXPECT_TRUE(seen.insert(a).second);
    EXPECT_TRUE(seen.insert(b).second);
    EXPECT_LE(index_of(a), 4u);
    source.give_back(a);
    source.give_back(b);
  }
  EXPECT_EQ(source.out(), 0u);
}

TEST(Ids, EndAtTheBoundAndComeBack) {
  IdSource source(2);
  ObjectId a = *source.take();
  ASSERT_TRUE(source.take().ok());
  EXPECT_EQ(source.take().error().code, Code::kExhausted);
  source.give_back(a);
  source.give_back(a);  // twice: counts once
  ASSERT_TRUE(source.take().ok());
  EXPECT_EQ(source.take().error().code, Code::kExhausted);
}

TEST(HandleMap, FindsWhatWasAddedUnderItsKindOnly) {
  HandleMap map(100);
  ObjectId id = make_id(3, 1);
  ASSERT_TRUE(map.add(id, 2, &objects[0]).ok());
  EXPECT_EQ(map.find(id, 2)->object, &objects[0]);
  EXPECT_EQ(map.find(id, 3).error().code, Code::kNotFound);
  EXPECT_EQ(map.find(make_id(3, 2), 2).error().code, Code::kNotFound);
  EXPECT_EQ(map.find(make_id(4, 1), 2).error().code, Code::kNotFound);
  EXPECT_EQ(map.find(0, 2).error().code, Code::kNotFound);
  EXPECT_EQ(map.find(id, 0).error().code, Code::kNotFound);
}

TEST(HandleMap, AFailedCreateKeepsItsErrorForWhatDependsOnIt) {
  HandleMap map(100);
  ASSERT_TRUE(map.add_failed(make_id(1, 1), 2, -61).ok());
  auto found = map.find(make_id(1, 1), 2);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->object, nullptr);
  EXPECT_EQ(found->error, -61);
  EXPECT_TRUE(*map.remove(make_id(1, 1), 2));
  EXPECT_FALSE(map.find(make_id(1, 1), 2).ok());
}

TEST(HandleMap, CountsReferences) {
  HandleMap map(100);
  ObjectId id = make_id(1, 1);
  ASSERT_TRUE(map.add(id, 1, &objects[0]).ok());
  ASSERT_TRUE(map.retain(id, 1).ok());
  EXPECT_FALSE(*map.remove(id, 1));
  EXPECT_TRUE(*map.remove(id, 1));
  EXPECT_EQ(map.remove(id, 1).error().code, Code::kNotFound);
  EXPECT_EQ(map.retain(id, 1).error().code, Code::kNotFound);
}

TEST(HandleMap, RefusesIdsThatAHostileClientMakesUp) {
  HandleMap map(100);
  EXPECT_EQ(map.add(0, 1, objects).error().code, Code::kInvalid);
  EXPECT_EQ(map.add(make_id(1, 0), 1, objects).error().code, Code::kInvalid);
  EXPECT_EQ(map.add(make_id(0, 1), 1, objects).error().code, Code::kInvalid);
  EXPECT_EQ(map.add(make_id(1, 1), 0, objects).error().code, Code::kInvalid);
  EXPECT_EQ(map.add(make_id(101, 1), 1, objects).error().code, Code::kExhausted);
  EXPECT_EQ(map.add(UINT64_MAX, 1, objects).error().code, Code::kExhausted);
  ASSERT_TRUE(map.add(make_id(100, 1), 1, objects).ok());
  EXPECT_EQ(map.add(make_id(100, 2), 1, objects).error().code, Code::kConflict);
  ASSERT_TRUE(map.remove(make_id(100, 1), 1).ok());
  EXPECT_EQ(map.add(make_id(100, 1), 1, objects).error().code, Code::kInvalid) << "used before";
  EXPECT_EQ(map.size(), 0u);
}

TEST(HandleMap, GivesBackWhatIsLeftNewestFirst) {
  HandleMap map(100);
  for (uint32_t i = 1; i <= 4; ++i)
    ASSERT_TRUE(map.add(make_id(5 - i, 1), static_cast<Kind>(i), &objects[i]).ok());
  ASSERT_TRUE(map.add_failed(make_id(9, 1), 7, -1).ok());
  std::vector<int> kinds;
  map.clear([&](Kind kind, void* object) {
    kinds.push_back(kind);
    EXPECT_EQ(object, &objects[kind]);
  });
  EXPECT_EQ(kinds, (std::vector<int>{4, 3, 2, 1}));
  EXPECT_EQ(map.size(), 0u);
}

TEST(HandleMap, ListsAKindOldestFirstAndPutsOthersBehindTheirIds) {
  HandleMap map(100);
  ASSERT_TRUE(map.add(make_id(9, 1), 1, &objects[1]).ok());
  ASSERT_TRUE(map.add(make_id(3, 1), 1, &objects[2]).ok());
  ASSERT_TRUE(map.add(make_id(4, 1), 2, &objects[3]).ok());
  ASSERT_TRUE(map.add_failed(make_id(5, 1), 1, -1).ok());
  ASSERT_TRUE(map.retain(make_id(3, 1), 1).ok());
  auto all = map.all(1);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, make_id(9, 1));
  EXPECT_EQ(all[1].object, &objects[2]);
  EXPECT_EQ(all[1].references, 2u);
  ASSERT_TRUE(map.replace(make_id(3, 1), 1, &objects[4]).ok());
  EXPECT_EQ(map.find(make_id(3, 1), 1)->object, &objects[4]);
  EXPECT_EQ(map.replace(make_id(3, 1), 2, &objects[4]).error().code, Code::kNotFound);
}

TEST(HandleMap, StandsManyThreads) {
  HandleMap map(10000);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 2000; ++i) {
        ObjectId id = make_id(t * 2000 + i + 1, 1);
        ASSERT_TRUE(map.add(id, 1, &objects[t]).ok());
        ASSERT_EQ(map.find(id, 1)->object, &objects[t]);
        if (i % 2 != 0) continue;
        ASSERT_TRUE(*map.remove(id, 1));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(map.size(), 4000u);
}

}  // namespace
}  // namespace flexai::remote
