// Lists and watches against a server that fails in every way: what is seen is what was there.
#include "kube/reflector.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>

#include "test/kube/fault_server.h"

namespace flexai::test {
namespace {

using base::kMillisecond;
using base::kSecond;
using nlohmann::json;
using AnswerPtr = FaultServer::AnswerPtr;

std::string object(const std::string& name, int version, const std::string& uid = "") {
  return json{{"metadata",
               {{"name", name},
                {"namespace", "n"},
                {"uid", uid.empty() ? "uid-" + name : uid},
                {"resourceVersion", std::to_string(version)}}},
              {"value", version}}
      .dump();
}
std::string event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}
std::string list(int version, const std::vector<std::string>& objects,
                 const std::string& more = "") {
  std::string items;
  for (const auto& one : objects) items += (items.empty() ? "" : ",") + one;
  return R"({"kind":"List","metadata":{"resourceVersion":")" + std::to_string(version) +
         R"(","continue":")" + more + R"("},"items":[)" + items + "]}";
}
const char* const kExpired =
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}})";

bool is_watch(const SeenRequest& seen) { return seen.path.find("watch=1") != std::string::npos; }
std::string parameter(const SeenRequest& seen, const std::string& name) {
  size_t at = seen.path.find(name + "=");
  if (at == std::string::npos) return "";
  at += name.size() + 1;
  return seen.path.substr(at, seen.path.find('&', at) - at);
}

// A reflector on a loop of its own whose handlers write down what they are told.
class Watcher {
 public:
  explicit Watcher(const FaultServer& server, kube::SplitLimits limits = {},
                   const kube::Shape* shape = nullptr) {
    kube::ClientOptions options;
    options.transport.first_backoff = kMillisecond;
    options.transport.most_backoff = 10 * kMillisecond;
    client_ = kube::Client::make(server.credentials(), options).value();
    kube::ListWatchOptions watch;
    watch.resource = kube::kPods;
    watch.page = 2;
    watch.shape = shape;
    watch.limits = limits;
    watch.first_backoff = kMillisecond;
    watch.most_backoff = 20 * kMillisecond;
    watch.relist_jitter = 5 * kMillisecond;
    kube::Reflector<int>::Handlers handlers;
    handlers.added = [this](const std::string& key, int now) { note("+" + key, now); };
    handlers.updated = [this](const std::string& key, int, int now) { note("=" + key, now); };
    handlers.deleted = [this](const std::string& key, int last) { note("-" + key, last); };
    handlers.synced = [this] { note("synced", -1); };
    handlers.trouble = [this](const kube::Failure& failure) {
      std::lock_guard lock(mutex_);
      troubles_.push_back(failure.message);
    };
    reflector_ = std::make_unique<kube::Reflector<int>>(*client_, *loop_, watch, project, handlers);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Watcher() {
    loop_->post([this] {
      reflector_.reset();
      loop_->stop();
    });
    thread_.join();
  }

  // Waits until that was told last; everything that was told, up to there.
  std::vector<std::string> until(const std::string& last) {
    std::unique_lock lock(mutex_);
    over_.wait_for(lock, std::chrono::seconds(20),
                   [&] { return std::find(told_.begin(), told_.end(), last) != told_.end(); });
    return told_;
  }
  std::vector<std::string> troubles() {
    std::lock_guard lock(mutex_);
    return troubles_;
  }
  const kube::ListWatchCounts& counts() const { return reflector_->counts(); }
  // On the loop; whether it counts as synced right after.
  bool list_anew() {
    return on_loop([this] {
      reflector_->list_anew();
      return reflector_->synced();
    });
  }
  bool synced() {
    return on_loop([this] { return reflector_->synced(); });
  }
  std::atomic<base::Nanos> slowness{0};
  static inline std::atomic<int> projected{0};  // objects read

 private:
  bool on_loop(std::function<bool()> what) {
    std::promise<bool> answer;
    loop_->post([&] { answer.set_value(what()); });
    return answer.get_future().get();
  }
  static base::Result<std::optional<int>> project(const kube::Meta&, kube::ObjectText text) {
    ++projected;
    json parsed = json::parse(text.json, nullptr, false);
    if (parsed.is_discarded()) return base::fail(base::Code::kCorrupt, "no JSON");
    int value = parsed.value("value", 0);
    if (value == 77777) return base::fail(base::Code::kInvalid, "of the devil");
    return value < 0 ? std::nullopt : std::optional(value);
  }
  void note(const std::string& what, int value) {
    if (slowness > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(slowness));
    std::lock_guard lock(mutex_);
    told_.push_back(value < 0 ? what : what + ":" + std::to_string(value));
    over_.notify_all();
  }

  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<base::Loop> loop_ = base::Loop::make().value();
  std::unique_ptr<kube::Reflector<int>> reflector_;
  std::mutex mutex_;
  std::condition_variable over_;
  std::vector<std::string> told_, troubles_;
  std::thread thread_;
};

using Told = std::vector<std::string>;

TEST(Reflector, ListsInPagesAndThenWatchesFromTheirVersion) {
  FaultServer server([](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) {
      EXPECT_EQ(parameter(seen, "resourceVersion"), "7");
      answer->begin(200);
      return answer->send(event("MODIFIED", object("a", 8)) + event("DELETED", object("b", 9)) +
                          event("ADDED", object("d", 10)));
    }
    EXPECT_EQ(parameter(seen, "limit"), "2");
    if (parameter(seen, "continue").empty())
      return answer->whole(200, list(7, {object("a", 1), object("b", 2)}, "more"));
    answer->whole(200, list(7, {object("c", 3)}));
  });
  Watcher watcher(server);
  EXPECT_EQ(watcher.until("+n/d:10"),
            (Told{"+n/a:1", "+n/b:2", "+n/c:3", "synced", "=n/a:8", "-n/b:2", "+n/d:10"}));
}

// A field of a message in protobuf that is itself text or a message, of less than 128 bytes.
std::string part(int number, const std::string& text) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(text.size())} + text;
}
std::string packed(const std::vector<std::string>& names, const std::string& more) {
  std::string list = part(1, part(2, "7") + part(3, more));
  for (const std::string& name : names)
    list += part(2, part(1, part(1, name) + part(3, "n") + part(5, "uid-" + name) + part(6, "1")));
  return std::string("k8s\0", 4) + part(1, part(1, "v1") + part(2, "PodList")) + part(2, list);
}

TEST(Reflector, ListsArePackedWhereTheServerCanAndWatchesAreNot) {
  std::atomic<bool> cut{true};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) {
      EXPECT_EQ(seen.accept, "application/json");
      answer->begin(200);
      return answer->send(event("MODIFIED", object("a", 8)));
    }
    EXPECT_EQ(seen.accept, "application/vnd.kubernetes.protobuf, application/json");
    const std::string first = packed({"a", "b"}, "more");
    if (!parameter(seen, "continue").empty())
      return answer->whole(200, list(7, {object("c", 3)}));  // another server that cannot
    if (cut.exchange(false)) return answer->whole(200, first.substr(0, first.size() - 5));
    answer->whole(200, first);
  });
  Watcher watcher(server, {}, &kube::kPackedPod);
  const Told told = watcher.until("=n/a:8");
  EXPECT_EQ(told, (Told{"+n/a:0", "+n/b:0", "+n/c:3", "synced", "=n/a:8"}));
  EXPECT_EQ(watcher.counts().corrupt, 1u) << "half a list";
  ASSERT_EQ(watcher.troubles().size(), 1u);
  EXPECT_NE(watcher.troubles()[0].find("the list is not whole"), std::string::npos);
}

// A watch that lags says nothing of what has been written since.
TEST(Reflector, WhatOthersHaveWrittenIsListedAnew) {
  std::atomic<int> lists{0}, watches{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) {
      EXPECT_EQ(parameter(seen, "resourceVersion"), watches++ == 0 ? "7" : "9");
      return answer->begin(200);
    }
    if (lists++ == 0) return answer->whole(200, list(7, {object("a", 1), object("b", 2)}));
    answer->whole(200, list(9, {object("a", 8), object("c", 9)}));
  });
  Watcher watcher(server);
  watcher.until("synced");
  EXPECT_TRUE(watcher.synced());
  EXPECT_FALSE(watcher.list_anew());
  while (!watcher.synced()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(watcher.until("-n/b:2"),
            (Told{"+n/a:1", "+n/b:2", "synced", "=n/a:8", "+n/c:9", "-n/b:2", "synced"}));
}

// While a cut watch waits for its time to begin again: then there is one watch, not two.
TEST(Reflector, AListAnewTakesThePlaceOfWhatWasPutOff) {
  std::atomic<int> lists{0}, watches{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) {
      const int now = ++lists;
      return answer->whole(200, list(now, {object("a", now)}));
    }
    // The first end at once, so that the next is put off.
    if (lists < 4) return answer->whole(200, "");
    ++watches;
    answer->begin(200);
  });
  Watcher watcher(server);
  for (int i = 0; i < 3; ++i) {
    while (!watcher.synced()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(watcher.list_anew());
  }
  watcher.until("=n/a:4");
  while (!watcher.synced()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(watches, 1);
  EXPECT_EQ(lists, 4);
}

// A server with a log of changes: a watch gets those after its version, in pieces, and is broken
// after `per_watch` bytes in the way of the moment.
class Log {
 public:
  Log(int changes, size_t per_watch) : per_watch_(per_watch) {
    for (int i = 1; i <= changes; ++i) events_.push_back(event("MODIFIED", object("a", i + 1)));
  }
  void operator()(const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return answer->whole(200, list(1, {object("a", 1)}));
    int from = std::stoi(parameter(seen, "resourceVersion"));
    std::string text;
    for (size_t i = static_cast<size_t>(from - 1); i < events_.size(); ++i) text += events_[i];
    answer->begin(200);
    bool last = text.size() <= per_watch_;
    text.resize(std::min(text.size(), per_watch_ + static_cast<size_t>(*turn_ % 7)));
    for (size_t at = 0; at < text.size(); at += 100) answer->send(text.substr(at, 100));
    if (last) return;
    switch ((*turn_)++ % 4) {
      case 0:
        return answer->cut();
      case 1:
        return answer->reset(2);  // INTERNAL_ERROR
      case 2:
        return answer->finish();  // orderly, but within a line
      default:
        answer->go_away(true);
        return answer->reset(8);
    }
  }

 private:
  std::vector<std::string> events_;
  size_t per_watch_;
  std::shared_ptr<int> turn_ = std::make_shared<int>(0);
};

TEST(Reflector, CutsWithinLinesLoseAndRepeatNothing) {
  FaultServer server(Log(300, 1111));
  Watcher watcher(server);
  Told told = watcher.until("=n/a:301");
  ASSERT_EQ(told.size(), 302u);
  for (int i = 2; i <= 301; ++i)
    EXPECT_EQ(told[static_cast<size_t>(i)], "=n/a:" + std::to_string(i));
  EXPECT_GT(watcher.counts().watches, 20u);
  EXPECT_EQ(watcher.counts().lists, 1u);
}

TEST(Reflector, ABookmarkMovesTheVersionThatIsResumedFrom) {
  std::atomic<int> watches{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return answer->whole(200, list(1, {}));
    answer->begin(200);
    if (++watches == 1) {
      answer->send(event("BOOKMARK", R"({"metadata":{"resourceVersion":"500"}})"));
      return answer->cut();
    }
    EXPECT_EQ(parameter(seen, "resourceVersion"), "500");
    answer->send(event("ADDED", object("a", 501)));
  });
  Watcher watcher(server);
  EXPECT_EQ(watcher.until("+n/a:501"), (Told{"synced", "+n/a:501"}));
  EXPECT_EQ(watcher.counts().bookmarks, 1u);
}

// 410 as an answer and as an event: a new list, told as differences.
TEST(Reflector, AnExpiredVersionIsListedAgainAndToldAsDifferences) {
  for (bool as_event : {true, false}) {
    std::atomic<int> lists{0};
    FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
      if (!is_watch(seen)) {
        if (++lists == 1)
          return answer->whole(200, list(5, {object("gone", 1), object("same", 2)}));
        return answer->whole(200, list(90, {object("same", 2), object("changed", 80),
                                            object("remade", 81, "other")}));
      }
      if (lists == 1 && !as_event) return answer->whole(410, "{}");
      answer->begin(200);
      if (lists == 1)
        answer->send(event("ADDED", object("changed", 6)) + event("ADDED", object("remade", 7)) +
                     kExpired + "\n");
    });
    Watcher watcher(server);
    watcher.until("synced");
    for (int i = 0; i < 200 && lists < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    Told told = watcher.until("-n/gone:1");
    while (told.back() == "synced") told.pop_back();
    if (as_event)
      EXPECT_EQ(told, (Told{"+n/gone:1", "+n/same:2", "synced", "+n/changed:6", "+n/remade:7",
                            "=n/changed:80", "-n/remade:7", "+n/remade:81", "-n/gone:1"}));
    else
      EXPECT_EQ(told, (Told{"+n/gone:1", "+n/same:2", "synced", "+n/changed:80", "+n/remade:81",
                            "-n/gone:1"}));
    EXPECT_EQ(watcher.counts().expired, 1u);
  }
}

TEST(Reflector, AListThatExpiresBetweenItsPagesBeginsAnew) {
  std::atomic<int> expired{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) return answer->begin(200);
    if (parameter(seen, "limit").empty())
      return answer->whole(200, list(9, {object("a", 1), object("b", 2), object("c", 3)}));
    if (parameter(seen, "continue").empty())
      return answer->whole(200, list(7, {object("a", 1), object("x", 1)}, "more"));
    ++expired;
    answer->whole(410, R"({"kind":"Status","reason":"Expired"})");
  });
  Watcher watcher(server);
  Told told = watcher.until("synced");
  // In the end in one piece; what only an unfinished list held is gone.
  EXPECT_EQ(told, (Told{"+n/a:1", "+n/x:1", "+n/b:2", "+n/c:3", "-n/x:1", "synced"}));
  EXPECT_EQ(expired, 3);
}

TEST(Reflector, APageThatIsCutIsAskedForAgain) {
  std::atomic<int> pages{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) return answer->begin(200);
    std::string page = parameter(seen, "continue").empty()
                           ? list(7, {object("a", 1), object("b", 2)}, "more")
                           : list(7, {object("c", 3)});
    if (++pages % 2 == 1) {
      answer->begin(200);
      answer->send(page.substr(0, page.size() / 2));
      return answer->cut();
    }
    answer->whole(200, page);
  });
  Watcher watcher(server);
  EXPECT_EQ(watcher.until("synced"), (Told{"+n/a:1", "+n/b:2", "+n/c:3", "synced"}));
}

TEST(Reflector, GarbageAndEndlessLinesAreToldAndListedAgain) {
  const std::string bad[] = {"not json\n",
                             event("ADDED", "{}"),
                             event("ODD", object("z", 3)),
                             event("ADDED", R"({"metadata":{"resourceVersion":"3"}})"),
                             std::string(5000, 'x'),
                             "{\"type\":\"ADDED\",\"object\":{\n"};
  std::atomic<size_t> watches{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return answer->whole(200, list(2, {object("a", 1)}));
    answer->begin(200);
    size_t turn = watches++;
    if (turn < std::size(bad)) return answer->send(bad[turn]);
    answer->send(event("ADDED", object("b", 3)));
  });
  kube::SplitLimits limits;
  limits.line = 4096;
  Watcher watcher(server, limits);
  Told told = watcher.until("+n/b:3");
  EXPECT_EQ(told.back(), "+n/b:3");
  EXPECT_EQ(std::count(told.begin(), told.end(), "+n/a:1"), 1);
  EXPECT_EQ(watcher.counts().corrupt, std::size(bad));
  EXPECT_EQ(watcher.troubles().size(), std::size(bad));
}

TEST(Reflector, AListThatIsNoneIsAskedForAgain) {
  const std::string bad[] = {"",
                             "[]",
                             R"({"items":[{}],"metadata":{"resourceVersion":"1"}})",
                             R"({"metadata":{"resourceVersion":"1"}})",
                             R"({"items":[)",
                             R"({"items":[],"metadata":{}})"};
  std::atomic<size_t> lists{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) return answer->begin(200);
    size_t turn = lists++;
    answer->whole(200, turn < std::size(bad) ? bad[turn] : list(2, {object("a", 1)}));
  });
  Watcher watcher(server);
  EXPECT_EQ(watcher.until("synced"), (Told{"+n/a:1", "synced"}));
}

TEST(Reflector, AnObjectThatCannotBeReadHurtsNoOther) {
  FaultServer server([](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return answer->whole(200, list(2, {object("a", 77777), object("b", 1)}));
    answer->begin(200);
    std::string unwanted = object("b", 3);
    unwanted.replace(unwanted.find("\"value\":3"), 9, "\"value\":-1");
    answer->send(event("MODIFIED", unwanted) + event("ADDED", object("c", 4)));
  });
  Watcher watcher(server);
  EXPECT_EQ(watcher.until("+n/c:4"), (Told{"+n/b:1", "synced", "-n/b:1", "+n/c:4"}));
  ASSERT_EQ(watcher.troubles().size(), 1u);
  EXPECT_EQ(watcher.troubles()[0], "n/a: of the devil");
}

TEST(Reflector, AServerThatIsAwayIsWaitedForAndTheWatchResumed) {
  std::atomic<int> lists{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return ++lists, answer->whole(200, list(2, {object("a", 1)}));
    answer->begin(200);
    answer->send(event("MODIFIED", object("a", std::stoi(parameter(seen, "resourceVersion")) + 1)));
  });
  Watcher watcher(server);
  watcher.until("=n/a:3");
  server.refuse(true);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.refuse(false);
  EXPECT_EQ(watcher.until("=n/a:4").back(), "=n/a:4");
  EXPECT_EQ(lists, 1);
}

TEST(Reflector, AVersionTheServerDoesNotHaveYetIsListedAgainInTheEnd) {
  std::atomic<int> lists{0}, refused{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return ++lists, answer->whole(200, list(lists == 1 ? 900 : 5, {}));
    if (parameter(seen, "resourceVersion") == "900") {
      ++refused;
      return answer->whole(504, R"({"kind":"Status","reason":"Timeout","details":{"causes":[
          {"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":0}})");
    }
    answer->begin(200);
    answer->send(event("ADDED", object("a", 6)));
  });
  Watcher watcher(server);
  watcher.until("+n/a:6");
  EXPECT_EQ(lists, 2);
  EXPECT_EQ(refused, 5);
}

TEST(Reflector, AListThatIsThrottledComesWhenTheServerSays) {
  std::atomic<int> lists{0};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) return answer->begin(200);
    if (++lists == 1) return answer->whole(429, "busy", "1");
    answer->whole(200, list(2, {object("a", 1)}));
  });
  base::Nanos began = base::monotonic_now();
  Watcher watcher(server);
  watcher.until("synced");
  EXPECT_GE(base::monotonic_now() - began, kSecond);
  EXPECT_EQ(lists, 2);
}

TEST(Reflector, WhoIsSlowHoldsTheServerUpAndNotOurMemory) {
  constexpr int kLast = 30001;
  std::string text;  // some 4 MB
  for (int i = 2; i <= kLast; ++i) text += event(i == 2 ? "ADDED" : "MODIFIED", object("a", i));
  std::atomic<bool> stuck{false};
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (!is_watch(seen)) return answer->whole(200, list(1, {}));
    answer->begin(200);
    answer->send(text);
    stuck = true;
  });
  Watcher watcher(server);
  watcher.slowness = 20 * kMillisecond;
  while (!stuck) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  // What has been read cannot be much more than a window, 1 MiB.
  EXPECT_LT(watcher.counts().events, 15000u);
  watcher.slowness = 0;
  Told told = watcher.until("=n/a:" + std::to_string(kLast));
  ASSERT_EQ(told.size(), static_cast<size_t>(kLast));
  for (int i = 3; i <= kLast; ++i)
    ASSERT_EQ(told[static_cast<size_t>(i - 1)], "=n/a:" + std::to_string(i));
}

TEST(Reflector, ALargePageWaitsForWhoIsSlowToo) {
  constexpr int kLast = 30000;
  std::vector<std::string> objects;
  for (int i = 1; i <= kLast; ++i) objects.push_back(object("a" + std::to_string(i), i));
  const std::string text = list(1, objects);
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    if (is_watch(seen)) return answer->begin(200);
    answer->whole(200, text);
  });
  Watcher::projected = 0;
  Watcher watcher(server);
  watcher.slowness = 20 * kMillisecond;
  watcher.until("+n/a1:1");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(Watcher::projected, 15000);
  watcher.slowness = 0;
  EXPECT_EQ(watcher.until("synced").size(), static_cast<size_t>(kLast) + 1);
}

TEST(Reflector, OneDripAtATimeIsEnough) {
  FaultServer* self = nullptr;
  std::function<void(AnswerPtr, std::string)> drip = [&](AnswerPtr answer, std::string rest) {
    if (rest.empty()) return;
    answer->send(rest.substr(0, 1));
    self->post_in(kMillisecond, [&drip, answer, rest] { drip(answer, rest.substr(1)); });
  };
  FaultServer server([&](const SeenRequest& seen, AnswerPtr answer) {
    answer->begin(200);
    if (is_watch(seen)) return drip(answer, event("ADDED", object("b", 3)));
    answer->send(list(2, {object("a", 1)}));
    answer->finish();
  });
  self = &server;
  Watcher watcher(server);
  EXPECT_EQ(watcher.until("+n/b:3"), (Told{"+n/a:1", "synced", "+n/b:3"}));
}

}  // namespace
}  // namespace flexai::test
