// Explain: why a slice gets what it gets, in plain sentences. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/card_arbiter.h"
#include "model/slice.h"

namespace flexai::agent {

// `use` is null when the slice cannot serve; then `trouble` says why. `card` is the whole card's
// use.
std::vector<std::string> explain(const model::Slice& slice, const SliceUse* use,
                                 const CardUse* card, const std::string& trouble);

std::string percent(double part);  // 0.305 -> "30.5%"

}  // namespace flexai::agent
