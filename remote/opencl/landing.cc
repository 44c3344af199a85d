#include "remote/opencl/landing.h"

#include <algorithm>
#include <cstring>

namespace flexai::remote::opencl {

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
    std::byte* to = landing.at + row / landing.rows * landing.slice_pitch +
                    row % landing.rows * landing.row_pitch + in_row;
    std::memcpy(to, bytes.data(), size);
    bytes = bytes.subspan(size);
    offset += size;
  }
}

void gather(const Landing& from, std::byte* to) {
  for (size_t slice = 0; slice < from.slices; ++slice)
    for (size_t row = 0; row < from.rows; ++row, to += from.row)
      std::memcpy(to, from.at + slice * from.slice_pitch + row * from.row_pitch, from.row);
}

}  // namespace flexai::remote::opencl
