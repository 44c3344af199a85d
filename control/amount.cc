#include "control/amount.h"

#include <array>
#include <limits>
#include <utility>

namespace flexai::control {
namespace {

using base::Code;
using base::fail;
using Wide = Amount::Wide;

constexpr Wide kMost = (Wide{1} << 63) * 1'000'000'000;
constexpr size_t kLongest = 64;
constexpr std::array<std::pair<std::string_view, Wide>, 16> kSuffixes = {{
    {"Ki", Wide{1} << 10},
    {"Mi", Wide{1} << 20},
    {"Gi", Wide{1} << 30},
    {"Ti", Wide{1} << 40},
    {"Pi", Wide{1} << 50},
    {"Ei", Wide{1} << 60},
    {"k", 1'000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
    {"T", 1'000'000'000'000},
    {"P", 1'000'000'000'000'000},
    {"E", 1'000'000'000'000'000'000},
    {"", 1},
    {"m", -1'000},
    {"u", -1'000'000},
    {"n", -1'000'000'000},
}};

base::Error no_quantity(std::string_view text) {
  return fail(Code::kInvalid, "\"" + std::string(text.substr(0, 40)) + "\" is no quantity");
}

// Times a power of ten, rounded up; nothing when it is too large.
bool scale(Wide* value, int exponent) {
  for (; exponent > 0; --exponent) {
    if (*value > kMost / 10) return *value == 0;
    *value *= 10;
  }
  for (; exponent < 0 && *value != 0; ++exponent) *value = (*value + 9) / 10;
  return true;
}

struct Digits {
  Wide value = 0;
  int after_point = 0;
  size_t used = 0;
  bool any = false;
};

Digits digits_of(std::string_view text) {
  Digits d;
  bool point = false;
  for (; d.used < text.size(); ++d.used) {
    const char c = text[d.used];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      d.any = true;
      if (d.value > kMost / 10) continue;
      d.value = d.value * 10 + (c - '0');
      d.after_point += point;
    } else {
      break;
    }
  }
  return d;
}

bool read_exponent(std::string_view text, int* exponent) {
  size_t at = 1;
  bool negative = false;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) negative = text[at++] == '-';
  if (at == text.size() || text.size() - at > 3) return false;
  for (; at < text.size(); ++at) {
    if (text[at] < '0' || text[at] > '9') return false;
    *exponent = *exponent * 10 + (text[at] - '0');
  }
  if (negative) *exponent = -*exponent;
  return true;
}

}  // namespace

int64_t Amount::rounded(int64_t unit) const {
  const Wide up = nano >= 0 ? (nano + unit - 1) / unit : nano / unit;
  constexpr auto kLargest = std::numeric_limits<int64_t>::max();
  return up > kLargest ? kLargest : up < -kLargest ? -kLargest : static_cast<int64_t>(up);
}

base::Result<Amount> parse_amount(std::string_view text) {
  if (text.empty() || text.size() > kLongest) return no_quantity(text);
  const bool negative = text[0] == '-';
  const std::string_view body = text.substr(text[0] == '-' || text[0] == '+' ? 1 : 0);
  const Digits d = digits_of(body);
  if (!d.any) return no_quantity(text);
  Wide nano = d.value;
  if (nano > kMost) return fail(Code::kInvalid, no_quantity(text).message + ": it is too large");
  const std::string_view suffix = body.substr(d.used);
  int exponent = 0;
  Wide factor = 1;
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E') && suffix != "Ei") {
    if (!read_exponent(suffix, &exponent)) return no_quantity(text);
  } else {
    size_t at = 0;
    while (at < kSuffixes.size() && kSuffixes[at].first != suffix) ++at;
    if (at == kSuffixes.size()) return no_quantity(text);
    factor = kSuffixes[at].second;
  }
  // Nine digits for the billionths; a negative factor divides.
  const bool divides = factor < 0;
  if (divides)
    for (Wide left = -factor; left > 1; left /= 10) --exponent;
  else if (factor > 1 && nano > kMost / factor)
    return fail(Code::kInvalid, no_quantity(text).message + ": it is too large");
  else
    nano *= factor;
  if (!scale(&nano, 9 + exponent - d.after_point) || nano >= kMost)
    return fail(Code::kInvalid, no_quantity(text).message + ": it is too large");
  return Amount{negative ? -nano : nano};
}

std::string text_of(Amount amount) {
  Wide value = amount.nano < 0 ? -amount.nano : amount.nano;
  std::string suffix;
  if (value % 1'000'000'000 != 0) {
    suffix = value % 1'000'000 == 0 ? "m" : value % 1'000 == 0 ? "u" : "n";
    value /= suffix == "m" ? 1'000'000 : suffix == "u" ? 1'000 : 1;
  } else {
    value /= 1'000'000'000;
    for (size_t i = 6; i-- > 0 && suffix.empty();)
      if (value != 0 && value % kSuffixes[i].second == 0) {
        suffix = kSuffixes[i].first;
        value /= kSuffixes[i].second;
      }
  }
  std::string text;
  do {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  return (amount.nano < 0 ? "-" : "") + text + suffix;
}

}  // namespace flexai::control
