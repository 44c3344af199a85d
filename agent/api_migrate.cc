// Slices whose programs go on at another host: asking for it, and being asked for room.
#include <unistd.h>

#include "agent/api.h"
#include "base/hex.h"
#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent {

base::Result<model::Slice> read_wanted_slice(const nlohmann::json& body,
                                             uint32_t uid);  // api_slices.cc

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr uint64_t kMostPatience = 3600;  // seconds
constexpr size_t kMostMoved = 128, kMostGone = 1024;

// What of two cards is not the same for a program; empty: nothing.
std::string difference(const model::Device& there, const model::Device& here) {
  const std::pair<const char*, std::string model::Device::*> facts[] = {
      {"API", &model::Device::api},           {"vendor", &model::Device::vendor},
      {"platform", &model::Device::platform}, {"model", &model::Device::model},
      {"kind", &model::Device::kind},         {"driver version", &model::Device::driver_version}};
  for (const auto& [name, fact] : facts)
    if (there.*fact != here.*fact)
      return std::string(name) + " is \"" + here.*fact + "\" here and \"" + there.*fact +
             "\" there";
  if (there.compute_units != here.compute_units)
    return "it has " + std::to_string(here.compute_units) + " compute units here and " +
           std::to_string(there.compute_units) + " there";
  return "";
}

}  // namespace

// What comes: a run of another host's program, with its slice and its sessions.
struct Api::Arrival {
  Reply reply;
  uint64_t run = 0;
  std::string slice;
  size_t open = 0;  // workers that have not said their line
  std::vector<remote::Place> places;
  std::optional<base::Error> why;
};

// What goes.
struct Api::Departure {
  Departed done;
  uint64_t slice = 0, run = 0;
  std::string host;
  base::Nanos began = base::monotonic_now();
};

// `by_lease`: the cluster moves it, and what has no program at work yet goes along as well.
base::Result<Run*> Api::migrates(const SliceEntry& entry, bool by_lease) const {
  const std::string& name = entry.slice.name;
  if (entry.slice.residency != model::Residency::kCard || entry.slice.paused)
    return fail(Code::kConflict,
                "slice " + name + " is paused or swapped out; `flexai slice resume` first");
  FLEXAI_TRY(may_move(entry));
  const auto users = runs_->users_of(entry.id);
  Run* run = users.size() == 1 ? runs_->by_id(users[0]) : nullptr;
  if (run == nullptr || run->draining || (run->sessions == 0 && !by_lease))
    return fail(Code::kConflict, "no program that could go along works in slice " + name +
                                     "; make a slice there instead");
  if (run->stored.host.empty() && !run->stored.claim.empty())
    return fail(Code::kUnsupported, "slice " + name +
                                        " is of a pod of this node, and stays; delete the pod, and "
                                        "the cluster finds it another card");
  if (!run->stored.claim.empty() && !by_lease)
    return fail(Code::kUnsupported, "slice " + name +
                                        " is of a pod, and the cluster alone moves it; say "
                                        "move: true in its claim, or delete the pod");
  for (const std::string& session : sessions_->of_slice(entry.id))
    if (!attachments_->attached(sessions_->all().at(session).pid))
      return fail(Code::kConflict,
                  "a program in slice " + name + " is just starting; try again in a moment");
  return run;
}

void Api::post_migrate(const Request& call, const Reply& reply) {
  auto entry = owned_slice(*call);
  if (!entry.ok()) return reply->finish(entry.error());
  model::JsonReader fields(call->body);
  MigrationPlan plan;
  plan.to = fields.text("to", 253).value_or("");
  plan.patience =
      static_cast<base::Nanos>(fields.number("timeout_seconds", kMostPatience).value_or(10)) *
      base::kSecond;
  base::Status sound = fields.finish();
  if (sound.ok() && plan.to.empty())
    sound = fail(Code::kInvalid, "field \"to\" is missing: the host to go to");
  if (!sound.ok()) return reply->finish(sound.error());
  depart(*entry, std::move(plan), nullptr, [reply](base::Result<json> done) {
    if (!done.ok()) return reply->finish(done.error());
    reply->finish(Answer{200, "", "", *done});
  });
}

void Api::migrate_slice(const std::string& name, const Destination& to, base::Nanos patience,
                        std::function<void(base::Status)> done) {
  SliceEntry* entry = slices_->by_name(name);
  if (entry == nullptr) return done(fail(Code::kNotFound, "no slice \"" + name + "\""));
  MigrationPlan plan;
  plan.to = to.host;
  plan.owner = to.owner;
  plan.patience = patience;
  depart(entry, std::move(plan), &to, [done = std::move(done)](const base::Result<json>& result) {
    done(result.ok() ? base::Status() : base::Status(result.error()));
  });
}

void Api::depart(SliceEntry* entry, MigrationPlan plan, const Destination* by_lease,
                 Departed done) {
  auto run = migrates(*entry, by_lease != nullptr);
  if (!run.ok()) return done(run.error());
  const model::Slice& slice = entry->slice;
  const json terms = {{"compute_milli", slice.compute_milli},
                      {"ceiling_milli", slice.ceiling_milli},
                      {"memory_bytes", slice.memory_bytes},
                      {"qos", model::to_json(slice)["qos"]},
                      {"priority", model::to_json(slice)["priority"]}};
  for (const std::string& name : sessions_->of_slice(entry->id))
    plan.sessions.emplace_back(name, sessions_->orders_of(name));
  plan.pki = sessions_->config().pki;
  json wanted = {{"card", model::to_json(slices_->card_of(*entry)->device)},
                 {"slice", terms},
                 {"command", (*run)->stored.command},
                 {"sessions", plan.sessions.size()}};
  if (!(*run)->stored.host.empty()) wanted["host"] = (*run)->stored.host;
  if (by_lease != nullptr)
    wanted["lease"] = {{"namespace", by_lease->ns}, {"name", by_lease->lease}};
  plan.wanted = wanted.dump(-1, ' ', false, json::error_handler_t::replace);
  if (const base::Status sound = slices_->begin_move(entry, model::Residency::kCard); !sound.ok())
    return done(sound.error());
  auto departure = std::make_shared<Departure>();
  departure->done = std::move(done);
  departure->slice = entry->id;
  departure->run = (*run)->stored.id;
  departure->host = (*run)->stored.host;
  sessions_->apart([this, plan, departure]() -> std::function<void()> {
    return [this, departure, gone = migrate(plan)] { migrated(departure, gone); };
  });
}

void Api::migrated(const std::shared_ptr<Departure>& departure,
                   const base::Result<Migrated>& done) {
  SliceEntry* entry = slices_->by_id(departure->slice);
  if (!done.ok()) {
    if (entry != nullptr) slices_->end_move(entry, model::Residency::kCard);
    return departure->done(done.error());
  }
  const double took = static_cast<double>(base::monotonic_now() - departure->began) / 1e6;
  const std::string from = entry == nullptr ? "a slice" : entry->slice.name;
  events_->add("slice-migrated", from, "goes on as " + done->slice + " of " + done->to);
  hand_on(*departure, *done);
  if (entry = slices_->by_id(departure->slice); entry != nullptr && !entry->slice.ephemeral)
    slices_->end_move(entry, model::Residency::kCard);
  departure->done(json{{"name", from},
                       {"to", done->to},
                       {"slice", done->slice},
                       {"run", done->run},
                       {"sessions", done->sessions.size()},
                       {"moved_bytes", done->bytes},
                       {"took_ms", took}});
}

// Its workers end when their clients have come there, and take the slice with them.
void Api::hand_on(const Departure& departure, const Migrated& done) {
  if (departure.host.empty()) {
    Run* run = runs_->by_id(departure.run);
    if (run != nullptr) sessions_->send_away(run, {done.to, done.run}, done.sessions);
    return;
  }
  gone_.insert_or_assign(departure.run,
                         Gone{departure.host, done.to, done.owner, done.run, done.sessions});
  while (gone_.size() > kMostGone) gone_.erase(gone_.begin());
  runs_->finish(departure.run);
}

// The id of a card that a program could not tell from that one.
base::Result<std::string> Api::equal_card(const model::Device& card) const {
  std::string why;
  for (const model::Device& here : cards_->devices()) {
    std::string differs = difference(card, here);
    if (differs.empty() && here.healthy) return here.id;
    if (why.empty()) why = here.id + ": " + (differs.empty() ? here.health : differs);
  }
  return fail(Code::kConflict,
              "no card like " + card.id + " here: " + (why.empty() ? "there is none at all" : why));
}

void Api::post_arrival(const Request& call, const Reply& reply) {
  model::JsonReader fields(call->body);
  const json* card_json = fields.object("card");
  const json* slice_json = fields.object("slice");
  const std::string host = fields.text("host", 256).value_or(call->host);  // whose program
  const std::string command = fields.text("command", 4096).value_or("").substr(0, 200);
  const std::string address = fields.text("address", 253).value_or("");
  const uint64_t sessions = fields.number("sessions", kMostMoved).value_or(0);
  const json* lease_json = fields.object("lease");
  base::Status sound = fields.finish();
  if (sound.ok() && (card_json == nullptr || slice_json == nullptr || host.empty() ||
                     address.empty() || (sessions == 0 && lease_json == nullptr)))
    sound = fail(Code::kInvalid, "card, slice, host, address and sessions are needed");
  if (sound.ok() && call->host.empty())
    sound = fail(Code::kDenied, "only other hosts hand slices on; `flexai slice migrate` there");
  if (!sound.ok()) return reply->finish(sound.error());
  auto card = model::device_from_json(*card_json);
  if (!card.ok()) return reply->finish(std::move(card).with_context("card").error());
  if (lease_json != nullptr) {
    model::JsonReader named(*lease_json);
    const Arriving wanted{call->host, named.text("namespace", 253).value_or(""),
                          named.text("name", 253).value_or(""), sessions};
    if (base::Status read = named.finish(); !read.ok()) return reply->finish(read.error());
    return post_leased_arrival(call, reply, wanted, *card, address);
  }
  auto equal = equal_card(*card);
  if (!equal.ok()) return reply->finish(equal.error());
  json body = *slice_json;
  body["name"] = "run-" + std::to_string(slices_->take_id());
  body["card"] = *equal;
  auto wanted = read_wanted_slice(body, ::geteuid());
  if (!wanted.ok()) return reply->finish(wanted.error());
  wanted->ephemeral = true;
  auto entry = slices_->create(*wanted);
  if (!entry.ok()) return reply->finish(entry.error());
  auto run = runs_->lend(host, ::geteuid(), command, {(*entry)->id});
  if (!run.ok()) {
    [[maybe_unused]] auto removed = slices_->remove(wanted->name);
    return reply->finish(run.error());
  }
  auto arrival = std::make_shared<Arrival>();
  arrival->reply = reply;
  arrival->run = (*run)->stored.id;
  arrival->slice = wanted->name;
  arrival->open = sessions;
  arriving_[arrival->run] = call->host;
  receive_all(arrival, *run, address);
}

void Api::receive_all(const std::shared_ptr<Arrival>& arrival, Run* run,
                      const std::string& address) {
  const size_t all = arrival->open;
  if (all == 0) return all_arrived(arrival);
  for (size_t i = 0; i < all; ++i)
    sessions_->receive(run, address, [this, arrival](base::Result<remote::Place> place) {
      arrived(arrival, std::move(place));
    });
}

// Who knows the cluster has read the lease: that says which card, and whose run it is.
void Api::post_leased_arrival(const Request& call, const Reply& reply, const Arriving& wanted,
                              const model::Device& card, const std::string& address) {
  if (!on_arrival)
    return reply->finish(
        fail(Code::kUnsupported, "this agent belongs to no cluster; start flexaid --kubernetes"));
  auto arrival = std::make_shared<Arrival>();
  arrival->reply = reply;
  arrival->open = wanted.sessions;
  on_arrival(wanted, [this, arrival, card, address, host = call->host](base::Result<Run*> run) {
    if (!run.ok()) return arrival->reply->finish(run.error());
    arrival->run = (*run)->stored.id;
    arrival->slice = (*run)->stored.claim;
    SliceEntry* entry = slices_->by_name(arrival->slice);
    const std::string differs =
        entry == nullptr ? "its slice is gone" : difference(card, slices_->card_of(*entry)->device);
    if (!differs.empty()) {
      runs_->finish(arrival->run);
      return arrival->reply->finish(
          fail(Code::kUnsupported, "its card is not like " + card.id + " here: " + differs));
    }
    if (arrival->open > 0) arriving_[arrival->run] = host;
    receive_all(arrival, *run, address);
  });
}

void Api::arrived(const std::shared_ptr<Arrival>& arrival, base::Result<remote::Place> place) {
  if (place.ok())
    arrival->places.push_back(std::move(*place));
  else if (!arrival->why)
    arrival->why = place.error();
  if (--arrival->open != 0) return;
  if (arrival->why) {
    arriving_.erase(arrival->run);
    sessions_->end_run(arrival->run, "it was not handed on");
    runs_->finish(arrival->run);
    return arrival->reply->finish(*arrival->why);
  }
  all_arrived(arrival);
}

void Api::all_arrived(const std::shared_ptr<Arrival>& arrival) {
  json sessions = json::array();
  for (const remote::Place& one : arrival->places)
    sessions.push_back(json{{"name", one.introduction.endpoint},
                            {"certificate", one.introduction.identity.certificates},
                            {"key", one.introduction.identity.key},
                            {"authority", one.introduction.identity.authority},
                            {"lease", base::hex_of(one.introduction.lease)},
                            {"ticket", base::hex_of(one.ticket)}});
  arrival->reply->finish(Answer{
      201, "", "", json{{"run", arrival->run}, {"slice", arrival->slice}, {"sessions", sessions}}});
}

void Api::delete_arrival(const Request& call, const Reply& reply) {
  for (const auto& [id, host] : arriving_) {
    if (std::to_string(id) != call->names[0] || host != call->host) continue;
    const uint64_t run = id;
    arriving_.erase(run);
    sessions_->end_run(run, "it was not handed on");
    runs_->finish(run);
    return reply->finish(Answer{200, "", "", json::object()});
  }
  reply->finish(fail(Code::kNotFound,
                     "no move \"" + call->names[0].substr(0, 40) + "\" of this host is under way"));
}

}  // namespace flexai::agent
