#include "apps/cli/table.h"

#include <cmath>
#include <cstdint>
#include <cstdio>

#include "model/quantity.h"

namespace flexai::apps {
namespace {

// Characters as a terminal counts them: UTF-8 continuation bytes take no room.
size_t length(const std::string& text) {
  size_t n = 0;
  for (char c : text) n += (c & 0xc0) != 0x80 ? 1 : 0;
  return n;
}

std::string clean(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return text;
}

std::string cut(const std::string& text, size_t width) {
  size_t n = 0, i = 0;
  for (; i < text.size(); ++i) {
    if ((text[i] & 0xc0) != 0x80 && n++ == width) break;
  }
  return text.substr(0, i);
}

}  // namespace

std::vector<std::string> format_table(const std::vector<Column>& columns,
                                      const std::vector<std::vector<std::string>>& rows,
                                      size_t width) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns.size(); ++c) {
    size_t widest = length(columns[c].title);
    for (const auto& row : rows) widest = std::max(widest, length(row[c]));
    widths.push_back(widest);
  }
  std::vector<bool> shown(columns.size(), true);
  for (;;) {
    size_t total = 0, left = 0, victim = 0;
    for (size_t c = 0; c < columns.size(); ++c) {
      if (!shown[c]) continue;
      total += widths[c] + (left++ > 0 ? 2 : 0);
      if (!shown[victim] || columns[c].keep <= columns[victim].keep) victim = c;
    }
    if (width == 0 || total <= width || left <= 1) break;
    shown[victim] = false;
  }
  auto format = [&](auto cell) {
    std::string line;
    for (size_t c = 0; c < columns.size(); ++c) {
      if (!shown[c]) continue;
      std::string text = clean(cell(c));
      std::string pad(widths[c] - length(text), ' ');
      if (!line.empty()) line += "  ";
      line += columns[c].right ? pad + text : text + pad;
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return width == 0 ? line : cut(line, width);
  };
  std::vector<std::string> lines;
  lines.push_back(format([&](size_t c) { return columns[c].title; }));
  for (const auto& row : rows) lines.push_back(format([&](size_t c) { return row[c]; }));
  return lines;
}

void print_table(const std::vector<Column>& columns,
                 const std::vector<std::vector<std::string>>& rows) {
  for (const auto& line : format_table(columns, rows)) printf("%s\n", line.c_str());
}

std::string format_milli(uint64_t milli) {
  return milli == 0 ? "0%" : model::format_share(static_cast<uint32_t>(milli));
}

std::string format_part(double part) {
  char text[32];
  snprintf(text, sizeof text, "%.1f%%", std::isfinite(part) ? part * 100 : 0);
  return text;
}

std::string format_nanos(int64_t nanoseconds) {
  char text[32];
  double seconds = static_cast<double>(nanoseconds) / 1e9;
  if (seconds < 1)
    snprintf(text, sizeof text, "%.0fms", seconds * 1000);
  else if (seconds < 600)
    snprintf(text, sizeof text, "%.1fs", seconds);
  else
    snprintf(text, sizeof text, "%.0fmin", seconds / 60);
  return text;
}

}  // namespace flexai::apps
