#include "apps/cli/top_view.h"

#include <nlohmann/json.hpp>

#include "apps/cli/table.h"
#include "model/quantity.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

const std::vector<Column> kColumns = {
    {"SLICE", false, 99}, {"CARD", false, 20},   {"QOS", false, 10},      {"PROMISED", true, 80},
    {"GOT 1s", true, 90}, {"GOT 10s", true, 60}, {"CEILING", true, 50},   {"MEMORY", true, 70},
    {"LIMIT", true, 55},  {"WAITED", true, 40},  {"THROTTLED", true, 30}, {"PROC", true, 25},
};

std::string bytes(const json& object, const char* name) {
  return model::format_bytes(object.value(name, uint64_t{0}));
}

std::vector<std::string> slice_row(const json& s) {
  return {s.value("name", ""),
          s.value("card", ""),
          s.value("qos", ""),
          format_milli(s.value("promised_milli", 0u)),
          s.value("residency", "card") != "card" ? "swapped"
          : s.value("paused", false)             ? "paused"
                                                 : format_part(s.value("got_1s", 0.0)),
          format_part(s.value("got_10s", 0.0)),
          format_milli(s.value("ceiling_milli", 0u)),
          bytes(s, "memory_used_bytes"),
          bytes(s, "memory_limit_bytes"),
          format_nanos(s.value("lease_wait_ns", int64_t{0})),
          format_nanos(s.value("ceiling_wait_ns", int64_t{0})),
          std::to_string(s.value("processes", 0u))};
}

std::vector<std::string> card_row(const json& c) {
  return {"= " + c.value("id", ""),
          c.value("id", ""),
          c.value("healthy", false) ? "" : "down",
          format_milli(c.value("granted_milli", 0u)),
          format_part(c.value("got_1s", 0.0)),
          format_part(c.value("got_10s", 0.0)),
          "100%",
          bytes(c, "memory_used_bytes"),
          bytes(c, "memory_bytes"),
          "",
          "",
          ""};
}

}  // namespace

std::vector<std::string> top_lines(const json& top, size_t width, size_t height) {
  std::vector<std::vector<std::string>> rows;
  for (const json& s : top["slices"]) rows.push_back(slice_row(s));
  const size_t slices = rows.size();
  for (const json& c : top["cards"]) rows.push_back(card_row(c));
  const size_t cards = rows.size() - slices;
  std::vector<std::string> lines = format_table(kColumns, rows, width);
  if (height == 0 || lines.size() <= height) return lines;
  // Slices give way first; the cards' totals stay as long as they fit.
  size_t room = height - 1;  // below the title
  size_t shown_cards = std::min(cards, room);
  size_t shown_slices = std::min(slices, room - shown_cards);
  if (shown_slices > 0 && shown_slices < slices) --shown_slices;
  std::vector<std::string> kept{lines[0]};
  for (size_t i = 0; i < shown_slices; ++i) kept.push_back(lines[1 + i]);
  if (shown_slices < slices && kept.size() + shown_cards < height) {
    std::string more = "... " + std::to_string(slices - shown_slices) + " more slices";
    kept.push_back(width == 0 ? more : more.substr(0, width));
  }
  for (size_t i = 0; i < shown_cards; ++i) kept.push_back(lines[1 + slices + i]);
  return kept;
}

}  // namespace flexai::apps
