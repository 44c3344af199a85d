#include "control/cel/value.h"

#include <charconv>
#include <cmath>

namespace flexai::control::cel {
namespace {

bool numeric(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A number without leading zeroes, unless they are allowed.
bool part(std::string_view text, bool lax, uint64_t* out) {
  if (!numeric(text) || text.size() > 18 || (!lax && text.size() > 1 && text[0] == '0'))
    return false;
  std::from_chars(text.data(), text.data() + text.size(), *out);
  return true;
}

bool identifiers(std::string_view text, bool numbers_count) {
  while (true) {
    const size_t dot = text.find('.');
    const std::string_view one = text.substr(0, dot);
    if (one.empty()) return false;
    for (char c : one)
      if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '-')) return false;
    if (numbers_count && numeric(one) && one.size() > 1 && one[0] == '0') return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

int compare_identifiers(std::string_view a, std::string_view b) {
  if (numeric(a) != numeric(b)) return numeric(a) ? -1 : 1;
  if (numeric(a) && a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

int compare_before(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty() ? 0 : a.empty() ? 1 : -1;
  while (true) {
    const size_t x = a.find('.'), y = b.find('.');
    if (const int c = compare_identifiers(a.substr(0, x), b.substr(0, y)); c != 0) return c;
    const bool a_ends = x == std::string_view::npos, b_ends = y == std::string_view::npos;
    if (a_ends || b_ends) return a_ends == b_ends ? 0 : a_ends ? -1 : 1;
    a.remove_prefix(x + 1);
    b.remove_prefix(y + 1);
  }
}

long double worth(const Value& v) {
  if (const auto* i = v.get<int64_t>()) return static_cast<long double>(*i);
  if (const auto* u = v.get<uint64_t>()) return static_cast<long double>(*u);
  return static_cast<long double>(*v.get<double>());
}

template <typename T>
int sign(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

bool equal_maps(const Map& a, const Map& b, int depth) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(value, *other, depth - 1)) return false;
  }
  return true;
}

}  // namespace

int Version::compare(const Version& o) const {
  if (const int c = sign(major, o.major); c != 0) return c;
  if (const int c = sign(minor, o.minor); c != 0) return c;
  if (const int c = sign(patch, o.patch); c != 0) return c;
  return compare_before(before, o.before);
}

std::optional<Version> parse_version(std::string_view text, bool lax) {
  Version v;
  if (text.size() > 256) return std::nullopt;
  if (lax && !text.empty() && text[0] == 'v') text.remove_prefix(1);
  if (const size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!identifiers(text.substr(plus + 1), false)) return std::nullopt;
    text = text.substr(0, plus);
  }
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!identifiers(text.substr(dash + 1), true)) return std::nullopt;
    v.before = text.substr(dash + 1);
    text = text.substr(0, dash);
  }
  uint64_t* parts[] = {&v.major, &v.minor, &v.patch};
  for (size_t i = 0; i < 3; ++i) {
    const size_t dot = text.find('.');
    if (!part(text.substr(0, dot), lax, parts[i])) return std::nullopt;
    if (dot == std::string_view::npos) return i == 2 || lax ? std::optional(v) : std::nullopt;
    text.remove_prefix(dot + 1);
  }
  return std::nullopt;
}

const Value* Map::find(const Value& key) const {
  for (const auto& [k, value] : entries)
    if (equal(k, key)) return &value;
  static const Value kEmpty = map_of({});
  return never_misses ? &kEmpty : nullptr;
}

const char* Value::type() const {
  static constexpr const char* kNames[] = {"null",   "bool",     "int",     "uint", "double",
                                           "string", "quantity", "version", "list", "map"};
  return kNames[v.index()];
}

Value list_of(List items) { return {std::make_shared<const List>(std::move(items))}; }
Value map_of(Map map) { return {std::make_shared<const Map>(std::move(map))}; }

bool equal(const Value& a, const Value& b, int depth) {
  if (depth == 0) return false;
  if (a.list() != nullptr && b.list() != nullptr) {
    const List &x = *a.list(), &y = *b.list();
    if (x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); ++i)
      if (!equal(x[i], y[i], depth - 1)) return false;
    return true;
  }
  if (a.map() != nullptr && b.map() != nullptr) return equal_maps(*a.map(), *b.map(), depth);
  if (a.v.index() == 0 && b.v.index() == 0) return true;
  return order(a, b) == 0;
}

std::optional<int> order(const Value& a, const Value& b) {
  if (a.number() && b.number()) {
    const long double x = worth(a), y = worth(b);
    if (std::isnan(x) || std::isnan(y)) return std::nullopt;
    return sign(x, y);
  }
  if (a.v.index() != b.v.index()) return std::nullopt;
  if (const auto* s = a.get<std::string>()) return sign(*s, *b.get<std::string>());
  if (const auto* t = a.get<bool>()) return sign(int{*t}, int{*b.get<bool>()});
  if (const auto* q = a.get<Amount>()) return sign(q->nano, b.get<Amount>()->nano);
  if (const auto* w = a.get<Version>()) return w->compare(*b.get<Version>());
  return std::nullopt;
}

}  // namespace flexai::control::cel
