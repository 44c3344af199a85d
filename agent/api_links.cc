// Links between the workers of two hosts: made here at the word of the program's host, and
// confirmed to the other host that makes one.
#include "agent/api.h"
#include "agent/linking.h"
#include "agent/net_door.h"
#include "base/hex.h"
#include "model/json_reader.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr size_t kMostUnderWay = 16, kMostHosts = 1024;
constexpr double kBurst = 64;
constexpr base::Nanos kPeriod = base::kSecond;

}  // namespace

// Whatever it asks for costs us a connection to somebody.
base::Status Api::may_link(const std::string& host) {
  const base::Nanos now = base::monotonic_now();
  if (link_paces_.size() > kMostHosts) link_paces_.clear();
  if (links_under_way_ >= kMostUnderWay ||
      !link_paces_.try_emplace(host, kBurst, kPeriod).first->second.take(now))
    return fail(Code::kExhausted, "too many links are asked for; try again in a moment");
  return {};
}

void Api::post_run_link(const Request& call, const Reply& reply) {
  auto run = hosts_run(*call);
  if (!run.ok()) return reply->finish(run.error());
  model::JsonReader fields(call->body);
  LinkPlan plan;
  plan.to = fields.text("to", 253).value_or("");
  plan.name = fields.text("name", 32).value_or("");
  const std::string session = fields.text("session", 32).value_or("");
  const auto key = base::bytes_of_hex(fields.text("key", 64).value_or(""));
  base::Status sound = fields.finish();
  const bool whole = plan.key.size() == key.size() && Sessions::is_name(plan.name);
  if (sound.ok() && (!whole || !parse_host(plan.to).ok()))
    sound = fail(Code::kInvalid, "fields to, name and key must say a host, a session and 32 bytes");
  const auto found = sessions_->all().find(session);
  if (sound.ok() && (found == sessions_->all().end() || found->second.run != (*run)->stored.id))
    sound = fail(Code::kNotFound, "no session \"" + session + "\" of this run");
  if (sound.ok()) sound = may_link(call->host);
  if (!sound.ok()) return reply->finish(sound.error());
  std::copy(key.begin(), key.end(), plan.key.begin());
  plan.host = call->host;
  plan.pki = sessions_->config().pki;
  plan.orders = sessions_->orders_of(session);
  ++links_under_way_;
  sessions_->apart([this, plan, reply]() -> std::function<void()> {
    return [this, reply, made = make_link(plan)] {
      --links_under_way_;
      if (!made.ok()) return reply->finish(made.error());
      reply->finish(Answer{201, "", "", json::object()});
    };
  });
}

void Api::post_link(const Request& call, const Reply& reply) {
  model::JsonReader fields(call->body);
  const std::string session = fields.text("session", 32).value_or("");
  const std::string host = fields.text("host", 256).value_or("");
  base::Status sound = fields.finish();
  if (sound.ok() && call->host.empty())
    sound = fail(Code::kDenied, "only other hosts ask for links");
  const auto found = sessions_->all().find(session);
  if (sound.ok() && (found == sessions_->all().end() || host.empty() || found->second.host != host))
    sound = fail(Code::kNotFound, "no such session of that host; it may have ended");
  if (!sound.ok()) return reply->finish(sound.error());
  reply->finish(Answer{200, "", "", json::object()});
}

}  // namespace flexai::agent
