// Demand-aware water-filling: what each of several queues should have of a capacity when everybody
// gets in proportion to its weight, and nobody more than it asks for (progressive filling, the
// max-min fairness of Bertsekas and Gallager, "Data Networks", section 6.5). Pure.
#pragma once

#include <vector>

namespace flexai::apps::sim {

struct Claim {
  double weight = 1;  // > 0
  double demand = 0;  // running and waiting
};

std::vector<double> water_filling(const std::vector<Claim>& claims, double capacity);

}  // namespace flexai::apps::sim
