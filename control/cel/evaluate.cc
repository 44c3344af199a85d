#include <map>

#include "control/cel/expression.h"
#include "control/cel/functions.h"
#include "control/cel/token.h"

namespace flexai::control::cel {
namespace {

using base::Code;
using base::Result;
using Kind = Part::Kind;

class Evaluation {
 public:
  explicit Evaluation(const Value& device) { scope_["device"] = device; }

  Result<Value> value_of(const Part& p) {
    if (--steps_ < 0) return wrong(p, "it costs too much to compute");
    switch (p.kind) {
      case Kind::kLiteral:
        return p.literal;
      case Kind::kVariable:
        return variable(p);
      case Kind::kField:
      case Kind::kHas:
        return field(p);
      case Kind::kIndex:
        return index(p);
      case Kind::kCall:
      case Kind::kMethod:
        return called(p);
      case Kind::kList:
        return list(p);
      case Kind::kMap:
        return map(p);
      case Kind::kNot:
      case Kind::kNegate:
        return with_sign(p);
      case Kind::kBinary:
        return compared(p);
      case Kind::kAnd:
        return both(p, false);
      case Kind::kOr:
        return both(p, true);
      case Kind::kChoose:
        return chosen(p);
      case Kind::kBind:
        return bound(p);
      case Kind::kMacro:
        return macro(p);
    }
    return wrong(p, "it makes no sense");
  }

 private:
  static base::Error wrong(const Part& p, const std::string& what) {
    return error_at(p.position, what, Code::kInvalid);
  }
  Result<bool> truth(const Part& p) {
    FLEXAI_TRY_ASSIGN(const Value value, value_of(p));
    const bool* b = value.get<bool>();
    if (b == nullptr) return wrong(p, std::string("a ") + value.type() + " is no truth value");
    return *b;
  }

  Result<Value> variable(const Part& p) {
    const auto found = scope_.find(p.text);
    if (found == scope_.end()) return wrong(p, "there is no \"" + p.text.substr(0, 40) + "\"");
    return found->second;
  }

  Result<Value> field(const Part& p) {
    FLEXAI_TRY_ASSIGN(const Value of, value_of(p.children[0]));
    const Map* map = of.map();
    if (map == nullptr) return wrong(p, std::string("a ") + of.type() + " has no fields");
    const Value* found = map->find(Value{p.text});
    if (p.kind == Kind::kHas) return Value{found != nullptr};
    if (found == nullptr) return wrong(p, "there is no " + p.text.substr(0, 80));
    return *found;
  }

  Result<Value> index(const Part& p) {
    FLEXAI_TRY_ASSIGN(const Value of, value_of(p.children[0]));
    FLEXAI_TRY_ASSIGN(const Value key, value_of(p.children[1]));
    if (const Map* map = of.map(); map != nullptr) {
      const Value* found = map->find(key);
      if (found != nullptr) return *found;
      const auto* name = key.get<std::string>();
      return wrong(p, "there is no " + (name == nullptr ? "such key" : name->substr(0, 80)));
    }
    const List* list = of.list();
    const int64_t* at = key.get<int64_t>();
    if (list == nullptr || at == nullptr)
      return wrong(p, std::string("a ") + of.type() + " has no such parts");
    if (*at < 0 || static_cast<uint64_t>(*at) >= list->size())
      return wrong(p, "the list has no item " + std::to_string(*at));
    return (*list)[static_cast<size_t>(*at)];
  }

  Result<Value> called(const Part& p) {
    std::vector<Value> arguments;
    for (const Part& child : p.children) {
      FLEXAI_TRY_ASSIGN(Value value, value_of(child));
      arguments.push_back(std::move(value));
    }
    auto result = p.kind == Kind::kCall ? call(p.text, arguments, &steps_)
                                        : call_method(p.text, arguments, &steps_);
    if (!result.ok()) return wrong(p, result.error().message);
    return result;
  }

  Result<Value> list(const Part& p) {
    List items;
    for (const Part& child : p.children) {
      FLEXAI_TRY_ASSIGN(Value value, value_of(child));
      items.push_back(std::move(value));
    }
    return list_of(std::move(items));
  }

  Result<Value> map(const Part& p) {
    Map made;
    for (size_t i = 0; i + 1 < p.children.size(); i += 2) {
      FLEXAI_TRY_ASSIGN(Value key, value_of(p.children[i]));
      FLEXAI_TRY_ASSIGN(Value value, value_of(p.children[i + 1]));
      if (made.find(key) != nullptr) return wrong(p, "a key is there twice");
      steps_ -= static_cast<int64_t>(made.entries.size());
      made.entries.emplace_back(std::move(key), std::move(value));
    }
    return map_of(std::move(made));
  }

  Result<Value> with_sign(const Part& p) {
    FLEXAI_TRY_ASSIGN(const Value value, value_of(p.children[0]));
    if (p.kind == Kind::kNot) {
      const bool* b = value.get<bool>();
      if (b == nullptr) return wrong(p, std::string("a ") + value.type() + " is no truth value");
      return Value{!*b};
    }
    if (const double* d = value.get<double>()) return Value{-*d};
    const int64_t* i = value.get<int64_t>();
    if (i == nullptr || *i == INT64_MIN)
      return wrong(p, std::string("this ") + value.type() + " has no negative");
    return Value{-*i};
  }

  Result<Value> compared(const Part& p) {
    FLEXAI_TRY_ASSIGN(const Value a, value_of(p.children[0]));
    FLEXAI_TRY_ASSIGN(const Value b, value_of(p.children[1]));
    auto result = binary(p.text, a, b, &steps_);
    if (!result.ok()) return wrong(p, result.error().message);
    return result;
  }

  // What one side decides alone is decided, also when the other has no value.
  Result<Value> both(const Part& p, bool decides) {
    const auto left = truth(p.children[0]);
    if (left.ok() && *left == decides) return Value{decides};
    const auto right = truth(p.children[1]);
    if (right.ok() && *right == decides) return Value{decides};
    if (!left.ok()) return left.error();
    if (!right.ok()) return right.error();
    return Value{!decides};
  }

  Result<Value> chosen(const Part& p) {
    FLEXAI_TRY_ASSIGN(const bool yes, truth(p.children[0]));
    return value_of(p.children[yes ? 1 : 2]);
  }

  template <typename F>
  Result<Value> with(const std::string& name, Value value, F then) {
    auto outer = scope_.extract(name);
    scope_[name] = std::move(value);
    Result<Value> result = then();
    scope_.erase(name);
    if (!outer.empty()) scope_.insert(std::move(outer));
    return result;
  }

  Result<Value> bound(const Part& p) {
    FLEXAI_TRY_ASSIGN(Value value, value_of(p.children[0]));
    return with(p.text, std::move(value), [&] { return value_of(p.children[1]); });
  }

  Result<List> items_of(const Part& p) {
    FLEXAI_TRY_ASSIGN(const Value of, value_of(p.children[0]));
    if (const List* list = of.list(); list != nullptr) return *list;
    if (of.map() == nullptr) return wrong(p, std::string("a ") + of.type() + " is no list");
    List keys;
    for (const auto& [key, value] : of.map()->entries) keys.push_back(key);
    return keys;
  }

  Result<Value> macro(const Part& p) {
    FLEXAI_TRY_ASSIGN(const List items, items_of(p));
    if (p.text == "map" || p.text == "filter") return transformed(p, items);
    // A value decides; an error only where nothing does.
    const bool decides = p.text == "exists";
    int64_t found = 0;
    std::optional<base::Error> error;
    for (const Value& item : items) {
      auto one = with(p.name, item, [&] { return value_of(p.children[1]); });
      const bool* b = one.ok() ? one->get<bool>() : nullptr;
      if (b == nullptr) {
        error = one.ok() ? wrong(p, "this is no truth value") : one.error();
        if (p.text == "exists_one" || steps_ < 0) return *error;
        continue;
      }
      if (p.text != "exists_one" && *b == decides) return Value{decides};
      found += *b;
    }
    if (error) return *error;
    return Value{p.text == "exists_one" ? found == 1 : !decides};
  }

  Result<Value> transformed(const Part& p, const List& items) {
    List made;
    const bool has_condition = p.text == "filter" || p.children.size() == 3;
    for (const Value& item : items) {
      if (has_condition) {
        FLEXAI_TRY_ASSIGN(const Value wanted,
                          with(p.name, item, [&] { return value_of(p.children[1]); }));
        const bool* b = wanted.get<bool>();
        if (b == nullptr) return wrong(p, "this is no truth value");
        if (!*b) continue;
      }
      if (p.text == "filter") {
        made.push_back(item);
        continue;
      }
      FLEXAI_TRY_ASSIGN(Value value,
                        with(p.name, item, [&] { return value_of(p.children.back()); }));
      made.push_back(std::move(value));
    }
    return list_of(std::move(made));
  }

  std::map<std::string, Value> scope_;
  int64_t steps_ = kMostSteps;
};

}  // namespace

Result<Value> evaluate(const Part& expression, const Value& device) {
  return Evaluation(device).value_of(expression);
}

Result<bool> holds(const Part& expression, const Value& device) {
  FLEXAI_TRY_ASSIGN(const Value value, evaluate(expression, device));
  const bool* b = value.get<bool>();
  if (b == nullptr)
    return base::fail(Code::kInvalid,
                      std::string("it gives a ") + value.type() + ", not a truth value");
  return *b;
}

}  // namespace flexai::control::cel
