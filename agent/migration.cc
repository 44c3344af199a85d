#include "agent/migration.h"

#include <sys/socket.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/other_host.h"
#include "base/hex.h"
#include "base/log.h"
#include "model/json.h"
#include "remote/handover.h"
#include "remote/worker_order.h"
#include "wire/dial.h"
#include "wire/pki.h"
#include "wire/socket.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::Fd;
using base::kSecond;
using base::monotonic_now;
using base::Nanos;
using base::Result;
using nlohmann::json;

namespace {

constexpr Nanos kConnecting = 5 * kSecond;
constexpr Nanos kLongest = 3600 * kSecond;  // from the first byte to the last

Result<remote::Place> read_place(const json& made, const OtherHost& there) {
  remote::Place place;
  wire::Endpoint endpoint = there.endpoint;
  endpoint.name = made.value("name", "");
  place.introduction.endpoint = wire::text_of(endpoint);
  // The agent itself answers for a worker that is gone.
  place.introduction.identity = {made.value("certificate", ""), made.value("key", ""),
                                 made.value("authority", "") + there.authority, ""};
  place.introduction.lease = base::bytes_of_hex(made.value("lease", ""));
  const auto ticket = base::bytes_of_hex(made.value("ticket", ""));
  if (endpoint.name.empty() || ticket.size() != place.ticket.size())
    return fail(Code::kCorrupt, there.name() + " gives no place for a session");
  std::copy(ticket.begin(), ticket.end(), place.ticket.begin());
  return place;
}

// One session on its way: the worker's thread of orders, and our talk with it.
class Passage {
 public:
  Passage(std::string orders, Nanos patience) : orders_(std::move(orders)), patience_(patience) {}
  ~Passage() { [[maybe_unused]] auto last = end(); }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  base::Status begin(const remote::Place& place, const OtherHost& there) {
    FLEXAI_TRY_ASSIGN(const Fd socket,
                      wire::connect_socket(there.endpoint, monotonic_now() + kConnecting));
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      return base::fail_errno("socketpair");
    channel_ = Fd(ends[0]);
    thread_ = std::thread([this, theirs = std::make_shared<Fd>(ends[1])] {
      outcome_ = remote::order_worker(
          orders_, {remote::OrderWord::kMove, patience_, std::move(*theirs)}, kLongest);
    });
    wire::Writer writer;
    FLEXAI_TRY(remote::encode(place, writer));
    return remote::send_move(channel_.get(), remote::MoveWord::kPlace, writer.bytes(),
                             socket.get());
  }
  base::Status ready() {
    auto word =
        remote::receive_move(channel_.get(), remote::MoveWord::kReady, monotonic_now() + kLongest);
    if (word.ok()) return {};
    // Why not the worker says in its answer.
    const auto said = end();
    return said.ok() ? base::Status(word.error()) : base::Status(said.error());
  }
  base::Status commit() { return remote::send_move(channel_.get(), remote::MoveWord::kCommit); }
  Result<uint64_t> outcome() {
    if (thread_.joinable()) thread_.join();
    return outcome_;
  }
  // Without a commit before it: the session stays.
  Result<uint64_t> end() {
    channel_.reset();
    return outcome();
  }

 private:
  const std::string orders_;
  const Nanos patience_;
  Fd channel_;
  std::thread thread_;
  Result<uint64_t> outcome_ = fail(Code::kUnavailable, "the move was given up");
};

using Passages = std::vector<std::unique_ptr<Passage>>;

base::Status carry(const MigrationPlan& plan, const OtherHost& there, const json& made,
                   Passages& passages, Migrated& result) {
  const json places = made.value("sessions", json::array());
  if (!places.is_array() || places.size() != plan.sessions.size())
    return fail(Code::kCorrupt, there.name() + " has not made room for every session");
  for (size_t i = 0; i < plan.sessions.size(); ++i) {
    FLEXAI_TRY_ASSIGN(const remote::Place place, read_place(places[i], there));
    result.sessions[plan.sessions[i].first] = places[i].value("name", "");
    passages.push_back(std::make_unique<Passage>(plan.sessions[i].second, plan.patience));
    FLEXAI_TRY(passages.back()->begin(place, there));
  }
  for (const auto& passage : passages) FLEXAI_TRY(passage->ready());
  // From the first word on it is decided: who does not hear it has ended.
  for (const auto& passage : passages) [[maybe_unused]] auto told = passage->commit();
  return {};
}

}  // namespace

Result<Migrated> migrate(const MigrationPlan& plan) {
  FLEXAI_TRY_ASSIGN(OtherHost there, OtherHost::open(plan.to, plan.pki, plan.owner));
  json wanted = json::parse(plan.wanted, nullptr, false);
  wanted["address"] = there.endpoint.place;
  FLEXAI_TRY_ASSIGN(const json made, there.ask("POST", "/v1/moves", wanted.dump()));
  Migrated result;
  result.run = made.value("run", uint64_t{0});
  result.slice = made.value("slice", "");
  result.to = there.name();
  result.owner = plan.owner;
  Passages passages;
  base::Status gone = carry(plan, there, made, passages, result);
  for (const auto& passage : passages) {
    auto moved = gone.ok() ? passage->outcome() : passage->end();
    if (moved.ok()) result.bytes += *moved;
    if (gone.ok() && !moved.ok())
      base::log(base::Level::kWarn, "migration", "a worker ended after it had handed on",
                {{"why", moved.error().message}});
  }
  if (gone.ok()) return result;
  auto back = there.ask("DELETE", "/v1/moves/" + std::to_string(result.run), "{}");
  if (!back.ok())
    base::log(base::Level::kWarn, "migration", "what was made there stays until its grace is over",
              {{"why", back.error().message}});
  return gone.error();
}

}  // namespace flexai::agent
