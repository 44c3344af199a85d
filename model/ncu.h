// NCU: normalised compute units. A card model does so many thousandths of the work of a reference
// card, for each class of work; measured, and refined by observation. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::model {

struct NcuRate {
  std::string model;
  int32_t milli = 1000;        // of one whole card
  int32_t scarcity_milli = 0;  // what using a whole card of it costs more than a common one

  bool operator==(const NcuRate&) const = default;
};

}  // namespace flexai::model
