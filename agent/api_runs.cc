#include <set>

#include "agent/api.h"
#include "limit/attach.h"
#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using nlohmann::json;

base::Result<model::Slice> read_wanted_slice(const json& body, uint32_t uid);  // api_slices.cc

json Api::run_facts(const Run& run) const {
  json slices = json::array(), stopped = json::array(), members = json::array();
  for (uint64_t id : run.stored.slices)
    if (SliceEntry* entry = slices_->by_id(id)) slices.push_back(entry->slice.name);
  for (const Stopped& one : run.stopped)
    stopped.push_back(json{{"pid", one.pid}, {"reason", one.reason}});
  for (const auto& [pid, start] : run.members) members.push_back(pid);
  return json{{"id", run.stored.id},
              {"uid", run.stored.uid},
              {"pid", run.stored.pid},
              {"command", run.stored.command},
              {"state", run.draining ? "draining" : "running"},
              {"slices", slices},
              {"processes", members},
              {"stopped", stopped}};
}

base::Result<std::vector<uint64_t>> Api::named_slices(const Call& call,
                                                      const std::vector<std::string>& names) {
  std::vector<uint64_t> ids;
  std::set<std::string> cards;
  for (const std::string& name : names) {
    SliceEntry* entry = slices_->by_name(name);
    if (entry == nullptr)
      return fail(Code::kNotFound,
                  "no slice \"" + name.substr(0, 63) + "\"; see `flexai slice list`");
    if (!may_change(call, entry->slice.owner_uid))
      return fail(Code::kDenied, "slice " + name + " belongs to uid " +
                                     std::to_string(entry->slice.owner_uid) +
                                     "; make one of your own with `flexai slice create`");
    if (!entry->trouble.empty())
      return fail(Code::kUnavailable, "slice " + name + " cannot serve: " + entry->trouble);
    if (!cards.insert(entry->card_key).second)
      return fail(Code::kInvalid, "two of these slices are on card " + entry->slice.card +
                                      "; a program has one slice a card");
    ids.push_back(entry->id);
  }
  return ids;
}

base::Result<Answer> Api::start_on(const Call& call, std::vector<uint64_t> ids,
                                   const std::string& command) {
  std::set<std::string> apis;
  for (uint64_t id : ids) apis.insert(slices_->card_of(*slices_->by_id(id))->device.api);
  FLEXAI_TRY_ASSIGN(auto variables, injection_.variables(apis));
  FLEXAI_TRY_ASSIGN(Run * run, runs_->start(call.peer, command, std::move(ids)));
  variables.push_back(Variable{limit::kEnvAttach, identity_.attach_socket, "set"});
  variables.push_back(Variable{limit::kEnvGrant, run->stored.grant, "set"});
  json environment = json::array();
  for (const Variable& v : variables)
    environment.push_back(json{{"name", v.name}, {"value", v.value}, {"how", v.how}});
  json facts = run_facts(*run);
  facts["environment"] = environment;
  return Answer{201, "", "", facts};
}

void Api::post_run(const Request& call, const Reply& reply) {
  model::JsonReader fields(call->body);
  auto names = fields.texts("slices", limit::kMaxAttachedSlices);
  const json* wanted_json = fields.object("slice");
  std::string command = fields.text("command", 4096).value_or("").substr(0, 200);
  base::Status read = fields.finish();
  if (!read.ok()) return reply->finish(read.error());
  if ((names && !names->empty()) == (wanted_json != nullptr))
    return reply->finish(fail(Code::kInvalid,
                              "give either \"slices\", a list of names, or "
                              "\"slice\", what a throw-away one shall be"));
  if (wanted_json == nullptr) {
    auto ids = named_slices(*call, *names);
    if (!ids.ok()) return reply->finish(ids.error());
    return reply->finish(start_on(*call, *ids, command));
  }
  json body = *wanted_json;
  if (body.contains("name"))
    return reply->finish(fail(Code::kInvalid,
                              "unknown field \"name\": throw-away slices are "
                              "named by the agent"));
  body["name"] = "run-" + std::to_string(slices_->take_id());
  auto wanted = read_wanted_slice(body, call->peer.uid);
  if (!wanted.ok()) return reply->finish(wanted.error());
  wanted->ephemeral = true;
  with_room(call, reply, wanted->card,
            [this, call, wanted = *wanted, command]() -> base::Result<Answer> {
              if (has_ended(call->peer.pidfd.get()))
                return fail(Code::kUnavailable, "the caller has ended");
              FLEXAI_TRY_ASSIGN(SliceEntry * entry, slices_->create(wanted));
              auto answer = start_on(*call, {entry->id}, command);
              if (!answer.ok()) {
                [[maybe_unused]] auto removed = slices_->remove(wanted.name);
              }
              return answer;
            });
}

base::Result<Run*> Api::named_run(const Call& call) {
  const std::string& text = call.names[0];
  bool digits = !text.empty() && text.size() <= 18 &&
                text.find_first_not_of("0123456789") == std::string::npos;
  Run* run = digits ? runs_->by_id(std::stoull(text)) : nullptr;
  if (run == nullptr)
    return fail(Code::kNotFound, "no run \"" + text.substr(0, 40) + "\"; it may have ended");
  return run;
}

void Api::get_run(const Request& call, const Reply& reply) {
  auto run = named_run(*call);
  if (!run.ok()) return reply->finish(run.error());
  reply->finish(Answer{200, "", "", run_facts(**run)});
}

void Api::delete_run(const Request& call, const Reply& reply) {
  auto run = named_run(*call);
  if (!run.ok()) return reply->finish(run.error());
  if (!may_change(*call, (*run)->stored.uid))
    return reply->finish(
        fail(Code::kDenied, "this run belongs to uid " + std::to_string((*run)->stored.uid)));
  // What still lives below it is looked for while its process is there to be looked below.
  uint64_t id = (*run)->stored.id;
  attachments_->check_ended();
  watchdog_->pass();
  json facts = runs_->by_id(id) != nullptr ? run_facts(*runs_->by_id(id)) : json::object();
  runs_->finish(id);
  reply->finish(Answer{200, "", "", facts});
}

}  // namespace flexai::agent
