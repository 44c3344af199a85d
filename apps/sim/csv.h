// A CSV file with a header line: columns are found by name, numbers are checked. Errors name file,
// line and field. Files of up to 256 MiB; no quoting (the traces have none).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexai::apps::sim {

class Csv {
 public:
  static base::Result<Csv> read(const std::string& path);
  static base::Result<Csv> parse(std::string name, std::string text);

  size_t rows() const { return lines_.size(); }
  bool has(std::string_view column) const { return find(column) >= 0; }
  // kInvalid when the column is missing.
  base::Result<size_t> column(std::string_view name) const;
  base::Result<std::string_view> text(size_t row, size_t column) const;
  // A whole number in least..most.
  base::Result<int64_t> number(size_t row, size_t column, int64_t least, int64_t most) const;
  base::Error error(size_t row, std::string_view column, const std::string& what) const;

 private:
  int find(std::string_view column) const;

  std::string name_;
  std::string text_;
  std::vector<std::string> columns_;
  std::vector<std::pair<size_t, size_t>> lines_;  // offset, length in text_
};

}  // namespace flexai::apps::sim
