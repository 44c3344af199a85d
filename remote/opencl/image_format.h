// What the elements of an image take (OpenCL 3.0, section 5.3.1.1). Pure; any thread.
#pragma once

#include <CL/cl.h>

#include <cstddef>

#include "remote/opencl/landing.h"

namespace flexai::remote::opencl {

// Bytes of an element; 0 for a format that is none.
size_t element_bytes(const cl_image_format& format);

// Width, height (or rows of an array) and depth (or layers) of an image, each at least 1.
struct Extent {
  size_t width = 1, height = 1, depth = 1;
};
Extent extent_of(const cl_image_desc& desc);

// Bytes of the whole image without gaps; 0 when there is no such number.
size_t tight_bytes(const cl_image_format& format, const cl_image_desc& desc);

// An image in memory of the host at `at`, its pitches as the descriptor says (0: no gaps).
Landing pixels_of(const cl_image_format& format, const cl_image_desc& desc, std::byte* at);
// Bytes from its first to behind its last, whatever the pitches; 0 when there is no such number.
size_t span_of(const Landing& pixels);

}  // namespace flexai::remote::opencl
