// Writing snapshots and plans; what has its default value is left out.
#include <nlohmann/json.hpp>

#include "sched/snapshot_json.h"

namespace flexai::sched {
namespace {

using nlohmann::json;

template <typename T>
void put(json* to, const char* name, const T& value, const T& usual) {
  if (!(value == usual)) (*to)[name] = value;
}

json json_of(const model::MemberPlace& p) {
  json v{{"node", p.node}};
  put(&v, "card_node", p.card_node, std::string());
  put(&v, "cards", p.cards, {});
  return v;
}

json json_of(const model::Node& n) {
  const model::Node usual;
  json v{{"name", n.name}};
  put(&v, "model", n.model, usual.model);
  put(&v, "cards", n.cards, usual.cards);
  put(&v, "card_memory_mib", n.card_memory_mib, usual.card_memory_mib);
  put(&v, "each_card_mib", n.each_card_mib, usual.each_card_mib);
  put(&v, "cpu_milli", n.cpu_milli, usual.cpu_milli);
  put(&v, "memory_mib", n.memory_mib, usual.memory_mib);
  put(&v, "network_mbps", n.network_mbps, usual.network_mbps);
  put(&v, "zone", n.zone, usual.zone);
  put(&v, "labels", n.labels, usual.labels);
  put(&v, "open", n.open, usual.open);
  return v;
}

json json_of(const model::Queue& q) {
  const model::Queue usual;
  json v{{"name", q.name}};
  put(&v, "parent", q.parent, usual.parent);
  put(&v, "guarantee", q.guarantee, usual.guarantee);
  put(&v, "deserved", q.deserved, usual.deserved);
  put(&v, "limit", q.limit, usual.limit);
  put(&v, "weight", q.weight, usual.weight);
  put(&v, "decayed_usage", q.decayed_usage, usual.decayed_usage);
  for (const model::ModelCap& cap : q.caps)
    v["caps"].push_back({{"model", cap.model}, {"milli", cap.milli}});
  return v;
}

json json_of(const model::Fit& fit, const std::vector<model::Node>& nodes) {
  json v{{"name", fit.name}, {"on", json::array()}};
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (fit.nodes[i] == 0) continue;
    json on{{"node", nodes[i].name}};
    if ((fit.nodes[i] & model::Fit::kProcessor) != 0) on["processor"] = true;
    for (uint32_t card = 0; card < nodes[i].cards; ++card)
      if ((fit.nodes[i] >> card & 1) != 0) on["cards"].push_back(card);
    v["on"].push_back(std::move(on));
  }
  return v;
}

void put_demand(json* v, const model::Demand& d) {
  const model::Demand usual;
  put(v, "cpu_milli", d.cpu_milli, usual.cpu_milli);
  put(v, "memory_mib", d.memory_mib, usual.memory_mib);
  put(v, "cards", d.cards, usual.cards);
  put(v, "card_milli", d.card_milli, usual.card_milli);
  put(v, "card_memory_mib", d.card_memory_mib, usual.card_memory_mib);
  put(v, "kind", d.kind, usual.kind);
  put(v, "models", d.models, usual.models);
  put(v, "labels", d.labels, usual.labels);
  put(v, "fit", d.fit, usual.fit);
  if (d.locality == model::Locality::kPreferLocal) (*v)["locality"] = "prefer-local";
  put(v, "network_mbps", d.network_mbps, usual.network_mbps);
  put(v, "remote_calls", d.remote_calls, usual.remote_calls);
  put(v, "remote_penalty", d.remote_penalty, usual.remote_penalty);
}

json json_of(const model::DemandCount& d) {
  json v{{"count", d.count}};
  put_demand(&v, d);
  return v;
}

json json_of(const model::NcuRate& r) {
  json v{{"model", r.model}, {"milli", r.milli}, {"scarcity_milli", r.scarcity_milli}};
  put(&v, "kind", r.kind, std::string());
  return v;
}

json json_of(const model::Network& n) {
  auto tier = [](const model::NetworkTier& t) {
    return json{{"mbps", t.mbps}, {"round_trip_us", t.round_trip_us}};
  };
  return {{"near", tier(n.near)}, {"far", tier(n.far)}};
}

json json_of(const model::Workload& w) {
  const model::Workload usual;
  json v{{"name", w.name}};
  put(&v, "queue", w.queue, usual.queue);
  put(&v, "priority", w.priority, usual.priority);
  put(&v, "members", w.members, usual.members);
  put(&v, "together", w.together, usual.together);
  put(&v, "apart", w.apart, usual.apart);
  put_demand(&v, w);
  put(&v, "card_milli_least", w.card_milli_least, usual.card_milli_least);
  put(&v, "interruption", w.interruption, usual.interruption);
  put(&v, "can_share", w.can_share, usual.can_share);
  put(&v, "can_suspend", w.can_suspend, usual.can_suspend);
  put(&v, "can_move", w.can_move, usual.can_move);
  put(&v, "can_restart", w.can_restart, usual.can_restart);
  put(&v, "preemptible", w.preemptible, usual.preemptible);
  put(&v, "submitted_ms", w.submitted_ms, usual.submitted_ms);
  put(&v, "started_ms", w.started_ms, usual.started_ms);
  if (w.state != model::WorkState::kPending)
    v["state"] = w.state == model::WorkState::kRunning ? "running" : "suspended";
  put(&v, "granted_milli", w.granted_milli, usual.granted_milli);
  put(&v, "observed_milli", w.observed_milli, usual.observed_milli);
  put(&v, "passed_over", w.passed_over, usual.passed_over);
  put(&v, "stops", w.stops, usual.stops);
  put(&v, "moves", w.moves, usual.moves);
  put(&v, "moved_ms", w.moved_ms, usual.moved_ms);
  for (const model::MemberPlace& place : w.places) v["places"].push_back(json_of(place));
  return v;
}

json json_of(const model::ActCost& cost) {
  return {{"fixed_ms", cost.fixed_ms}, {"per_gib_ms", cost.per_gib_ms}};
}

json json_of(const model::ActCosts& costs) {
  return {{"resize", json_of(costs.resize)},
          {"suspend", json_of(costs.suspend)},
          {"migrate", json_of(costs.migrate)},
          {"restart", json_of(costs.restart)}};
}

json json_of(const Policy& p) {
  json v{{"quantum_milli", p.quantum_milli},
         {"stranded_milli", p.stranded_milli},
         {"local_enough_milli", p.local_enough_milli},
         {"remote_margin_milli", p.remote_margin_milli},
         {"remote_most_milli", p.remote_most_milli},
         {"aging_ms", p.aging_ms},
         {"patience_ms", p.patience_ms},
         {"least_run_ms", p.least_run_ms},
         {"settle_ms", p.settle_ms},
         {"backfill_most", p.backfill_most},
         {"moves_most", p.moves_most},
         {"busy_percent", p.busy_percent},
         {"lazy_percent", p.lazy_percent}};
  if (!(p.costs == model::ActCosts{})) v["costs"] = json_of(p.costs);
  for (int i = 0; i < kRules; ++i)
    if (!p.on(static_cast<Rule>(i))) v["rules_off"].push_back(rule_name(static_cast<Rule>(i)));
  for (int i = 0; i < kPasses; ++i)
    if (!p.on(static_cast<Pass>(i))) v["passes_off"].push_back(pass_name(static_cast<Pass>(i)));
  return v;
}

json json_of(const Verdict& verdict, const Snapshot& of) {
  json v{{"workload", of.workloads[verdict.workload].name},
         {"reason", reason_name(verdict.reason)},
         {"line", verdict.line}};
  for (int i = 1; i < kReasons; ++i)
    if (verdict.nodes[static_cast<size_t>(i)] > 0)
      v["nodes"][reason_name(static_cast<Reason>(i))] = verdict.nodes[static_cast<size_t>(i)];
  put(&v, "alternative", verdict.alternative, std::string());
  put(&v, "passed", verdict.passed, 0u);
  return v;
}

template <typename T>
json list_of(const std::vector<T>& items) {
  json list = json::array();
  for (const T& item : items) list.push_back(json_of(item));
  return list;
}

}  // namespace

json to_json(const Snapshot& s) {
  json v{{"format", 1},
         {"now_ms", s.now_ms},
         {"policy", json_of(s.policy)},
         {"rates", list_of(s.rates)},
         {"nodes", list_of(s.nodes)},
         {"queues", list_of(s.queues)},
         {"workloads", list_of(s.workloads)}};
  for (const model::Fit& fit : s.fits) v["fits"].push_back(json_of(fit, s.nodes));
  if (!s.mix.empty()) v["mix"] = list_of(s.mix);
  if (!(s.network == model::Network{})) v["network"] = json_of(s.network);
  return v;
}

json to_json(const Plan& plan, const Snapshot& of) {
  json actions = json::array(), pending = json::array();
  for (const Action& a : plan.actions) {
    json v{{"act", act_name(a.act)},
           {"workload", of.workloads[a.workload].name},
           {"reason", a.reason}};
    put(&v, "member", a.member, 0u);
    put(&v, "milli", a.milli, 0);
    if (a.because != ~uint32_t{0}) v["because"] = of.workloads[a.because].name;
    for (const model::MemberPlace& place : a.places) v["places"].push_back(json_of(place));
    actions.push_back(std::move(v));
  }
  for (const Verdict& verdict : plan.pending) pending.push_back(json_of(verdict, of));
  return {{"actions", std::move(actions)}, {"pending", std::move(pending)}};
}

}  // namespace flexai::sched
