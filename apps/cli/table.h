// Plain tables for people. Pure.
#pragma once

#include <string>
#include <vector>

namespace flexai::apps {

struct Column {
  std::string title;
  bool right = false;  // numbers
  int keep = 0;        // when the width does not do, columns with the least `keep` go first
};

// Lines without trailing blanks. `width` 0 = as wide as needed; else columns are left out until it
// fits, and what is still too wide is cut. Control bytes in cells become '?'.
std::vector<std::string> format_table(const std::vector<Column>& columns,
                                      const std::vector<std::vector<std::string>>& rows,
                                      size_t width = 0);
void print_table(const std::vector<Column>& columns,
                 const std::vector<std::vector<std::string>>& rows);

std::string format_milli(uint64_t milli);       // "30%", "0%"
std::string format_part(double part);           // 0.305 -> "30.5%"
std::string format_nanos(int64_t nanoseconds);  // "1.2s", "340ms"

}  // namespace flexai::apps
