// The functions that expressions may call. Source: the standard definitions of the CEL
// specification, the extensions for strings, and Kubernetes' quantity and semver libraries.
// Threads: any; pure.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "control/cel/value.h"

namespace flexai::control::cel {

// Whether f(arguments) or, for a method, on.f(arguments) is known with so many arguments.
bool knows_call(const std::string& name, size_t arguments);
bool knows_method(const std::string& name, size_t arguments);
// Of list.NAME(variable, expression...).
bool knows_macro(const std::string& name, size_t arguments);

// REQUIRES: known. Errors say what was wrong, without the position. `steps`: what it may cost yet;
// less afterwards.
base::Result<Value> call(const std::string& name, std::span<const Value> arguments, int64_t* steps);
// arguments[0]: whose method it is.
base::Result<Value> call_method(const std::string& name, std::span<const Value> arguments,
                                int64_t* steps);
base::Result<Value> binary(const std::string& op, const Value& a, const Value& b, int64_t* steps);

}  // namespace flexai::control::cel
