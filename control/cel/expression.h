// Expression: a device selector in the Common Expression Language, as far as it is understood here:
// literals, lists, maps, operators, fields, has(), in, the list macros, cel.bind, and the functions
// of functions.h. What is not understood is refused with its position when it is parsed, never
// guessed. Source: the CEL specification (google/cel-spec, langdef.md); the API server has checked
// the types already. Text is anybody's: its size, nesting and number of parts are bounded, and
// evaluating costs at most kMostSteps. Threads: any; an Expression never changes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/cel/value.h"

namespace flexai::control::cel {

inline constexpr size_t kMostText = 10 * 1024;  // the API server's bound
inline constexpr int kMostDepth = 64;
inline constexpr size_t kMostNodes = 8192;
inline constexpr int64_t kMostSteps = 100'000;  // parts looked at, or 64 bytes of a text

struct Part {
  enum class Kind {
    kLiteral,
    kVariable,  // text
    kField,     // children[0].text
    kHas,       // the same, whether it is there
    kIndex,     // children[0][children[1]]
    kCall,      // text(children...)
    kMethod,    // children[0].text(children[1...])
    kList,      // children
    kMap,       // children: key, value, key, value...
    kNot,
    kNegate,
    kBinary,  // text: the operator
    kAnd,
    kOr,
    kChoose,  // children[0] ? [1] : [2]
    kBind,    // text = [0] in [1]
    kMacro,   // [0].text(name, [1], [2]?) of a list
  };
  Kind kind = Kind::kLiteral;
  size_t position = 0;  // in the text, from 1
  std::string text, name;
  Value literal;
  std::vector<Part> children;
};

// kInvalid: it makes no sense; kUnsupported: it is not understood here. Both with the position.
base::Result<std::shared_ptr<const Part>> parse(std::string_view text);

// The variable `device` is the only one. kInvalid with the position, for what has no value.
base::Result<Value> evaluate(const Part& expression, const Value& device);
// kInvalid also when it is no truth value.
base::Result<bool> holds(const Part& expression, const Value& device);

}  // namespace flexai::control::cel
