#include "apps/sim/replay_report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/sim/chart.h"

namespace flexai::apps::sim {
namespace {

using nlohmann::json;

template <typename... Values>
std::string text(const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

double rounded(double value) { return std::round(value * 1e4) / 1e4; }

json sample(const Sample& s) {
  return {{"mean", rounded(s.mean)}, {"deviation", rounded(s.deviation)}, {"runs", s.count}};
}

std::vector<std::string> policies_of(const std::vector<PackingResult>& results) {
  std::vector<std::string> names;
  for (const PackingResult& r : results)
    if (std::find(names.begin(), names.end(), r.policy) == names.end()) names.push_back(r.policy);
  return names;
}

}  // namespace

json json_of(const std::vector<PackingResult>& results, const Table& table, size_t point) {
  json cells = json::array();
  for (const auto& [key, cell] : table) {
    std::vector<double> remote, moves;
    json runs = json::array();
    for (const PackingResult& r : results) {
      if (r.list != key.first || r.policy != key.second) continue;
      remote.push_back(r.remote);
      moves.push_back(1000.0 * static_cast<double>(r.moves) / static_cast<double>(r.arrived));
      json sizes = json::array();
      for (const auto& [milli, size] : r.sizes)
        if (milli > 0) sizes.push_back({milli, size.arrived, size.unrefused});
      runs.push_back(
          {{"seed", r.seed}, {"allocated_percent", rounded(r.allocated[point])}, {"sizes", sizes}});
    }
    json one{{"list", key.first},
             {"policy", key.second},
             {"allocated_percent", sample(cell.own)},
             {"remote_percent", sample(sample_of(remote))},
             {"moves_per_1000_tasks", sample(sample_of(moves))},
             {"runs", std::move(runs)}};
    if (cell.published.count > 0) {
      one["published_percent"] = sample(cell.published);
      one["difference"] = rounded(cell.difference());
      one["allowed"] = rounded(cell.allowed());
      one["holds"] = cell.holds();
    }
    cells.push_back(std::move(one));
  }
  return {{"experiment", "packing"}, {"arrived_percent", point}, {"cells", std::move(cells)}};
}

std::string csv_of(const std::vector<PackingResult>& results) {
  std::string out = "list,policy,seed,arrived,placed,remote_percent,moves,what";
  for (size_t x = 0; x < kPoints; ++x) out += "," + std::to_string(x);
  out += "\n";
  for (const PackingResult& r : results)
    for (const auto& [what, values] :
         {std::pair{"allocated", &r.allocated}, std::pair{"fragmented", &r.fragmented}}) {
      out += r.list + "," + r.policy +
             text(",%llu,%zu,%zu,%.3f,%zu,%s", static_cast<unsigned long long>(r.seed), r.arrived,
                  r.placed, r.remote, r.moves, what);
      for (double value : *values) out += text(",%.2f", value);
      out += "\n";
    }
  return out;
}

std::string svg_of(const std::vector<PackingResult>& results, const std::string& list,
                   bool fragments) {
  Chart chart;
  chart.title =
      (fragments ? "Fragmented cards, list " : "Allocated cards from 80 % arrived, list ") + list;
  chart.x_title = "demand arrived, % of cards";
  chart.y_title = fragments ? "% of cards" : "allocated, % of cards";
  chart.x_from = fragments ? 0 : 80;
  chart.x_to = 130;
  chart.y_from = fragments ? 0 : 75;
  chart.y_to = fragments ? 20 : 100;
  for (const std::string& policy : policies_of(results)) {
    Line line{policy, {}};
    for (size_t x = static_cast<size_t>(chart.x_from); x < kPoints; ++x) {
      std::vector<double> values;
      for (const PackingResult& r : results)
        if (r.list == list && r.policy == policy)
          values.push_back(fragments ? r.fragmented[x] : r.allocated[x]);
      line.points.emplace_back(static_cast<double>(x), sample_of(values).mean);
    }
    chart.lines.push_back(std::move(line));
  }
  return svg_of(chart);
}

std::string markdown_of(const Table& table, const std::vector<std::string>& lists,
                        const std::vector<std::string>& policies) {
  std::string out = "| list |", rule = "| --- |";
  for (const std::string& policy : policies) {
    out += " " + policy + " |";
    rule += " --- |";
  }
  out += "\n" + rule + "\n";
  for (const std::string& list : lists) {
    out += "| " + list + " |";
    for (const std::string& policy : policies) {
      const auto at = table.find({list, policy});
      if (at == table.end()) {
        out += " |";
        continue;
      }
      const Cell& c = at->second;
      out += text(" %.2f", c.own.mean);
      if (c.published.count > 0)
        out += text(" / %.2f%s", c.published.mean, c.holds() ? "" : " **off**");
      out += " |";
    }
    out += "\n";
  }
  return out;
}

}  // namespace flexai::apps::sim
