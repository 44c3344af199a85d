// Who leads, against a server whose answers come late.
#include "kube/elector.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <nlohmann/json.hpp>

#include "test/kube/fault_server.h"

namespace flexai::test {
namespace {

using base::kMillisecond;
using base::kSecond;
using AnswerPtr = FaultServer::AnswerPtr;

// One lease as the API server keeps it: a change of another version than the last is refused.
class LeaseServer {
 public:
  LeaseServer() : server_([this](const SeenRequest& seen, AnswerPtr a) { answer(seen, a); }) {}

  kube::Credentials credentials() const { return server_.credentials(); }
  // The next change is done and answered when another one has come, just before that.
  void hold() { hold_ = true; }
  bool holds() {
    std::lock_guard lock(mutex_);
    return held_ != nullptr;
  }
  std::string holder() {
    std::lock_guard lock(mutex_);
    return kube::lease_from_json(lease_.dump())->holder;
  }

 private:
  void answer(const SeenRequest& seen, const AnswerPtr& a) {
    std::lock_guard lock(mutex_);
    if (seen.method == "GET")
      return version_ == 0 ? a->whole(404, "{}") : a->whole(200, lease_.dump());
    if (hold_.exchange(false)) {
      body_ = seen.body;
      held_ = a;
      return;
    }
    if (held_ != nullptr) change(body_, std::exchange(held_, nullptr));
    change(seen.body, a);
  }
  void change(const std::string& body, const AnswerPtr& a) {
    nlohmann::json wanted = nlohmann::json::parse(body);
    nlohmann::json& version = wanted["metadata"]["resourceVersion"];
    if (version_ != 0 && version != std::to_string(version_)) return a->whole(409, "{}");
    version = std::to_string(++version_);
    wanted["metadata"]["uid"] = "lease";
    lease_ = wanted;
    a->whole(200, lease_.dump());
  }

  std::mutex mutex_;
  std::atomic<bool> hold_{false};
  int version_ = 0;
  nlohmann::json lease_;
  std::string body_;
  AnswerPtr held_;
  FaultServer server_;  // last: it uses the others
};

class ElectorTest : public ::testing::Test {
 protected:
  ElectorTest() {
    kube::ClientOptions options;
    options.rate = 0;
    client_ = kube::Client::make(server_.credentials(), options).value();
    kube::ElectorOptions election;
    election.ns = "ns";
    election.name = "lead";
    election.identity = "one";
    election.times.retry_period = 50 * kMillisecond;
    kube::ElectorHandlers handlers;
    handlers.started = [this] { started_.set_value(); };
    elector_ = kube::Elector::make(*client_, *loop_, election, std::move(handlers)).value();
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~ElectorTest() override {
    loop_->post([this] {
      elector_.reset();
      loop_->stop();
    });
    thread_.join();
  }
  void release() {
    std::promise<void> done;
    loop_->post([&] { elector_->release([&] { done.set_value(); }); });
    done.get_future().wait();
  }

  LeaseServer server_;
  std::unique_ptr<base::Loop> loop_ = base::Loop::make().value();
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<kube::Elector> elector_;
  std::promise<void> started_;
  std::thread thread_;
};

TEST_F(ElectorTest, GivesTheLeaseBack) {
  started_.get_future().wait();
  EXPECT_EQ(server_.holder(), "one");
  release();
  EXPECT_EQ(server_.holder(), "");
}

// The server has the renewal before the release, which then is of an old version.
TEST_F(ElectorTest, GivesTheLeaseBackWhileARenewalIsUnderWay) {
  started_.get_future().wait();
  server_.hold();
  while (!server_.holds()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  release();
  EXPECT_EQ(server_.holder(), "");
}

}  // namespace
}  // namespace flexai::test
