// SHA-256 of bytes (FIPS 180-4). Pure; any thread.
#pragma once

#include <array>
#include <cstddef>

#include "wire/codec.h"

namespace flexai::wire {

using Digest = std::array<std::byte, 32>;

// kInternal: OpenSSL could not.
base::Result<Digest> digest_of(Bytes bytes);

}  // namespace flexai::wire
