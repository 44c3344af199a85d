#include "model/quantity.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace flexai::model {
namespace {

using base::Code;
using base::fail;

// Splits "1.5GiB" into 1.5 and "GiB". Only plain decimals: no sign, exponent, hex, inf or nan.
bool split_number(std::string_view text, double* number, std::string_view* suffix) {
  size_t digits = 0, dots = 0, i = 0;
  for (; i < text.size() && ((text[i] >= '0' && text[i] <= '9') || text[i] == '.'); ++i)
    (text[i] == '.' ? dots : digits) += 1;
  if (digits == 0 || digits > 20 || dots > 1) return false;
  *number = std::strtod(std::string(text.substr(0, i)).c_str(), nullptr);
  *suffix = text.substr(i);
  return true;
}

std::string quote(std::string_view text) { return "\"" + std::string(text.substr(0, 40)) + "\""; }

}  // namespace

base::Result<uint32_t> parse_share(std::string_view text) {
  double number = 0;
  std::string_view suffix;
  const std::string hint = " is not a share of a card; write 30%, 0.3 or 300m (0.1% to 100%)";
  if (!split_number(text, &number, &suffix)) return fail(Code::kInvalid, quote(text) + hint);
  double milli = 0;
  if (suffix == "%") {
    milli = number * 10;
  } else if (suffix == "m") {
    milli = number;
  } else if (suffix.empty()) {
    milli = number * 1000;
  } else {
    return fail(Code::kInvalid, quote(text) + hint);
  }
  double whole = std::round(milli);
  if (std::fabs(milli - whole) > 1e-6)
    return fail(Code::kInvalid, quote(text) + " is finer than 0.1% of a card");
  if (whole < 1 || whole > 1000) return fail(Code::kInvalid, quote(text) + hint);
  return static_cast<uint32_t>(whole);
}

base::Result<uint64_t> parse_bytes(std::string_view text) {
  double number = 0;
  std::string_view suffix;
  const std::string hint = " is not a size; write 1GiB, 512M, 64KiB or a number of bytes";
  if (!split_number(text, &number, &suffix)) return fail(Code::kInvalid, quote(text) + hint);
  if (!suffix.empty() && (suffix.back() == 'B' || suffix.back() == 'b')) suffix.remove_suffix(1);
  double unit = 1;
  if (!suffix.empty()) {
    double base = 1000;
    if (suffix.size() == 2 && suffix[1] == 'i') {
      base = 1024;
    } else if (suffix.size() != 1) {
      return fail(Code::kInvalid, quote(text) + hint);
    }
    switch (suffix[0]) {
      case 'k':
      case 'K':
        unit = base;
        break;
      case 'm':
      case 'M':
        unit = base * base;
        break;
      case 'g':
      case 'G':
        unit = base * base * base;
        break;
      case 't':
      case 'T':
        unit = base * base * base * base;
        break;
      default:
        return fail(Code::kInvalid, quote(text) + hint);
    }
  }
  double bytes = std::floor(number * unit);
  if (bytes < 1) return fail(Code::kInvalid, quote(text) + " is less than one byte");
  if (bytes > 1e15) return fail(Code::kInvalid, quote(text) + " is more than any card has");
  return static_cast<uint64_t>(bytes);
}

std::string format_share(uint32_t milli) {
  std::string text = std::to_string(milli / 10);
  if (milli % 10 != 0) text += "." + std::to_string(milli % 10);
  return text + "%";
}

std::string format_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  bool whole = unit == 0 || std::fabs(value - std::round(value)) < 0.05;
  std::snprintf(text, sizeof text, whole ? "%.0f%s" : "%.1f%s", value, kUnits[unit]);
  return text;
}

}  // namespace flexai::model
