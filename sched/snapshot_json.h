// Snapshots and plans as JSON (docs/formats/snapshot.md). Reading is strict: an unknown field, a
// wrong type or a number out of range is kInvalid and names the place. Never throws; text of up to
// 1 GiB, 16 levels.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sched/plan.h"
#include "sched/snapshot.h"

namespace flexai::sched {

base::Result<Snapshot> snapshot_from_text(std::string_view text);
base::Result<Snapshot> snapshot_from_json(const nlohmann::json& json);
nlohmann::json to_json(const Snapshot& snapshot);
// Names instead of numbers, so that plans can be compared by eye.
nlohmann::json to_json(const Plan& plan, const Snapshot& of);

}  // namespace flexai::sched
