// Value: what expressions compute with. Lists and maps are shared and never change. Plain values.
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "control/amount.h"

namespace flexai::control::cel {

// Source: Semantic Versioning 2.0.0, precedence of section 11; what is built does not count.
struct Version {
  uint64_t major = 0, minor = 0, patch = 0;
  std::string before;  // pre-release, without its dash

  int compare(const Version& other) const;
};
// `lax`: a leading v, missing parts and leading zeroes are taken as well.
std::optional<Version> parse_version(std::string_view text, bool lax = false);

struct Value;
using List = std::vector<Value>;
struct Map {
  std::vector<std::pair<Value, Value>> entries;
  bool never_misses = false;  // what is not there is an empty map

  const Value* find(const Value& key) const;
};

struct Value {
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Amount, Version,
               std::shared_ptr<const List>, std::shared_ptr<const Map>>
      v;

  template <typename T>
  const T* get() const {
    return std::get_if<T>(&v);
  }
  const List* list() const {
    const auto* p = get<std::shared_ptr<const List>>();
    return p == nullptr ? nullptr : p->get();
  }
  const Map* map() const {
    const auto* p = get<std::shared_ptr<const Map>>();
    return p == nullptr ? nullptr : p->get();
  }
  bool number() const { return get<int64_t>() || get<uint64_t>() || get<double>(); }
  const char* type() const;
};

Value list_of(List items);
Value map_of(Map map);

// Numbers of all types are compared by what they are worth; other types are never equal to each
// other. `depth` bounds nested lists and maps.
bool equal(const Value& a, const Value& b, int depth = 16);
// <0, 0, >0; nullopt when the two have no order.
std::optional<int> order(const Value& a, const Value& b);

}  // namespace flexai::control::cel
