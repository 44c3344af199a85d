// Tokens of an expression. Texts are decoded; positions count from 1. Threads: any; pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/cel/value.h"

namespace flexai::control::cel {

struct Token {
  enum class Kind { kName, kLiteral, kSign, kEnd };
  Kind kind = Kind::kEnd;
  size_t position = 0;
  std::string text;  // of a name or a sign
  Value literal;
};

// Ends with one of kEnd. kInvalid with the position.
base::Result<std::vector<Token>> tokens_of(std::string_view text);
base::Error error_at(size_t position, const std::string& what, base::Code code);

}  // namespace flexai::control::cel
