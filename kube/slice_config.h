// SliceConfig: what a claim or a class says of its slices besides their size, as the opaque
// configuration of our driver (docs/formats/kubernetes.md). A plain value. Threads: any; pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "model/slice.h"

namespace flexai::kube {

enum class Isolation { kServed, kDirect };
enum class Reach { kPreferLocal, kLocal };

struct SliceConfig {
  model::Qos qos = model::Qos::kElastic;
  uint32_t ceiling_milli = 1000;  // of an elastic slice
  model::Priority priority = model::Priority::kNormal;
  Isolation isolation = Isolation::kServed;
  Reach reach = Reach::kPreferLocal;
  uint32_t least_milli = 0;  // it may be shrunk to so much; 0: never
  bool share = false;        // may lose its guarantee
  bool suspend = false;
  bool move = false;
  std::string pool;  // XpuPool whose cards will do; empty: all
  bool operator==(const SliceConfig&) const = default;
};

// The fields that `parameters` has replace those of `config`: the class's are read first, then the
// claim's. kInvalid with the field's name for what is unknown, of the wrong type or out of range;
// then nothing has changed.
base::Status read_slice_config(const nlohmann::json& parameters, SliceConfig* config);

}  // namespace flexai::kube
