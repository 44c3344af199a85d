// What `flexai top` shows, as lines. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace flexai::apps {

// `top` is the agent's answer to GET /v1/top. At most `width` characters a line and `height` lines,
// 0 = no bound; with too little room, columns and rows of least weight are left out, and the last
// line says how many.
std::vector<std::string> top_lines(const nlohmann::json& top, size_t width, size_t height);

}  // namespace flexai::apps
