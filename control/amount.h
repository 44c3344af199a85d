// Amount: a quantity as Kubernetes writes it, exactly: "500m", "1Gi", "1e3", down to a thousand
// millionth. Source: the grammar of resource.Quantity in the API conventions. Threads: any; pure.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::control {

struct Amount {
  using Wide = __int128;
  Wide nano = 0;

  static Amount whole(int64_t value) { return {static_cast<Wide>(value) * 1'000'000'000}; }
  // Rounded up, and bounded by what an int64_t holds.
  int64_t milli() const { return rounded(1'000'000); }
  int64_t value() const { return rounded(1'000'000'000); }
  auto operator<=>(const Amount&) const = default;
  Amount operator+(Amount other) const { return {nano + other.nano}; }
  Amount operator-(Amount other) const { return {nano - other.nano}; }

 private:
  int64_t rounded(int64_t unit) const;
};

// kInvalid for what is no quantity, or is 2^63 or more.
base::Result<Amount> parse_amount(std::string_view text);
// As short as it can be without losing anything: "300", "1Gi", "500m".
std::string text_of(Amount amount);

}  // namespace flexai::control
