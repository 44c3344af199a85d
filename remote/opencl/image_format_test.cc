#include "remote/opencl/image_format.h"

#include <gtest/gtest.h>

namespace flexai::remote::opencl {
namespace {

TEST(ImageFormat, ElementsTakeWhatTheSpecificationSays) {
  struct {
    cl_channel_order order;
    cl_channel_type type;
    size_t bytes;
  } cases[] = {{CL_RGBA, CL_UNORM_INT8, 4},
               {CL_RGBA, CL_FLOAT, 16},
               {CL_R, CL_HALF_FLOAT, 2},
               {CL_RG, CL_SIGNED_INT16, 4},
               {CL_BGRA, CL_UNORM_INT8, 4},
               {CL_RGB, CL_UNORM_SHORT_565, 2},
               {CL_RGB, CL_UNORM_INT_101010, 4},
               {CL_DEPTH, CL_FLOAT, 4},
               {CL_LUMINANCE, CL_UNORM_INT16, 2},
               {0x9999, CL_UNORM_INT8, 0},
               {CL_RGBA, 0x9999, 0}};
  for (const auto& each : cases)
    EXPECT_EQ(element_bytes({each.order, each.type}), each.bytes) << each.order << " " << each.type;
}

TEST(ImageFormat, TightBytesCountEveryLayer) {
  cl_image_desc desc{};
  desc.image_width = 5;
  desc.image_height = 7;
  desc.image_depth = 3;
  desc.image_array_size = 2;
  const cl_image_format format{CL_RGBA, CL_UNORM_INT8};
  const auto bytes = [&](cl_mem_object_type type) {
    desc.image_type = type;
    return tight_bytes(format, desc);
  };
  EXPECT_EQ(bytes(CL_MEM_OBJECT_IMAGE1D), 20u);
  EXPECT_EQ(bytes(CL_MEM_OBJECT_IMAGE1D_ARRAY), 40u);
  EXPECT_EQ(bytes(CL_MEM_OBJECT_IMAGE2D), 140u);
  EXPECT_EQ(bytes(CL_MEM_OBJECT_IMAGE2D_ARRAY), 280u);
  EXPECT_EQ(bytes(CL_MEM_OBJECT_IMAGE3D), 420u);
  desc.image_width = SIZE_MAX / 8;
  EXPECT_EQ(bytes(CL_MEM_OBJECT_IMAGE2D), 0u);  // no such number
}

}  // namespace
}  // namespace flexai::remote::opencl
