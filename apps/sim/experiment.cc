#include "apps/sim/experiment.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "apps/sim/csv.h"
#include "apps/sim/hi_packer.h"

namespace flexai::apps::sim {
namespace {

// "openb_pod_list_default", "06-FGD" -> the names used here.
std::string plain_list(std::string_view name) {
  constexpr std::string_view kPrefix = "openb_pod_list_";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return std::string(name);
}

std::string plain_policy(std::string_view name) {
  const size_t dash = name.find('-');
  if (dash != std::string_view::npos) name.remove_prefix(dash + 1);
  if (name == "DotProduct") return "DotProd";
  if (name == "GpuClustering") return "Clustering";
  if (name == "GpuPacking") return "Packing";
  return std::string(name);
}

base::Result<double> real(const Csv& csv, size_t row, size_t column) {
  FLEXAI_TRY_ASSIGN(std::string_view text, csv.text(row, column));
  char* end = nullptr;
  const std::string copy(text);
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != 0 || !std::isfinite(value))
    return csv.error(row, "published value", "\"" + copy.substr(0, 40) + "\" is not a number");
  return value;
}

using Values = std::map<std::pair<std::string, std::string>, std::vector<double>>;

base::Result<Values> read_published(const std::string& folder, size_t point) {
  const std::string path = folder + "/expected/analysis_allo_discrete.csv";
  Values values;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return values;
  FLEXAI_TRY_ASSIGN(Csv csv, Csv::read(path));
  FLEXAI_TRY_ASSIGN(size_t list, csv.column("workload"));
  FLEXAI_TRY_ASSIGN(size_t policy, csv.column("sc_policy"));
  FLEXAI_TRY_ASSIGN(size_t at, csv.column(std::to_string(point)));
  for (size_t row = 0; row < csv.rows(); ++row) {
    FLEXAI_TRY_ASSIGN(std::string_view l, csv.text(row, list));
    FLEXAI_TRY_ASSIGN(std::string_view p, csv.text(row, policy));
    FLEXAI_TRY_ASSIGN(double value, real(csv, row, at));
    values[{plain_list(l), plain_policy(p)}].push_back(value);
  }
  return values;
}

}  // namespace

double Sample::error() const {
  return count == 0 ? 0 : deviation / std::sqrt(static_cast<double>(count));
}

double Cell::allowed() const {
  return std::max(0.3, 3 * std::hypot(own.error(), published.error()));
}

Sample sample_of(const std::vector<double>& values) {
  Sample sample;
  sample.count = static_cast<int>(values.size());
  if (values.empty()) return sample;
  for (double value : values) sample.mean += value / sample.count;
  double squares = 0;
  for (double value : values) squares += (value - sample.mean) * (value - sample.mean);
  if (sample.count > 1) sample.deviation = std::sqrt(squares / (sample.count - 1));
  return sample;
}

base::Result<std::vector<PackingResult>> run_experiment(const ExperimentOptions& o) {
  std::vector<Trace> traces;
  for (const std::string& list : o.lists) {
    FLEXAI_TRY_ASSIGN(Trace trace, read_openb(o.folder, list));
    traces.push_back(std::move(trace));
  }
  const auto seeds = static_cast<size_t>(o.seeds);
  std::vector<PackingResult> results(o.lists.size() * o.policies.size() * seeds);
  std::atomic<size_t> next = 0, done = 0;
  auto work = [&] {
    for (size_t i = next++; i < results.size(); i = next++, ++done) {
      const size_t list = i / seeds / o.policies.size();
      const std::string& policy = o.policies[i / seeds % o.policies.size()];
      results[i] = run_packing(traces[list], o.lists[list], policy, o.part,
                               o.first_seed + i % seeds, o.constants);
    }
  };
  const unsigned count = o.threads > 0 ? static_cast<unsigned>(o.threads)
                                       : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i) threads.emplace_back(work);
  while (o.progress && done < results.size()) {
    std::fprintf(stderr, "\r%zu of %zu runs", done.load(), results.size());
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  for (std::thread& thread : threads) thread.join();
  if (o.progress) std::fprintf(stderr, "\r%zu runs        \n", results.size());
  return results;
}

base::Result<Table> table_of(const std::vector<PackingResult>& results, const std::string& folder,
                             size_t point) {
  FLEXAI_TRY_ASSIGN(Values published, read_published(folder, point));
  Values own;
  for (const PackingResult& r : results) own[{r.list, r.policy}].push_back(r.allocated[point]);
  Table table;
  for (const auto& [key, values] : own) table[key] = {sample_of(values), sample_of(published[key])};
  return table;
}

}  // namespace flexai::apps::sim
