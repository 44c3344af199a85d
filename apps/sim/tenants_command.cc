// hi-sim tenants: fairness, stops and moves over time, with the whole core deciding.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/sim/commands.h"
#include "apps/sim/output.h"
#include "apps/sim/tenants.h"

namespace flexai::apps::sim {
namespace {

using nlohmann::json;

struct Options {
  TenantOptions run;
  std::string trace = "openb", list = "default", json;
};

json json_of(const TenantResult& r) {
  const double per_1000 = 1000.0 / static_cast<double>(std::max<size_t>(1, r.tasks));
  auto rate = [&](size_t count) { return static_cast<double>(count) * per_1000; };
  return {{"tasks", r.tasks},
          {"events", r.events},
          {"ticks", r.ticks},
          {"cards", r.cards},
          {"used_percent", r.used},
          {"really_used_percent", r.really_used},
          {"completion_mean_s", r.completion_mean_s},
          {"worst_distance_percent", r.worst_distance},
          {"worst_queue", r.worst_queue},
          {"worst_at_s", r.worst_at_s},
          {"mean_distance_percent", r.mean_distance},
          {"windows", r.distance_by_window.size()},
          {"longest_below_guarantee_s", r.longest_below_guarantee_s},
          {"wait_mean_s", r.wait_mean_s},
          {"wait_p95_s", r.wait_p95_s},
          {"wasted_percent", r.wasted},
          {"acts_percent", r.acts},
          {"differing_plans", r.differing},
          {"shrinks_per_1000", rate(r.shrinks)},
          {"shares_per_1000", rate(r.shares)},
          {"suspends_per_1000", rate(r.suspends)},
          {"requeues_per_1000", rate(r.requeues)},
          {"kills_per_1000", rate(r.kills)},
          {"moves_per_1000", rate(r.moves)},
          {"homes_per_1000", rate(r.homes)},
          {"most_stops_of_one_task", r.most_stops},
          {"longest_exchange", r.longest_exchange},
          {"moves_back", r.returns},
          {"loops", r.loops},
          {"remote_percent", r.remote},
          {"longest_unrest_plans", r.longest_unrest},
          {"decide_mean_ms", r.decide_mean_ms},
          {"decide_worst_ms", r.decide_worst_ms}};
}

base::Status tenants(const Options& o) {
  FLEXAI_TRY_ASSIGN(std::string folder, find_trace(o.trace));
  FLEXAI_TRY_ASSIGN(Trace trace, read_openb(folder, o.list));
  FLEXAI_TRY_ASSIGN(TenantResult result, run_tenants(trace, o.run));
  const json figures = json_of(result);
  if (!o.json.empty()) return write_json(o.json, figures);
  for (const auto& [name, value] : figures.items())
    std::printf("%-30s %s\n", name.c_str(), value.dump().c_str());
  return {};
}

}  // namespace

void add_tenants(CLI::App& app, Session& session) {
  CLI::App* command = declare(app, "tenants", "fairness over time, with queues and the whole core",
                              "  hi-sim tenants --trace openb --queues 20 --load 1.3\n");
  auto o = std::make_shared<Options>();
  command->add_option("--trace", o->trace, "folder of the trace, or openb");
  command->add_option("--list", o->list, "list of tasks");
  command->add_option("--queues", o->run.queues, "tenants")->check(CLI::Range(1, 1000));
  command->add_option("--thin", o->run.thin, "every so manieth node of the trace")
      ->check(CLI::Range(1, 1000));
  command->add_option("--load", o->run.load, "offered, of the cards")
      ->check(CLI::Range(0.05, 10.0));
  command->add_option("--tasks", o->run.tasks, "drawn from the list")
      ->check(CLI::Range(10, 10000000));
  command->add_option("--tick", o->run.tick_s, "seconds between two plans")
      ->check(CLI::Range(1.0, 3600.0));
  command->add_option("--use", o->run.use, "what tasks really use of what they ask for, mean")
      ->check(CLI::Range(0.01, 1.0));
  command
      ->add_option("--elastic", o->run.elastic_percent, "percent of the tasks that may be shrunk")
      ->check(CLI::Range(0, 100));
  command->add_option("--seed", o->run.seed, "of everything drawn");
  command->add_option("--json", o->json, "write the figures there; - is standard output");
  perform(command, session, [o] { return tenants(*o); });
}

}  // namespace flexai::apps::sim
