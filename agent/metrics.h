// Metrics in Prometheus text form. Names follow the habits of DCGM and HAMi exporters: base units,
// `_total` for counters, memory as used and limit. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/admission.h"
#include "agent/card_arbiter.h"
#include "model/device.h"
#include "model/slice.h"

namespace flexai::agent {

struct CardMetrics {
  model::Device device;
  Room room;
  CardUse use;
};

struct SliceMetrics {
  model::Slice slice;
  const SliceUse* use = nullptr;  // null: it cannot serve
};

struct AgentMetrics {
  uint64_t incarnation = 0;
  size_t runs = 0;
  size_t processes = 0;
  size_t waiting_requests = 0;
};

std::string metrics_text(const std::vector<CardMetrics>& cards,
                         const std::vector<SliceMetrics>& slices, const AgentMetrics& agent);

}  // namespace flexai::agent
