#include "remote/opencl/image_format.h"

#include <algorithm>

namespace flexai::remote::opencl {
namespace {

size_t channels(cl_channel_order order) {
  switch (order) {
    case CL_R:
    case CL_A:
    case CL_INTENSITY:
    case CL_LUMINANCE:
    case CL_DEPTH:
    case CL_Rx:
      return 1;
    case CL_RG:
    case CL_RA:
    case CL_RGx:
      return 2;
    case CL_RGB:
    case CL_RGBx:
    case CL_sRGB:
      return 3;
    case CL_RGBA:
    case CL_BGRA:
    case CL_ARGB:
    case CL_ABGR:
    case CL_sRGBx:
    case CL_sRGBA:
    case CL_sBGRA:
      return 4;
    default:
      return 0;
  }
}

}  // namespace

size_t element_bytes(const cl_image_format& format) {
  const size_t count = channels(format.image_channel_order);
  switch (format.image_channel_data_type) {
    case CL_SNORM_INT8:
    case CL_UNORM_INT8:
    case CL_SIGNED_INT8:
    case CL_UNSIGNED_INT8:
      return count;
    case CL_SNORM_INT16:
    case CL_UNORM_INT16:
    case CL_SIGNED_INT16:
    case CL_UNSIGNED_INT16:
    case CL_HALF_FLOAT:
      return count * 2;
    case CL_SIGNED_INT32:
    case CL_UNSIGNED_INT32:
    case CL_FLOAT:
      return count * 4;
    case CL_UNORM_SHORT_565:
    case CL_UNORM_SHORT_555:
      return 2;
    case CL_UNORM_INT_101010:
    case CL_UNORM_INT_101010_2:
      return 4;
    default:
      return 0;
  }
}

Extent extent_of(const cl_image_desc& desc) {
  Extent extent{desc.image_width, 1, 1};
  switch (desc.image_type) {
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
      extent.height = desc.image_array_size;
      break;
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
      extent.height = desc.image_height;
      extent.depth = desc.image_array_size;
      break;
    case CL_MEM_OBJECT_IMAGE3D:
      extent.height = desc.image_height;
      extent.depth = desc.image_depth;
      break;
    case CL_MEM_OBJECT_IMAGE2D:
      extent.height = desc.image_height;
      break;
    default:
      break;
  }
  return {extent.width, std::max<size_t>(extent.height, 1), std::max<size_t>(extent.depth, 1)};
}

size_t tight_bytes(const cl_image_format& format, const cl_image_desc& desc) {
  const Extent extent = extent_of(desc);
  size_t bytes = element_bytes(format);
  for (size_t factor : {extent.width, extent.height, extent.depth})
    if (__builtin_mul_overflow(bytes, factor, &bytes)) return 0;
  return bytes;
}

Landing pixels_of(const cl_image_format& format, const cl_image_desc& desc, std::byte* at) {
  const Extent extent = extent_of(desc);
  Landing from;
  from.at = at;
  from.row = extent.width * element_bytes(format);
  from.rows = extent.height;
  from.slices = extent.depth;
  from.row_pitch = desc.image_row_pitch == 0 ? from.row : desc.image_row_pitch;
  if (desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY && desc.image_slice_pitch != 0)
    from.row_pitch = desc.image_slice_pitch;
  from.slice_pitch =
      desc.image_slice_pitch == 0 ? from.row_pitch * from.rows : desc.image_slice_pitch;
  return from;
}

size_t span_of(const Landing& pixels) {
  size_t rows = 0, slices = 0, all = 0;
  if (__builtin_mul_overflow(pixels.row_pitch, pixels.rows, &rows) ||
      __builtin_add_overflow(rows, pixels.row, &rows) ||
      __builtin_mul_overflow(pixels.slice_pitch, pixels.slices, &slices) ||
      __builtin_add_overflow(rows, slices, &all))
    return 0;
  return all;
}

}  // namespace flexai::remote::opencl
