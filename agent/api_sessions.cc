// Sessions, for people and for other hosts' `flexai run`.
#include "agent/api.h"
#include "base/hex.h"
#include "model/json_reader.h"
#include "remote/appointment.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using nlohmann::json;

// A run of the host that asks: of others it learns nothing.
base::Result<Run*> Api::hosts_run(const Call& call) {
  FLEXAI_TRY_ASSIGN(Run * run, named_run(call));
  if (call.host.empty() || run->stored.host != call.host)
    return fail(Code::kNotFound, "no run \"" + call.names[0] + "\" of " +
                                     (call.host.empty() ? "this host" : call.host) +
                                     "; it may have ended");
  return run;
}

void Api::get_sessions(const Request&, const Reply& reply) {
  json list = json::array();
  for (const auto& [name, session] : sessions_->all()) {
    json slices = json::array();
    std::string command;
    if (Run* run = runs_->by_id(session.run)) {
      command = run->stored.command;
      for (uint64_t id : run->stored.slices)
        if (SliceEntry* entry = slices_->by_id(id)) slices.push_back(entry->slice.name);
    }
    list.push_back(json{{"name", name},
                        {"host", session.host},
                        {"run", session.run},
                        {"command", command},
                        {"slices", slices},
                        {"worker", session.pid},
                        {"attached", attachments_->attached(session.pid)},
                        {"since_ms", session.since_ms}});
  }
  reply->finish(Answer{200, "", "", json{{"sessions", list}}});
}

void Api::delete_session(const Request& call, const Reply& reply) {
  auto it = sessions_->all().find(call->names[0]);
  Run* run = it == sessions_->all().end() ? nullptr : runs_->by_id(it->second.run);
  const bool foreign = run != nullptr && !call->host.empty() && run->stored.host != call->host;
  if (run == nullptr || foreign)
    return reply->finish(fail(Code::kNotFound, "no session \"" + call->names[0].substr(0, 40) +
                                                   "\"; see `flexai sessions`"));
  if (call->host.empty() && !may_change(*call, run->stored.uid))
    return reply->finish(
        fail(Code::kDenied, "this session belongs to uid " + std::to_string(run->stored.uid)));
  sessions_->end(call->names[0], call->host.empty() ? "it was ended on the card's host"
                                                    : "the program's process has ended");
  reply->finish(Answer{200, "", "", json::object()});
}

void Api::post_claim(const Request& call, const Reply& reply) {
  if (call->host.empty())
    return reply->finish(fail(Code::kDenied, "claims are asked for by agents of other hosts"));
  if (!on_claim)
    return reply->finish(
        fail(Code::kUnsupported, "this agent belongs to no cluster; start flexaid --kubernetes"));
  on_claim(call, reply);
}

void Api::post_run_alive(const Request& call, const Reply& reply) {
  for (const auto& [id, gone] : gone_)
    if (std::to_string(id) == call->names[0] && gone.host == call->host)
      return reply->finish(Answer{200, "", "",
                                  json{{"state", "moved"},
                                       {"to", gone.to},
                                       {"owner", gone.owner},
                                       {"run", gone.run},
                                       {"sessions", gone.sessions}}});
  auto run = hosts_run(*call);
  if (!run.ok()) return reply->finish(run.error());
  sessions_->attend(*run);
  arriving_.erase((*run)->stored.id);
  reply->finish(Answer{200, "", "", json{{"state", (*run)->draining ? "draining" : "running"}}});
}

void Api::post_run_session(const Request& call, const Reply& reply) {
  auto run = hosts_run(*call);
  if (!run.ok()) return reply->finish(run.error());
  model::JsonReader fields(call->body);
  std::string address = fields.text("address", 253).value_or("");
  base::Status read = fields.finish();
  if (read.ok() && address.empty())
    read = fail(Code::kInvalid, "field \"address\" is missing: what this host was called");
  if (!read.ok()) return reply->finish(read.error());
  sessions_->attend(*run);
  sessions_->introduce(*run, address, [reply](base::Result<remote::Introduction> made) {
    if (!made.ok()) return reply->finish(made.error());
    reply->finish(Answer{201, "", "",
                         json{{"name", made->endpoint},
                              {"certificate", made->identity.certificates},
                              {"key", made->identity.key},
                              {"authority", made->identity.authority},
                              {"lease", base::hex_of(made->lease)}}});
  });
}

}  // namespace flexai::agent
