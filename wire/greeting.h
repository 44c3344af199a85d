// The client's side of a greeting, for connections of commands and of bulk data.
#pragma once

#include "wire/hello.h"
#include "wire/transport.h"

namespace flexai::wire {

// Says hello, takes the welcome. `refused`: the host answered, and no; trying again is of no use.
base::Result<Welcome> greet(Transport& transport, const Hello& hello, base::Nanos deadline,
                            bool& refused);

}  // namespace flexai::wire
