// CRC-32C (Castagnoli polynomial, reflected; RFC 3720 appendix B.4). Any thread.
#pragma once

#include <cstdint>

#include "wire/codec.h"

namespace flexai::wire {

// Of `bytes`, going on from `crc` (0 to start): crc32c(b, crc32c(a)) is that of a followed by b.
uint32_t crc32c(Bytes bytes, uint32_t crc = 0);

// The same without instructions of the processor.
uint32_t crc32c_portable(Bytes bytes, uint32_t crc = 0);

}  // namespace flexai::wire
