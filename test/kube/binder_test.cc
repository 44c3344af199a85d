// The hi-scheduler's writes to a server that loses answers: what was written stays taken, what was
// not is forgotten, and nobody's gate is opened before his lease is there.
#include "control/binder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>

#include "kube/names.h"
#include "test/kube/fault_server.h"

namespace flexai::test {
namespace {

using base::kMillisecond;
using nlohmann::json;
using AnswerPtr = FaultServer::AnswerPtr;

json claim_object() {
  return {
      {"metadata",
       {{"namespace", "ns"},
        {"name", "p"},
        {"uid", "claim-p"},
        {"resourceVersion", "1"},
        {"finalizers", {kube::kClaimFinalizer}}}},
      {"spec",
       {{"devices",
         {{"requests",
           json::array(
               {{{"name", "x"},
                 {"exactly",
                  {{"deviceClassName", kube::kClassName},
                   {"capacity", {{"requests", {{"compute", "600"}, {"memory", "1Gi"}}}}}}}}})}}}}}};
}

// A world of one card and one pod, whose place is carried out.
class BinderTest : public ::testing::Test {
 protected:
  using Handler = std::function<void(const SeenRequest&, AnswerPtr)>;

  void serve(const Handler& handler) {
    server_ = std::make_unique<FaultServer>([this, handler](const SeenRequest& seen, AnswerPtr a) {
      const std::string line = seen.method + " " + seen.path.substr(seen.path.rfind('/') + 1);
      {
        std::lock_guard lock(mutex_);
        lines_.push_back(line);
        if (line == "PATCH status") allocation_ = json::parse(seen.body)["status"];
        over_.notify_all();
      }
      handler(seen, std::move(a));
    });
    kube::ClientOptions options;
    options.rate = 0;
    options.first_backoff = kMillisecond;
    options.most_backoff = 10 * kMillisecond;
    options.transport.first_backoff = kMillisecond;
    client_ = kube::Client::make(server_->credentials(), options).value();
    fill();
    control::Binder::Handlers handlers;
    handlers.may_write = [] { return true; };
    handlers.opened = [this](const std::string&) { note("opened"); };
    handlers.allocated = [this](const std::string&) { note("allocated"); };
    handlers.failed = [this](const std::string&, const std::string&) { note("failed"); };
    handlers.changed = [this] { note("changed"); };
    binder_ = std::make_unique<control::Binder>(*client_, *loop_, world_, std::move(handlers));
    const auto place = plan();
    ASSERT_TRUE(place);
    place_ = *place;
    world_.assume(place_);
    loop_->post([this] { binder_->carry_out(place_); });
    thread_ = std::thread([this] { loop_->run(); });
  }

  void TearDown() override {
    loop_->post([this] {
      binder_.reset();
      loop_->stop();
    });
    if (thread_.joinable()) thread_.join();
    client_.reset();
  }

  void fill() {
    control::ClassFacts ours;
    ours.name = kube::kClassName;
    ours.ours = true;
    world_.device_class(ours.name, &ours);
    const json node{
        {"metadata", {{"name", "n"}}},
        {"status", {{"allocatable", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "9"}}}}}};
    const auto node_facts = control::read_node(node.dump());
    world_.node("n", &*node_facts);
    const json slice{{"spec",
                      {{"driver", kube::kDriverName},
                       {"nodeName", "n"},
                       {"pool", {{"name", "n"}, {"generation", 1}, {"resourceSliceCount", 1}}},
                       {"devices", json::array({{{"name", "card-0"},
                                                 {"allowMultipleAllocations", true},
                                                 {"capacity",
                                                  {{"compute", {{"value", "1000"}}},
                                                   {"memory", {{"value", "9Gi"}}}}}}})}}}};
    const auto cards = control::read_slice(slice.dump());
    world_.slice("n", std::make_shared<control::CardSlice>(**cards));
    const auto claim = control::read_facts(claim_object().dump());
    world_.claim("ns/p", std::make_shared<control::ClaimFacts>(*claim));
    const json pod{{"metadata", {{"namespace", "ns"}, {"name", "p"}, {"uid", "pod-p"}}},
                   {"spec",
                    {{"schedulingGates", json::array({{{"name", kube::kGate}}})},
                     {"resourceClaims", json::array({{{"name", "c"}, {"resourceClaimName", "p"}}})},
                     {"containers", json::array({json::object()})}}}};
    const auto pod_facts = control::read_pod(pod.dump());
    world_.pod("ns/p", std::make_shared<control::PodFacts>(*pod_facts));
  }

  std::optional<control::PodPlace> plan() {
    if (!world_.refresh(1000)) return {};
    const sched::Plan plan = world_.planner()->decide();
    if (plan.actions.size() != 1) return {};
    const auto places = world_.settle("ns/p", plan.actions[0], [] { return "share-1"; });
    if (!places.ok()) return {};
    return places->front();
  }

  void note(const std::string& what) {
    std::lock_guard lock(mutex_);
    lines_.push_back(what);
    over_.notify_all();
  }
  // What has happened when that had: the calls as the server saw them, then what the binder told.
  // Of a call and a word nobody can say which was first: they are of two threads.
  std::vector<std::string> until(const std::string& last) {
    std::unique_lock lock(mutex_);
    over_.wait_for(lock, std::chrono::seconds(20),
                   [&] { return std::find(lines_.begin(), lines_.end(), last) != lines_.end(); });
    std::vector<std::string> all = lines_;
    std::stable_partition(all.begin(), all.end(),
                          [](const auto& line) { return line.find(' ') != line.npos; });
    return all;
  }
  bool happened(const std::string& line) {
    std::lock_guard lock(mutex_);
    return std::find(lines_.begin(), lines_.end(), line) != lines_.end();
  }
  // Whether the card has room for the pod once its place is forgotten.
  bool free_when_forgotten() {
    std::promise<bool> free;
    loop_->post([&] {
      world_.forget("ns/p");
      free.set_value(world_.has_room(place_));
    });
    return free.get_future().get();
  }
  std::string claim_now() {
    std::lock_guard lock(mutex_);
    json claim = claim_object();
    claim["metadata"]["resourceVersion"] = "2";
    claim["status"] = allocation_;
    return claim.dump();
  }

  std::unique_ptr<base::Loop> loop_ = base::Loop::make().value();
  control::World world_{control::WorldOptions{}};
  std::unique_ptr<FaultServer> server_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<control::Binder> binder_;
  control::PodPlace place_;
  std::mutex mutex_;
  std::condition_variable over_;
  std::vector<std::string> lines_;
  json allocation_;
  std::thread thread_;
};

using Lines = std::vector<std::string>;
const std::string kLease = "POST xpuleases", kAllocate = "PATCH status", kGate = "PATCH p";

TEST_F(BinderTest, TheGateIsOpenedWhenTheLeaseIsThere) {
  std::atomic<bool> answered{false}, early{false};
  serve([&](const SeenRequest& seen, const AnswerPtr& answer) {
    const std::string what = seen.path.substr(seen.path.rfind('/') + 1);
    if (what == "p") early = !answered;
    if (what != "xpuleases") return answer->whole(200, "{}");
    server_->post_in(100 * kMillisecond, [&, answer] {
      answered = true;
      answer->whole(201, "{}");
    });
  });
  EXPECT_EQ(until("opened"), (Lines{kAllocate, kLease, kGate, "allocated", "opened"}));
  EXPECT_FALSE(early);
  EXPECT_FALSE(free_when_forgotten()) << "neither claim nor lease have been seen yet";
}

TEST_F(BinderTest, AnAllocationWhoseAnswerWasLostIsFoundOut) {
  int tries = 0;
  serve([&](const SeenRequest& seen, const AnswerPtr& answer) {
    const std::string what = seen.path.substr(seen.path.rfind('/') + 1);
    if (what == "status") {
      if (++tries == 1) return answer->cut();  // done, and not told
      return answer->whole(409, R"({"kind":"Status","code":409,"reason":"Conflict"})");
    }
    if (seen.method == "GET") return answer->whole(200, claim_now());
    answer->whole(201, "{}");
  });
  EXPECT_EQ(until("opened"),
            (Lines{kAllocate, kAllocate, "GET p", kLease, kGate, "allocated", "opened"}));
  EXPECT_FALSE(free_when_forgotten());
}

TEST_F(BinderTest, AConflictWithSomebodyElseIsNoAllocation) {
  serve([&](const SeenRequest& seen, const AnswerPtr& answer) {
    if (seen.method == "GET") return answer->whole(200, claim_object().dump());
    answer->whole(409, R"({"kind":"Status","code":409,"reason":"Conflict"})");
  });
  EXPECT_EQ(until("changed"), (Lines{kAllocate, "GET p", "failed", "changed"}));
  EXPECT_TRUE(free_when_forgotten());
}

TEST_F(BinderTest, WhatMayHaveBeenWrittenIsWrittenAgainUntilItIsKnown) {
  std::atomic<bool> well{false};
  serve([&](const SeenRequest& seen, const AnswerPtr& answer) {
    const std::string what = seen.path.substr(seen.path.rfind('/') + 1);
    if (what == "status" && !well) return answer->whole(500, "{}");
    answer->whole(200, "{}");
  });
  until(kAllocate);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(free_when_forgotten());
  EXPECT_FALSE(happened("failed"));
  well = true;
  EXPECT_EQ(until("opened").back(), "opened");
}

// The claim is gone before any watch has shown the lease, and the lease after it.
TEST_F(BinderTest, ALeaseThatNoWatchShowsIsLookedForUntilItIsGone) {
  std::atomic<bool> gone{false};
  serve([&](const SeenRequest& seen, const AnswerPtr& answer) {
    answer->whole(seen.method == "GET" && gone ? 404 : 200, "{}");
  });
  until("opened");
  std::promise<void> forgotten;
  loop_->post([&] {
    world_.pod("ns/p", nullptr);
    world_.claim("ns/p", nullptr);
    binder_->mend();
    forgotten.set_value();
  });
  forgotten.get_future().get();
  until("changed");
  EXPECT_FALSE(free_when_forgotten());
  gone = true;
  for (int i = 0; i < 100 && !free_when_forgotten(); ++i) {
    loop_->post([&] { binder_->mend(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_TRUE(free_when_forgotten());
}

TEST_F(BinderTest, ALeaseThatIsRefusedKeepsTheGateShut) {
  serve([&](const SeenRequest& seen, const AnswerPtr& answer) {
    const bool lease = seen.path.ends_with("xpuleases");
    answer->whole(lease ? 403 : 200, "{}");
  });
  EXPECT_EQ(until("changed"), (Lines{kAllocate, kLease, "allocated", "changed"}));
}

}  // namespace
}  // namespace flexai::test
