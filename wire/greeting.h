// The client's side of a greeting, for connections of commands and of bulk data.
#pragma once

#include "wire/hello.h"
#include "wire/transport.h"

namespace flexai::wire {

// Says hello, takes the welcome. `refused`: the host answered, and no; trying again is of no use.
// `place`: the host has handed the session on, and says where to; it is an error then.
base::Result<Welcome> greet(Transport& transport, const Hello& hello, base::Nanos deadline,
                            bool& refused, std::vector<std::byte>* place = nullptr);

}  // namespace flexai::wire
