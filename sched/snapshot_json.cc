#include "sched/snapshot_json.h"

#include <map>
#include <nlohmann/json.hpp>

#include "model/json_reader.h"

namespace flexai::sched {
namespace {

using base::Code;
using base::fail;
using nlohmann::json;

// A field that is there has a value; names are as long as a DNS name at most.
constexpr model::JsonRules kReading = {.longest_text = 253,
                                       .largest_number = INT64_MAX,
                                       .null_is_absent = false,
                                       .object = "an object"};

model::JsonReader reader(const json& object, std::string where) {
  return model::JsonReader(object, kReading, std::move(where));
}

base::Status read_rate(const json& v, const std::string& where, model::NcuRate* r) {
  return reader(v, where)
      .get("model", &r->model, true)
      .get("kind", &r->kind)
      .get("milli", &r->milli)
      .get("scarcity_milli", &r->scarcity_milli)
      .finish();
}

base::Status read_node(const json& v, const std::string& where, model::Node* n) {
  return reader(v, where)
      .get("name", &n->name, true)
      .get("model", &n->model)
      .get("cards", &n->cards)
      .get("card_memory_mib", &n->card_memory_mib)
      .get("each_card_mib", &n->each_card_mib)
      .get("cpu_milli", &n->cpu_milli)
      .get("memory_mib", &n->memory_mib)
      .get("network_mbps", &n->network_mbps)
      .get("zone", &n->zone)
      .get("labels", &n->labels)
      .get("open", &n->open)
      .finish();
}

base::Status read_cap(const json& v, const std::string& where, model::ModelCap* c) {
  return reader(v, where).get("model", &c->model, true).get("milli", &c->milli, true).finish();
}

base::Status read_queue(const json& v, const std::string& where, model::Queue* q) {
  return reader(v, where)
      .get("name", &q->name, true)
      .get("parent", &q->parent)
      .get("guarantee", &q->guarantee)
      .get("deserved", &q->deserved)
      .get("limit", &q->limit)
      .get("weight", &q->weight)
      .get("decayed_usage", &q->decayed_usage)
      .list("caps", &q->caps, read_cap)
      .finish();
}

struct FitOn {
  std::string node;
  bool processor = false;
  std::vector<uint32_t> cards;
};

base::Status read_fit_on(const json& v, const std::string& where, FitOn* on) {
  return reader(v, where)
      .get("node", &on->node, true)
      .get("processor", &on->processor)
      .get("cards", &on->cards)
      .finish();
}

struct NamedFit {
  std::string name;
  std::vector<FitOn> on;
};

base::Status read_fit(const json& v, const std::string& where, NamedFit* fit) {
  return reader(v, where).get("name", &fit->name, true).list("on", &fit->on, read_fit_on).finish();
}

// Names of nodes become positions.
base::Status place_fits(const std::vector<NamedFit>& named, Snapshot* s) {
  std::map<std::string, size_t> position;
  for (size_t i = 0; i < s->nodes.size(); ++i) position[s->nodes[i].name] = i;
  for (const NamedFit& from : named) {
    model::Fit fit{from.name, std::vector<uint32_t>(s->nodes.size())};
    for (const FitOn& on : from.on) {
      const auto at = position.find(on.node);
      if (at == position.end())
        return fail(Code::kInvalid, "fit \"" + from.name + "\": node \"" + on.node.substr(0, 60) +
                                        "\" is not there");
      if (on.processor) fit.nodes[at->second] |= model::Fit::kProcessor;
      for (uint32_t card : on.cards)
        if (card < 16) fit.nodes[at->second] |= 1u << card;
    }
    s->fits.push_back(std::move(fit));
  }
  return {};
}

base::Status read_place(const json& v, const std::string& where, model::MemberPlace* p) {
  return reader(v, where)
      .get("node", &p->node, true)
      .get("card_node", &p->card_node)
      .get("cards", &p->cards)
      .finish();
}

template <typename Enum>
base::Result<Enum> one_of(const std::string& text, const std::string& where,
                          std::initializer_list<std::pair<const char*, Enum>> values) {
  std::string all;
  for (const auto& [name, value] : values) {
    if (text == name) return value;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  return fail(Code::kInvalid, where + ": \"" + text.substr(0, 40) + "\" is none of " + all);
}

void read_demand(model::JsonReader* r, model::Demand* d, std::string* locality) {
  r->get("cpu_milli", &d->cpu_milli).get("memory_mib", &d->memory_mib).get("cards", &d->cards);
  r->get("card_milli", &d->card_milli).get("card_memory_mib", &d->card_memory_mib);
  r->get("kind", &d->kind).get("models", &d->models).get("labels", &d->labels);
  r->get("fit", &d->fit);
  r->get("locality", locality).get("network_mbps", &d->network_mbps);
  r->get("remote_calls", &d->remote_calls).get("remote_penalty", &d->remote_penalty);
}

base::Status set_locality(const std::string& text, const std::string& where, model::Demand* d) {
  FLEXAI_TRY_ASSIGN(d->locality,
                    one_of<model::Locality>(text, where + ".locality",
                                            {{"local", model::Locality::kLocal},
                                             {"prefer-local", model::Locality::kPreferLocal}}));
  return {};
}

base::Status read_seen(const json& v, const std::string& where, model::DemandCount* d) {
  std::string locality = "local";
  model::JsonReader r = reader(v, where);
  read_demand(&r, d, &locality);
  FLEXAI_TRY(r.get("count", &d->count, true).finish());
  return set_locality(locality, where, d);
}

base::Status read_tier(const json& v, const char* name, model::NetworkTier* tier) {
  const auto at = v.find(name);
  if (at == v.end()) return {};
  return reader(*at, "network." + std::string(name))
      .get("mbps", &tier->mbps)
      .get("round_trip_us", &tier->round_trip_us)
      .finish();
}

base::Status read_network(const json& v, model::Network* network) {
  FLEXAI_TRY(reader(v, "network").later("near").later("far").finish());
  FLEXAI_TRY(read_tier(v, "near", &network->near));
  return read_tier(v, "far", &network->far);
}

base::Status read_workload(const json& v, const std::string& where, model::Workload* w) {
  std::string locality = "local", state = "pending";
  model::JsonReader r = reader(v, where);
  read_demand(&r, w, &locality);
  r.get("name", &w->name, true).get("queue", &w->queue).get("priority", &w->priority);
  r.get("members", &w->members).get("together", &w->together).get("apart", &w->apart);
  r.get("card_milli_least", &w->card_milli_least).get("interruption", &w->interruption);
  r.get("can_share", &w->can_share).get("can_suspend", &w->can_suspend);
  r.get("can_move", &w->can_move).get("can_restart", &w->can_restart);
  r.get("preemptible", &w->preemptible).get("submitted_ms", &w->submitted_ms);
  r.get("started_ms", &w->started_ms).get("state", &state);
  r.get("granted_milli", &w->granted_milli).get("observed_milli", &w->observed_milli);
  r.get("passed_over", &w->passed_over)
      .get("stops", &w->stops)
      .get("moves", &w->moves)
      .get("moved_ms", &w->moved_ms)
      .list("places", &w->places, read_place);
  FLEXAI_TRY(r.finish());
  FLEXAI_TRY(set_locality(locality, where, w));
  FLEXAI_TRY_ASSIGN(w->state,
                    one_of<model::WorkState>(state, where + ".state",
                                             {{"pending", model::WorkState::kPending},
                                              {"running", model::WorkState::kRunning},
                                              {"suspended", model::WorkState::kSuspended}}));
  return {};
}

// Rules and passes are named by what is off, so a policy survives new ones.
template <typename Enum>
base::Status switch_off(const std::vector<std::string>& names, int count,
                        const char* (*name_of)(Enum), uint32_t* bits) {
  for (const std::string& name : names) {
    int i = 0;
    while (i < count && name != name_of(static_cast<Enum>(i))) ++i;
    if (i == count)
      return fail(Code::kInvalid, "policy: there is no \"" + name.substr(0, 40) + "\"");
    *bits &= ~(1u << i);
  }
  return {};
}

base::Status read_act_cost(const json& v, const char* name, model::ActCost* cost) {
  const auto at = v.find(name);
  if (at == v.end()) return {};
  return reader(*at, "policy.costs." + std::string(name))
      .get("fixed_ms", &cost->fixed_ms)
      .get("per_gib_ms", &cost->per_gib_ms)
      .finish();
}

base::Status read_costs(const json& v, model::ActCosts* costs) {
  FLEXAI_TRY(reader(v, "policy.costs")
                 .later("resize")
                 .later("suspend")
                 .later("migrate")
                 .later("restart")
                 .finish());
  FLEXAI_TRY(read_act_cost(v, "resize", &costs->resize));
  FLEXAI_TRY(read_act_cost(v, "suspend", &costs->suspend));
  FLEXAI_TRY(read_act_cost(v, "migrate", &costs->migrate));
  return read_act_cost(v, "restart", &costs->restart);
}

base::Status read_policy(const json& v, Policy* p) {
  std::vector<std::string> rules_off, passes_off;
  FLEXAI_TRY(reader(v, "policy")
                 .later("costs")
                 .get("rules_off", &rules_off)
                 .get("passes_off", &passes_off)
                 .get("quantum_milli", &p->quantum_milli)
                 .get("stranded_milli", &p->stranded_milli)
                 .get("local_enough_milli", &p->local_enough_milli)
                 .get("remote_margin_milli", &p->remote_margin_milli)
                 .get("remote_most_milli", &p->remote_most_milli)
                 .get("aging_ms", &p->aging_ms)
                 .get("patience_ms", &p->patience_ms)
                 .get("least_run_ms", &p->least_run_ms)
                 .get("settle_ms", &p->settle_ms)
                 .get("backfill_most", &p->backfill_most)
                 .get("moves_most", &p->moves_most)
                 .get("busy_percent", &p->busy_percent)
                 .get("lazy_percent", &p->lazy_percent)
                 .finish());
  if (const auto costs = v.find("costs"); costs != v.end())
    FLEXAI_TRY(read_costs(*costs, &p->costs));
  FLEXAI_TRY(switch_off<Rule>(rules_off, kRules, rule_name, &p->rules));
  return switch_off<Pass>(passes_off, kPasses, pass_name, &p->passes);
}

}  // namespace

base::Result<Snapshot> snapshot_from_json(const json& value) {
  Snapshot s;
  int64_t format = 0;
  std::vector<NamedFit> fits;
  FLEXAI_TRY(reader(value, "")
                 .later("policy")
                 .later("network")
                 .get("format", &format, true)
                 .get("now_ms", &s.now_ms)
                 .list("rates", &s.rates, read_rate)
                 .list("nodes", &s.nodes, read_node)
                 .list("queues", &s.queues, read_queue)
                 .list("fits", &fits, read_fit)
                 .list("mix", &s.mix, read_seen)
                 .list("workloads", &s.workloads, read_workload)
                 .finish());
  if (format != 1)
    return fail(Code::kInvalid, "snapshot format " + std::to_string(format) +
                                    " is not known here; this program reads format 1");
  if (const auto policy = value.find("policy"); policy != value.end())
    FLEXAI_TRY(read_policy(*policy, &s.policy));
  if (const auto network = value.find("network"); network != value.end())
    FLEXAI_TRY(read_network(*network, &s.network));
  FLEXAI_TRY(place_fits(fits, &s));
  FLEXAI_TRY(validate(s));
  return s;
}

base::Result<Snapshot> snapshot_from_text(std::string_view text) {
  if (text.size() > size_t{1} << 30) return fail(Code::kInvalid, "snapshot is larger than 1 GiB");
  if (model::nested_deeper(text, 16))
    return fail(Code::kInvalid, "snapshot is nested deeper than 16 levels");
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return fail(Code::kInvalid, "snapshot is not valid JSON");
  return snapshot_from_json(value);
}

}  // namespace flexai::sched
