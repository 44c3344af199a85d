// A host behind a Door on each carrier, with certificates made on the spot: for tests.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <string>

#include "wire/door.h"
#include "wire/lane.h"
#include "wire/pki.h"
#include "wire/session_fixture.h"

namespace flexai::wire {

struct TestCertificates {
  Certified authority;
  std::shared_ptr<TlsContext> client, host;

  TestCertificates() {
    authority = *make_authority("flexai test", 2);
    client = context("client", TlsRole::kClient);
    host = context("localhost", TlsRole::kHost);
  }
  std::shared_ptr<TlsContext> context(const std::string& name, TlsRole role) {
    auto made = issue(authority, name, {"127.0.0.1"}, 1);
    return *TlsContext::make({made->certificate, made->key, authority.certificate}, role);
  }
  static TestCertificates& get() {
    static TestCertificates certificates;
    return certificates;
  }
};

class CarrierHost {
 public:
  explicit CarrierHost(Carrier carrier, SessionOptions options = test_options())
      : folder_(std::filesystem::temp_directory_path() /
                ("flexai-wire-" + std::to_string(::getpid()) + "-" + std::to_string(next_++))),
        host_({.session = std::move(options), .admit = nullptr, .on_session = [this](auto session) {
                 keep(std::move(session));
               }}) {
    std::filesystem::create_directory(folder_);
    Endpoint endpoint{carrier, (folder_ / "s").string(), 0};
    if (carrier == Carrier::kTcp || carrier == Carrier::kTls) endpoint.place = "127.0.0.1";
    auto door = Door::open(endpoint, TestCertificates::get().host, host_);
    EXPECT_TRUE(door.ok()) << (door.ok() ? "" : door.error().message);
    door_ = std::move(door).value();
  }
  ~CarrierHost() {
    door_.reset();
    std::filesystem::remove_all(folder_);
  }

  Connector connector() { return make_connector(endpoint(), TestCertificates::get().client); }
  const Endpoint& endpoint() const { return door_->endpoint(); }
  Host& host() { return host_; }
  std::shared_ptr<Session> session(const SessionId& id = {}) {
    for (;;) {
      {
        std::lock_guard lock(mutex_);
        if (session_ != nullptr && (is_none(id) || session_->id() == id)) return session_;
      }
      std::this_thread::yield();
    }
  }

 private:
  void keep(std::shared_ptr<Session> session) {
    std::lock_guard lock(mutex_);
    session_ = std::move(session);
  }

  static inline int next_ = 0;
  const std::filesystem::path folder_;
  std::mutex mutex_;
  std::shared_ptr<Session> session_;
  Host host_;
  std::unique_ptr<Door> door_;
};

}  // namespace flexai::wire
