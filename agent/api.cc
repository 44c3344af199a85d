#include "agent/api.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

namespace flexai::agent {

using base::Code;
using base::fail;

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/v1/devices", &Api::get_devices, true},
      {"GET", "/v1/slices", &Api::get_slices},
      {"POST", "/v1/slices", &Api::post_slice},
      {"GET", "/v1/slices/{name}", &Api::get_slice},
      {"PATCH", "/v1/slices/{name}", &Api::patch_slice},
      {"DELETE", "/v1/slices/{name}", &Api::delete_slice},
      {"GET", "/v1/slices/{name}/explain", &Api::get_explain},
      {"POST", "/v1/slices/{name}/swap", &Api::post_swap},
      {"POST", "/v1/slices/{name}/resume", &Api::post_resume},
      {"POST", "/v1/slices/{name}/migrate", &Api::post_migrate},
      {"POST", "/v1/runs", &Api::post_run, true},
      {"GET", "/v1/runs/{id}", &Api::get_run},
      {"DELETE", "/v1/runs/{id}", &Api::delete_run, true},
      {"POST", "/v1/runs/{id}/alive", &Api::post_run_alive, true},
      {"POST", "/v1/runs/{id}/sessions", &Api::post_run_session, true},
      {"POST", "/v1/claims", &Api::post_claim, true},
      {"POST", "/v1/runs/{id}/links", &Api::post_run_link, true},
      {"POST", "/v1/links", &Api::post_link, true},
      {"POST", "/v1/moves", &Api::post_arrival, true},
      {"DELETE", "/v1/moves/{id}", &Api::delete_arrival, true},
      {"GET", "/v1/sessions", &Api::get_sessions, true},
      {"DELETE", "/v1/sessions/{name}", &Api::delete_session, true},
      {"GET", "/v1/top", &Api::get_top, true},
      {"GET", "/v1/events", &Api::get_events},
      {"GET", "/v1/agent", &Api::get_agent, true},
      {"GET", "/healthz", &Api::get_health},
      {"GET", "/metrics", &Api::get_metrics},
  };
  return kRoutes;
}

Api::Api(base::Loop* loop, Cards* cards, Slices* slices, Runs* runs, Attachments* attachments,
         Watchdog* watchdog, Events* events, const Injection* injection, Sessions* sessions,
         Identity identity)
    : loop_(loop),
      cards_(cards),
      slices_(slices),
      runs_(runs),
      attachments_(attachments),
      watchdog_(watchdog),
      events_(events),
      injection_(injection),
      sessions_(sessions),
      identity_(std::move(identity)) {
  // Posted: room may come free in the middle of a request that is still being carried out.
  slices_->on_room = [this] { loop_->post([this] { line_.poke(); }); };
}

bool Api::may_change(const Call& call, uint32_t owner) const {
  if (!call.host.empty()) return false;
  return call.peer.uid == owner || call.peer.uid == 0 || call.peer.uid == ::geteuid();
}

base::Result<base::Nanos> wait_of(const Call& call, int most_seconds) {
  auto it = call.query.find("wait");
  if (it == call.query.end()) return base::Nanos{0};
  char* end = nullptr;
  double seconds = strtod(it->second.c_str(), &end);
  if (it->second.empty() || *end != 0 || !(seconds >= 0) || seconds > most_seconds)
    return fail(Code::kInvalid,
                "query \"wait\" must be seconds, from 0 to " + std::to_string(most_seconds));
  return static_cast<base::Nanos>(seconds * 1e9);
}

void Api::with_room(const Request& call, const Reply& reply, const std::string& card,
                    std::function<base::Result<Answer>()> attempt) {
  auto wait = wait_of(*call, 7 * 24 * 3600);
  if (!wait.ok()) return reply->finish(wait.error());
  if (!line_.ahead_of(card)) {
    auto answer = attempt();
    bool no_room = !answer.ok() && answer.error().code == Code::kExhausted;
    if (!no_room || *wait == 0) return reply->finish(std::move(answer));
  } else if (*wait == 0) {
    return reply->finish(fail(Code::kExhausted, std::to_string(line_.size()) +
                                                    " requests wait in line for room on this "
                                                    "card; join them with --wait"));
  }
  uint64_t place = line_.join(card, [reply, attempt] {
    auto answer = attempt();
    if (!answer.ok() && answer.error().code == Code::kExhausted) return false;
    reply->finish(std::move(answer));
    return true;
  });
  auto timer = loop_->at(base::monotonic_now() + *wait, [this, reply, place] {
    line_.leave(place);
    reply->finish(fail(Code::kTimeout, "no room came free in the time given with --wait"));
    line_.poke();
  });
  // The caller hung up: whoever stood behind it moves up.
  reply->on_cancel = [this, place, timer] {
    loop_->cancel(timer);
    line_.leave(place);
    line_.poke();
  };
}

}  // namespace flexai::agent
