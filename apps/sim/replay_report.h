// The packing experiment's results as JSON, CSV, SVG, and tables for people. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/sim/experiment.h"

namespace flexai::apps::sim {

nlohmann::json json_of(const std::vector<PackingResult>& results, const Table& table, size_t point);
// One line a run, the curve in columns 0..130.
std::string csv_of(const std::vector<PackingResult>& results);
// Mean curves of one list.
std::string svg_of(const std::vector<PackingResult>& results, const std::string& list,
                   bool fragments);
// Markdown; own, published, difference and what is allowed.
std::string markdown_of(const Table& table, const std::vector<std::string>& lists,
                        const std::vector<std::string>& policies);

}  // namespace flexai::apps::sim
