// The way back from code_name(), for answers that carry the name.
#pragma once

#include <string_view>

#include "base/result.h"

namespace flexai::base {

Code code_named(std::string_view name);  // kInternal: it is none of them

}  // namespace flexai::base
