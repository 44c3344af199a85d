// Queue: a tenant or a group of tenants. guarantee <= deserved <= limit, in thousandths of a
// normalised compute unit (model/ncu.h). A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::model {

struct ModelCap {
  std::string model;
  int64_t milli = 0;  // most milli-cards of this model

  bool operator==(const ModelCap&) const = default;
};

struct Queue {
  std::string name;
  std::string parent;     // empty: at the top
  int64_t guarantee = 0;  // always to be had, by reclaim if need be
  int64_t deserved = 0;   // its fair part when everybody wants more
  int64_t limit = -1;     // never more; -1: none
  int32_t weight = 1;     // of what is left over deserved parts
  std::vector<ModelCap> caps;
  int64_t decayed_usage = 0;  // milli-NCU x seconds, fading; decides between equals

  bool operator==(const Queue&) const = default;
};

}  // namespace flexai::model
