#include "remote/opencl/landing.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace flexai::remote::opencl {
namespace {

// A program may name a pitch that leads around the end of memory, which is its own affair: as a
// number that is defined, as a pointer not.
std::byte* row_at(const Landing& landing, size_t slice, size_t row) {
  const auto begin = reinterpret_cast<uintptr_t>(landing.at);
  return reinterpret_cast<std::byte*>(begin + slice * landing.slice_pitch +
                                      row * landing.row_pitch);
}

}  // namespace

void land(const Landing& landing, size_t offset, wire::Bytes bytes) {
  if (landing.at == nullptr || offset > landing.size() || bytes.size() > landing.size() - offset)
    return;
  if (landing.whole()) {
    if (!bytes.empty()) std::memcpy(landing.at + offset, bytes.data(), bytes.size());
    return;
  }
  while (!bytes.empty()) {
    const size_t row = offset / landing.row, in_row = offset % landing.row;
    const size_t size = std::min(bytes.size(), landing.row - in_row);
    std::byte* to = row_at(landing, row / landing.rows, row % landing.rows) + in_row;
    std::memcpy(to, bytes.data(), size);
    bytes = bytes.subspan(size);
    offset += size;
  }
}

void gather(const Landing& from, std::byte* to) {
  for (size_t slice = 0; slice < from.slices; ++slice)
    for (size_t row = 0; row < from.rows; ++row, to += from.row)
      std::memcpy(to, row_at(from, slice, row), from.row);
}

}  // namespace flexai::remote::opencl
