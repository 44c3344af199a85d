#include <unistd.h>

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
              {"host", run.stored.host},
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
    if (entry->moving || entry->slice.residency != model::Residency::kCard)
      return fail(Code::kConflict, "slice " + name +
                                       " is swapped out; bring it back with `flexai slice resume " +
                                       name + "` first");
    if (!cards.insert(entry->card_key).second)
      return fail(Code::kInvalid, "two of these slices are on card " + entry->slice.card +
                                      "; a program has one slice a card");
    ids.push_back(entry->id);
  }
  return ids;
}

base::Result<json> Api::environment_of(Run* run, const std::set<std::string>& apis, bool served) {
  std::vector<Variable> variables;
  if (served) {
    FLEXAI_TRY_ASSIGN(variables, injection_->served(apis));
    FLEXAI_TRY_ASSIGN(std::string door, sessions_->open_door(run));
    variables.push_back(Variable{"FLEXAI_WORKER", door, "set"});
  } else {
    FLEXAI_TRY_ASSIGN(variables, injection_->variables(apis));
    variables.push_back(Variable{limit::kEnvAttach, identity_.attach_socket, "set"});
    variables.push_back(Variable{limit::kEnvGrant, run->stored.grant, "set"});
  }
  json environment = json::array();
  for (const Variable& v : variables)
    environment.push_back(json{{"name", v.name}, {"value", v.value}, {"how", v.how}});
  return environment;
}

base::Result<Answer> Api::start_on(const Call& call, std::vector<uint64_t> ids, const Wish& wish) {
  std::set<std::string> apis;
  for (uint64_t id : ids) apis.insert(slices_->card_of(*slices_->by_id(id))->device.api);
  if (!call.host.empty()) {
    FLEXAI_TRY_ASSIGN([[maybe_unused]] auto served, injection_->served(apis));
    FLEXAI_TRY_ASSIGN(Run * lent,
                      runs_->lend(call.host, ::geteuid(), wish.command, std::move(ids)));
    json facts = run_facts(*lent);
    facts["apis"] = apis;
    facts["grace_seconds"] = sessions_->config().grace / base::kSecond;
    return Answer{201, "", "", facts};
  }
  // Nothing is begun that cannot get its environment.
  FLEXAI_TRY_ASSIGN([[maybe_unused]] auto known,
                    wish.served ? injection_->served(apis) : injection_->variables(apis));
  FLEXAI_TRY_ASSIGN(Run * run, runs_->start(call.peer, wish.command, std::move(ids)));
  auto environment = environment_of(run, apis, wish.served);
  if (!environment.ok()) {
    run->stored.slices.clear();  // the caller removes its throw-away slice
    runs_->finish(run->stored.id);
    return environment.error();
  }
  json facts = run_facts(*run);
  facts["environment"] = *environment;
  return Answer{201, "", "", facts};
}

void Api::post_run(const Request& call, const Reply& reply) {
  model::JsonReader fields(call->body);
  auto names = fields.texts("slices", limit::kMaxAttachedSlices);
  const json* wanted_json = fields.object("slice");
  Wish wish;
  wish.command = fields.text("command", 4096).value_or("").substr(0, 200);
  const std::string isolation =
      fields.text("isolation", 20).value_or(call->host.empty() ? "direct" : "served");
  wish.served = isolation == "served";
  base::Status read = fields.finish();
  if (!read.ok()) return reply->finish(read.error());
  if ((names && !names->empty()) == (wanted_json != nullptr))
    return reply->finish(fail(Code::kInvalid,
                              "give either \"slices\", a list of names, or "
                              "\"slice\", what a throw-away one shall be"));
  if (!wish.served && (isolation != "direct" || !call->host.empty()))
    return reply->finish(
        fail(Code::kInvalid, "isolation is \"direct\" or, always for other hosts, \"served\""));
  if (wanted_json == nullptr) {
    auto ids = named_slices(*call, *names);
    if (!ids.ok()) return reply->finish(ids.error());
    return reply->finish(start_on(*call, *ids, wish));
  }
  json body = *wanted_json;
  if (body.contains("name"))
    return reply->finish(fail(Code::kInvalid,
                              "unknown field \"name\": throw-away slices are "
                              "named by the agent"));
  body["name"] = "run-" + std::to_string(slices_->take_id());
  auto wanted = read_wanted_slice(body, call->host.empty() ? call->peer.uid : ::geteuid());
  if (!wanted.ok()) return reply->finish(wanted.error());
  wanted->ephemeral = true;
  with_room(call, reply, wanted->card,
            [this, call, wanted = *wanted, wish]() -> base::Result<Answer> {
              if (call->host.empty() && has_ended(call->peer.pidfd.get()))
                return fail(Code::kUnavailable, "the caller has ended");
              FLEXAI_TRY_ASSIGN(SliceEntry * entry, slices_->create(wanted));
              auto answer = start_on(*call, {entry->id}, wish);
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
  auto run = call->host.empty() ? named_run(*call) : hosts_run(*call);
  if (!run.ok()) return reply->finish(run.error());
  if (call->host.empty() && !may_change(*call, (*run)->stored.uid))
    return reply->finish(
        fail(Code::kDenied, "this run belongs to uid " + std::to_string((*run)->stored.uid)));
  // What still lives below it is looked for while its process is there to be looked below.
  uint64_t id = (*run)->stored.id;
  attachments_->check_ended();
  watchdog_->pass();
  json facts = runs_->by_id(id) != nullptr ? run_facts(*runs_->by_id(id)) : json::object();
  if (!(*run)->stored.host.empty()) sessions_->end_run(id, "the program has ended");
  runs_->finish(id);
  reply->finish(Answer{200, "", "", facts});
}

}  // namespace flexai::agent
