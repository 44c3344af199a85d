// JSON of the value types, used by the agent, the CLI and later the cluster parts; never by a shim.
// Reading is strict: an unknown field, a wrong type or a value out of range is kInvalid and names
// the field.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "model/device.h"
#include "model/slice.h"

namespace flexai::model {

nlohmann::json to_json(const Device& device);
nlohmann::json to_json(
    const Slice& slice);  // sizes in bytes, shares in thousandths (compute_milli)
base::Result<Device> device_from_json(const nlohmann::json& json);
base::Result<Slice> slice_from_json(const nlohmann::json& json);

// Parses text; never throws; depth and size bounded (64 levels, 1 MiB).
base::Result<nlohmann::json> parse_json(std::string_view text);

}  // namespace flexai::model
