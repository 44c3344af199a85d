#include "apps/sim/csv.h"

#include <charconv>
#include <fstream>
#include <iterator>

namespace flexai::apps::sim {
namespace {

using base::Code;
using base::fail;

constexpr size_t kMostBytes = size_t{256} << 20;

std::string_view field_of(std::string_view line, size_t index, bool* found) {
  for (size_t i = 0;; ++i) {
    const size_t comma = line.find(',');
    if (i == index) return *found = true, line.substr(0, comma);
    if (comma == std::string_view::npos) return *found = false, std::string_view();
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

base::Result<Csv> Csv::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kNotFound, path + ": cannot be opened; check the path");
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return fail(Code::kUnavailable, path + ": cannot be read");
  return parse(path, std::move(text));
}

base::Result<Csv> Csv::parse(std::string name, std::string text) {
  if (text.size() > kMostBytes) return fail(Code::kInvalid, name + ": larger than 256 MiB");
  Csv csv;
  csv.name_ = std::move(name);
  csv.text_ = std::move(text);
  bool header = true;
  for (size_t at = 0; at < csv.text_.size();) {
    size_t end = csv.text_.find('\n', at);
    if (end == std::string::npos) end = csv.text_.size();
    size_t length = end - at;
    if (length > 0 && csv.text_[at + length - 1] == '\r') --length;
    if (header) {
      std::string_view line(csv.text_.data() + at, length);
      bool found = true;
      for (size_t i = 0; found && i < 1024; ++i) {
        std::string_view field = field_of(line, i, &found);
        if (found) csv.columns_.emplace_back(field);
      }
      header = false;
    } else if (length > 0) {
      csv.lines_.emplace_back(at, length);
    }
    at = end + 1;
  }
  if (header) return fail(Code::kInvalid, csv.name_ + ": is empty; expected a header line");
  return csv;
}

int Csv::find(std::string_view column) const {
  for (size_t i = 0; i < columns_.size(); ++i)
    if (columns_[i] == column) return static_cast<int>(i);
  return -1;
}

base::Result<size_t> Csv::column(std::string_view name) const {
  const int at = find(name);
  if (at >= 0) return static_cast<size_t>(at);
  return fail(Code::kInvalid, name_ + ":1: column \"" + std::string(name) + "\" is missing");
}

base::Error Csv::error(size_t row, std::string_view column, const std::string& what) const {
  return fail(Code::kInvalid,
              name_ + ":" + std::to_string(row + 2) + ": " + std::string(column) + ": " + what);
}

base::Result<std::string_view> Csv::text(size_t row, size_t column) const {
  const auto [offset, length] = lines_[row];
  bool found = false;
  std::string_view field = field_of(std::string_view(text_).substr(offset, length), column, &found);
  if (!found) return error(row, columns_[column], "the line ends before this field");
  return field;
}

base::Result<int64_t> Csv::number(size_t row, size_t column, int64_t least, int64_t most) const {
  auto field = text(row, column);
  if (!field.ok()) return field.error();
  int64_t value = 0;
  const auto [end, code] =
      std::from_chars((*field).data(), (*field).data() + (*field).size(), value);
  if (code != std::errc() || end != (*field).data() + (*field).size())
    return error(row, columns_[column],
                 "\"" + std::string((*field).substr(0, 40)) + "\" is not a whole number");
  if (value < least || value > most)
    return error(row, columns_[column],
                 std::to_string(value) + " is not in " + std::to_string(least) + ".." +
                     std::to_string(most));
  return value;
}

}  // namespace flexai::apps::sim
