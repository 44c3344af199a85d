#include "kube/quantity.h"

#include <cstdlib>
#include <limits>

namespace flexai::kube {

using base::Code;
using base::fail;

namespace {

__extension__ using Wide = unsigned __int128;

constexpr size_t kLongest = 40;
constexpr Wide kNano = 1000000000u;
constexpr Wide kMost = Wide{std::numeric_limits<int64_t>::max()} * kNano;

struct Suffix {
  std::string_view text;
  Wide factor;  // in units of a billionth
};
constexpr Wide kilo(int power) {
  Wide factor = kNano;
  for (int i = 0; i < power; ++i) factor *= 1000;
  return factor;
}
constexpr Wide kibi(int power) { return kNano << (10 * power); }
constexpr Suffix kSuffixes[] = {{"", kilo(0)},   {"n", 1},        {"u", 1000},     {"m", 1000000},
                                {"k", kilo(1)},  {"M", kilo(2)},  {"G", kilo(3)},  {"T", kilo(4)},
                                {"P", kilo(5)},  {"E", kilo(6)},  {"Ki", kibi(1)}, {"Mi", kibi(2)},
                                {"Gi", kibi(3)}, {"Ti", kibi(4)}, {"Pi", kibi(5)}, {"Ei", kibi(6)}};

// The factor of what follows the digits; 0: there is no such suffix.
Wide factor_of(std::string_view suffix) {
  for (const Suffix& one : kSuffixes)
    if (one.text == suffix) return one.factor;
  if (suffix.size() < 2 || suffix.size() > 4 || (suffix[0] != 'e' && suffix[0] != 'E')) return 0;
  suffix.remove_prefix(1);
  const bool less = suffix[0] == '-';
  if (less || suffix[0] == '+') suffix.remove_prefix(1);
  if (suffix.empty() || suffix.find_first_not_of("0123456789") != std::string_view::npos) return 0;
  int power = std::atoi(std::string(suffix).c_str());
  if (power > (less ? 9 : 18)) return 0;
  Wide factor = kNano;
  for (; power > 0; --power) factor = less ? factor / 10 : factor * 10;
  return factor;
}

}  // namespace

base::Result<uint64_t> parse_quantity(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return fail(Code::kInvalid, "\"" + std::string(text.substr(0, kLongest)) + "\" " + why);
  };
  if (text.size() > kLongest) return wrong("is no quantity");
  size_t at = !text.empty() && text[0] == '+' ? 1 : 0;
  Wide digits = 0, divisor = 1;
  bool any = false, point = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point) {
      point = true;
    } else if (text[at] >= '0' && text[at] <= '9') {
      if (digits > kMost / kNano) return wrong("is too large or too precise");
      digits = digits * 10 + static_cast<Wide>(text[at] - '0');
      if (point) divisor *= 10;
      any = true;
    } else {
      break;
    }
  }
  const Wide factor = factor_of(text.substr(at));
  if (!any || factor == 0) return wrong("is no quantity; write 300, 500M or 1Gi");
  if (digits != 0 && factor > (kMost / digits) * divisor) return wrong("is too large");
  const Wide nanos = digits * factor / divisor + (digits * factor % divisor != 0 ? 1 : 0);
  return static_cast<uint64_t>((nanos + kNano - 1) / kNano);
}

std::string binary_quantity(uint64_t value) {
  static constexpr const char* kNames[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  size_t power = 0;
  while (power < 6 && value != 0 && value % 1024 == 0) {
    value /= 1024;
    ++power;
  }
  return std::to_string(value) + kNames[power];
}

}  // namespace flexai::kube
