// A synthetic mix as a TOML file, in place of a recorded trace: kinds of nodes, kinds of tasks, how
// many of each; docs/examples/mix.toml has every field. Errors name file, line and field.
#pragma once

#include <string>
#include <string_view>

#include "apps/sim/trace.h"

namespace flexai::apps::sim {

bool is_mix_file(std::string_view path);  // by its name
base::Result<Trace> read_mix(const std::string& path);
// `path` is for messages.
base::Result<Trace> parse_mix(std::string_view text, const std::string& path);

}  // namespace flexai::apps::sim
