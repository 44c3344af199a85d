// Landing: a box of rows in the program's memory, where bytes come from or go to.
// Values and pure functions; any thread. The memory is the program's: whoever copies has it in
// reach.
#pragma once

#include <cstddef>

#include "wire/codec.h"

namespace flexai::remote::opencl {

struct Landing {
  std::byte* at = nullptr;
  size_t row = 0, rows = 1, slices = 1;  // bytes of a row, rows of a slice
  size_t row_pitch = 0, slice_pitch = 0;
  size_t size() const { return row * rows * slices; }
  // Without gaps.
  bool whole() const {
    return rows * slices == 1 || (row_pitch == row && slice_pitch == row * rows);
  }
};

// Copies between bytes without gaps, of which `bytes` begin at `offset`, and the landing. What does
// not fit is dropped.
void land(const Landing& landing, size_t offset, wire::Bytes bytes);
void gather(const Landing& from, std::byte* to);

}  // namespace flexai::remote::opencl
