#include "control/cel/functions.h"

#include <re2/re2.h>

#include <charconv>
#include <cmath>
#include <map>

namespace flexai::control::cel {
namespace {

using base::Code;
using base::fail;
using base::Result;
using Arguments = std::span<const Value>;
using Function = Result<Value> (*)(Arguments, int64_t*);

constexpr size_t kMostBytes = 1 << 20;  // of a text that is made

base::Error no_overload(Arguments a) {
  std::string types;
  for (const Value& value : a) types += (types.empty() ? "" : ", ") + std::string(value.type());
  return fail(Code::kInvalid, "it takes no " + types);
}

const std::string* text(const Value& v) { return v.get<std::string>(); }

bool spend(int64_t* steps, size_t bytes) {
  return (*steps -= static_cast<int64_t>(bytes / 64)) >= 0;
}
base::Error too_dear() { return fail(Code::kInvalid, "it costs too much to compute"); }

Result<Value> of_size(Arguments a, int64_t* steps) {
  if (const auto* s = text(a[0])) {
    if (!spend(steps, s->size())) return too_dear();
    int64_t characters = 0;
    for (char c : *s) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return Value{characters};
  }
  if (const List* list = a[0].list()) return Value{static_cast<int64_t>(list->size())};
  if (const Map* map = a[0].map()) return Value{static_cast<int64_t>(map->entries.size())};
  return no_overload(a);
}

Result<Value> to_string(Arguments a, int64_t*) {
  const Value& v = a[0];
  if (text(v) != nullptr) return v;
  if (const auto* b = v.get<bool>()) return Value{std::string(*b ? "true" : "false")};
  if (const auto* i = v.get<int64_t>()) return Value{std::to_string(*i)};
  if (const auto* u = v.get<uint64_t>()) return Value{std::to_string(*u)};
  return no_overload(a);
}

template <typename T>
Result<Value> parsed(const std::string& s) {
  T value{};
  const auto read = std::from_chars(s.data(), s.data() + s.size(), value);
  if (read.ec != std::errc() || read.ptr != s.data() + s.size())
    return fail(Code::kInvalid, "\"" + s.substr(0, 40) + "\" is no number of this type");
  return Value{value};
}

Result<Value> to_int(Arguments a, int64_t*) {
  if (a[0].get<int64_t>() != nullptr) return a[0];
  if (const auto* s = text(a[0])) return parsed<int64_t>(*s);
  if (const auto* u = a[0].get<uint64_t>(); u != nullptr && *u <= INT64_MAX)
    return Value{static_cast<int64_t>(*u)};
  if (const auto* d = a[0].get<double>(); d != nullptr && std::abs(*d) < 9e18)
    return Value{static_cast<int64_t>(*d)};
  return no_overload(a);
}

Result<Value> to_double(Arguments a, int64_t*) {
  if (a[0].get<double>() != nullptr) return a[0];
  if (const auto* s = text(a[0])) return parsed<double>(*s);
  if (const auto* i = a[0].get<int64_t>()) return Value{static_cast<double>(*i)};
  if (const auto* u = a[0].get<uint64_t>()) return Value{static_cast<double>(*u)};
  return no_overload(a);
}

Result<Value> same(Arguments a, int64_t*) { return a[0]; }

Result<Value> to_quantity(Arguments a, int64_t*) {
  if (text(a[0]) == nullptr) return no_overload(a);
  FLEXAI_TRY_ASSIGN(const Amount amount, parse_amount(*text(a[0])));
  return Value{amount};
}
Result<Value> is_quantity(Arguments a, int64_t*) {
  if (text(a[0]) == nullptr) return no_overload(a);
  return Value{parse_amount(*text(a[0])).ok()};
}

bool lax(Arguments a) { return a.size() == 2 && a[1].get<bool>() != nullptr && *a[1].get<bool>(); }
Result<Value> to_version(Arguments a, int64_t*) {
  if (text(a[0]) == nullptr) return no_overload(a);
  const auto version = parse_version(*text(a[0]), lax(a));
  if (!version) return fail(Code::kInvalid, "\"" + text(a[0])->substr(0, 40) + "\" is no version");
  return Value{*version};
}
Result<Value> is_version(Arguments a, int64_t*) {
  if (text(a[0]) == nullptr) return no_overload(a);
  return Value{parse_version(*text(a[0]), lax(a)).has_value()};
}

// Of texts.
template <typename F>
Result<Value> of_two(Arguments a, int64_t* steps, F f) {
  if (text(a[0]) == nullptr || text(a[1]) == nullptr) return no_overload(a);
  if (!spend(steps, text(a[0])->size())) return too_dear();
  return Value{f(*text(a[0]), *text(a[1]))};
}
Result<Value> starts_with(Arguments a, int64_t* steps) {
  return of_two(a, steps, [](const auto& s, const auto& t) { return s.starts_with(t); });
}
Result<Value> ends_with(Arguments a, int64_t* steps) {
  return of_two(a, steps, [](const auto& s, const auto& t) { return s.ends_with(t); });
}
Result<Value> contains(Arguments a, int64_t* steps) {
  return of_two(a, steps,
                [](const auto& s, const auto& t) { return s.find(t) != std::string::npos; });
}

// RE2 takes time in proportion to the text, whatever the expression is.
Result<Value> matches(Arguments a, int64_t* steps) {
  if (text(a[0]) == nullptr || text(a[1]) == nullptr) return no_overload(a);
  if (text(a[1])->size() > 1024) return fail(Code::kInvalid, "the pattern is too long");
  if (!spend(steps, 64 * 100 + text(a[0])->size() * 8)) return too_dear();
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  const RE2 pattern(*text(a[1]), options);
  if (!pattern.ok()) return fail(Code::kInvalid, "the pattern is wrong: " + pattern.error());
  return Value{RE2::PartialMatch(*text(a[0]), pattern)};
}

template <int (*Change)(int)>
Result<Value> changed(Arguments a, int64_t* steps) {
  if (text(a[0]) == nullptr) return no_overload(a);
  if (!spend(steps, text(a[0])->size())) return too_dear();
  std::string s = *text(a[0]);
  for (char& c : s)
    if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(Change(c));
  return Value{std::move(s)};
}
int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
int upper(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

Result<Value> trimmed(Arguments a, int64_t* steps) {
  if (text(a[0]) == nullptr) return no_overload(a);
  if (!spend(steps, text(a[0])->size())) return too_dear();
  const std::string& s = *text(a[0]);
  const size_t from = s.find_first_not_of(" \t\r\n\f\v");
  if (from == std::string::npos) return Value{std::string()};
  return Value{s.substr(from, s.find_last_not_of(" \t\r\n\f\v") - from + 1)};
}

Result<Value> split(Arguments a, int64_t* steps) {
  if (text(a[0]) == nullptr || text(a[1]) == nullptr || text(a[1])->empty()) return no_overload(a);
  if (!spend(steps, 64 * text(a[0])->size())) return too_dear();
  List parts;
  std::string_view rest = *text(a[0]);
  while (true) {
    const size_t end = rest.find(*text(a[1]));
    parts.push_back(Value{std::string(rest.substr(0, end))});
    if (end == std::string_view::npos) return list_of(std::move(parts));
    rest.remove_prefix(end + text(a[1])->size());
  }
}

// Quantities and versions.
template <typename F>
Result<Value> compare(Arguments a, F f) {
  const bool kind = a[0].get<Amount>() != nullptr || a[0].get<Version>() != nullptr;
  const auto c = order(a[0], a[1]);
  if (!kind || !c) return no_overload(a);
  return Value{f(*c)};
}
Result<Value> compare_to(Arguments a, int64_t*) {
  return compare(a, [](int c) { return int64_t{c}; });
}
Result<Value> is_greater(Arguments a, int64_t*) {
  return compare(a, [](int c) { return c > 0; });
}
Result<Value> is_less(Arguments a, int64_t*) {
  return compare(a, [](int c) { return c < 0; });
}

constexpr Amount::Wide kBillion = 1'000'000'000;
bool is_whole(const Amount& amount) {
  return amount.nano % kBillion == 0 && amount.nano / kBillion <= INT64_MAX &&
         amount.nano / kBillion >= INT64_MIN;
}
Result<Value> as_integer(Arguments a, int64_t*) {
  const auto* q = a[0].get<Amount>();
  if (q == nullptr) return no_overload(a);
  if (!is_whole(*q)) return fail(Code::kInvalid, "this quantity is no integer");
  return Value{static_cast<int64_t>(q->nano / kBillion)};
}
Result<Value> is_integer(Arguments a, int64_t*) {
  const auto* q = a[0].get<Amount>();
  if (q == nullptr) return no_overload(a);
  return Value{is_whole(*q)};
}
Result<Value> as_float(Arguments a, int64_t*) {
  const auto* q = a[0].get<Amount>();
  if (q == nullptr) return no_overload(a);
  return Value{static_cast<double>(q->nano) / 1e9};
}
Result<Value> sign_of(Arguments a, int64_t*) {
  const auto* q = a[0].get<Amount>();
  if (q == nullptr) return no_overload(a);
  return Value{int64_t{q->nano > 0 ? 1 : q->nano < 0 ? -1 : 0}};
}
template <int Sign>
Result<Value> sum(Arguments a, int64_t*) {
  const auto* q = a[0].get<Amount>();
  if (q == nullptr) return no_overload(a);
  Amount other;
  if (const auto* r = a[1].get<Amount>())
    other = *r;
  else if (const auto* i = a[1].get<int64_t>())
    other = Amount::whole(*i);
  else
    return no_overload(a);
  const Amount::Wide result = q->nano + Sign * other.nano;
  constexpr Amount::Wide kMost = (Amount::Wide{1} << 63) * kBillion;
  if (result > kMost || result < -kMost) return fail(Code::kInvalid, "the quantity is too large");
  return Value{Amount{result}};
}
template <uint64_t Version::*Field>
Result<Value> part_of(Arguments a, int64_t*) {
  const auto* v = a[0].get<Version>();
  if (v == nullptr) return no_overload(a);
  return Value{static_cast<int64_t>(v->*Field)};
}

using Table = std::map<std::pair<std::string, size_t>, Function>;

const Table& calls() {
  static const Table kCalls = {
      {{"size", 1}, of_size},
      {{"string", 1}, to_string},
      {{"int", 1}, to_int},
      {{"double", 1}, to_double},
      {{"dyn", 1}, same},
      {{"quantity", 1}, to_quantity},
      {{"isQuantity", 1}, is_quantity},
      {{"semver", 1}, to_version},
      {{"semver", 2}, to_version},
      {{"isSemver", 1}, is_version},
      {{"isSemver", 2}, is_version},
  };
  return kCalls;
}

const Table& methods() {
  static const Table kMethods = {
      {{"size", 0}, of_size},
      {{"startsWith", 1}, starts_with},
      {{"endsWith", 1}, ends_with},
      {{"contains", 1}, contains},
      {{"matches", 1}, matches},
      {{"lowerAscii", 0}, changed<lower>},
      {{"upperAscii", 0}, changed<upper>},
      {{"trim", 0}, trimmed},
      {{"split", 1}, split},
      {{"compareTo", 1}, compare_to},
      {{"isGreaterThan", 1}, is_greater},
      {{"isLessThan", 1}, is_less},
      {{"asInteger", 0}, as_integer},
      {{"isInteger", 0}, is_integer},
      {{"asApproximateFloat", 0}, as_float},
      {{"sign", 0}, sign_of},
      {{"add", 1}, sum<1>},
      {{"sub", 1}, sum<-1>},
      {{"major", 0}, part_of<&Version::major>},
      {{"minor", 0}, part_of<&Version::minor>},
      {{"patch", 0}, part_of<&Version::patch>},
  };
  return kMethods;
}

// Whole numbers; what does not fit is an error, as the specification says.
template <typename T>
Result<Value> whole(const std::string& op, T a, T b) {
  T result{};
  bool wrong = false;
  if (op == "+") wrong = __builtin_add_overflow(a, b, &result);
  if (op == "-") wrong = __builtin_sub_overflow(a, b, &result);
  if (op == "*") wrong = __builtin_mul_overflow(a, b, &result);
  if (op == "/" || op == "%") {
    if (b == 0) return fail(Code::kInvalid, "division by zero");
    wrong = std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1);
    if (!wrong) result = op == "/" ? a / b : a % b;
  }
  if (wrong) return fail(Code::kInvalid, "the number is too large");
  return Value{result};
}

Result<Value> joined(const Value& a, const Value& b, int64_t* steps) {
  if (const auto* s = text(a), *t = text(b); s != nullptr && t != nullptr) {
    if (s->size() + t->size() > kMostBytes || !spend(steps, s->size() + t->size()))
      return too_dear();
    return Value{*s + *t};
  }
  const List *x = a.list(), *y = b.list();
  if (x->size() + y->size() > 10'000 || !spend(steps, 64 * (x->size() + y->size())))
    return too_dear();
  List all = *x;
  all.insert(all.end(), y->begin(), y->end());
  return list_of(std::move(all));
}

Result<Value> computed(const std::string& op, const Value& a, const Value& b, int64_t* steps) {
  if (const auto* i = a.get<int64_t>(), *j = b.get<int64_t>(); i != nullptr && j != nullptr)
    return whole(op, *i, *j);
  if (const auto* i = a.get<uint64_t>(), *j = b.get<uint64_t>(); i != nullptr && j != nullptr)
    return whole(op, *i, *j);
  if (const auto* d = a.get<double>(), *e = b.get<double>();
      d != nullptr && e != nullptr && op != "%")
    return Value{op == "+" ? *d + *e : op == "-" ? *d - *e : op == "*" ? *d * *e : *d / *e};
  const bool texts = text(a) != nullptr && text(b) != nullptr;
  if (op == "+" && (texts || (a.list() != nullptr && b.list() != nullptr)))
    return joined(a, b, steps);
  const Value both[] = {a, b};
  return no_overload(both);
}

Result<Value> inside(const Value& a, const Value& b, int64_t* steps) {
  if (const List* list = b.list()) {
    if (!spend(steps, 64 * list->size())) return too_dear();
    for (const Value& item : *list)
      if (equal(a, item)) return Value{true};
    return Value{false};
  }
  const Value both[] = {a, b};
  if (b.map() == nullptr) return no_overload(both);
  for (const auto& [key, value] : b.map()->entries)
    if (equal(a, key)) return Value{true};
  return Value{false};
}

}  // namespace

bool knows_call(const std::string& name, size_t arguments) {
  return calls().count({name, arguments}) != 0;
}
bool knows_method(const std::string& name, size_t arguments) {
  return methods().count({name, arguments}) != 0;
}
bool knows_macro(const std::string& name, size_t arguments) {
  if (name == "map" && arguments == 3) return true;
  return arguments == 2 && (name == "all" || name == "exists" || name == "exists_one" ||
                            name == "map" || name == "filter");
}

Result<Value> call(const std::string& name, Arguments arguments, int64_t* steps) {
  return calls().at({name, arguments.size()})(arguments, steps);
}
Result<Value> call_method(const std::string& name, Arguments arguments, int64_t* steps) {
  return methods().at({name, arguments.size() - 1})(arguments, steps);
}

Result<Value> binary(const std::string& op, const Value& a, const Value& b, int64_t* steps) {
  size_t bytes = 0;
  for (const Value* v : {&a, &b})
    if (const auto* s = text(*v)) bytes += s->size();
  if (!spend(steps, bytes)) return too_dear();
  if (op == "==") return Value{equal(a, b)};
  if (op == "!=") return Value{!equal(a, b)};
  if (op == "in") return inside(a, b, steps);
  if (op != "<" && op != "<=" && op != ">" && op != ">=") return computed(op, a, b, steps);
  const auto c = a.get<Amount>() || a.get<Version>() ? std::nullopt : order(a, b);
  if (!c) {
    const Value both[] = {a, b};
    return no_overload(both);
  }
  return Value{op == "<" ? *c < 0 : op == "<=" ? *c <= 0 : op == ">" ? *c > 0 : *c >= 0};
}

}  // namespace flexai::control::cel
