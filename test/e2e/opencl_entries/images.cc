// Images of every creation form; reads, writes, copies, fills, maps; samplers.
#include <algorithm>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWidth = 32, kHeight = 16;
constexpr cl_image_format kFormat = {CL_RGBA, CL_UNSIGNED_INT8};
const size_t kOrigin[] = {0, 0, 0}, kWhole[] = {kWidth, kHeight, 1};

cl_image_desc flat(cl_mem_object_type type = CL_MEM_OBJECT_IMAGE2D) {
  cl_image_desc desc{};
  desc.image_type = type;
  desc.image_width = kWidth;
  desc.image_height = kHeight;
  return desc;
}

std::vector<cl_uint> pixels(Session& s, cl_mem image) {
  std::vector<cl_uint> host(kWidth * kHeight);
  const cl_int error = clEnqueueReadImage(s.queue, image, CL_TRUE, kOrigin, kWhole, 0, 0,
                                          host.data(), 0, nullptr, nullptr);
  if (error != CL_SUCCESS) say("read %s", error_name(error).c_str());
  return host;
}

void say_info(cl_mem image) {
  size_t width = 0, height = 0, depth = 0, element = 0;
  clGetImageInfo(image, CL_IMAGE_WIDTH, sizeof(width), &width, nullptr);
  clGetImageInfo(image, CL_IMAGE_HEIGHT, sizeof(height), &height, nullptr);
  clGetImageInfo(image, CL_IMAGE_DEPTH, sizeof(depth), &depth, nullptr);
  clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof(element), &element, nullptr);
  say("%zu x %zu x %zu of %zu bytes", width, height, depth, element);
}

void moves(Session& s, cl_mem a, cl_mem b) {
  const auto data = pattern(kWidth * kHeight, 7);
  say("write %s", error_name(clEnqueueWriteImage(s.queue, a, CL_TRUE, kOrigin, kWhole, 0, 0,
                                                 data.data(), 0, nullptr, nullptr))
                      .c_str());
  const cl_uint color[] = {1, 2, 3, 4};
  say("fill %s",
      error_name(clEnqueueFillImage(s.queue, b, color, kOrigin, kWhole, 0, nullptr, nullptr))
          .c_str());
  say("filled %s", fingerprint(pixels(s, b)).c_str());
  const size_t at[] = {4, 4, 0}, part[] = {8, 8, 1};
  say("copy %s",
      error_name(clEnqueueCopyImage(s.queue, a, b, kOrigin, at, part, 0, nullptr, nullptr))
          .c_str());
  say("copied %s", fingerprint(pixels(s, b)).c_str());
  cl_mem buffer = s.buffer(kWidth * kHeight * 4, data.data());
  say("to buffer %s",
      error_name(clEnqueueCopyImageToBuffer(s.queue, b, buffer, at, part, 256, 0, nullptr, nullptr))
          .c_str());
  say("buffer %s", fingerprint(s.words(s.queue, buffer, kWidth * kHeight)).c_str());
  say("to image %s", error_name(clEnqueueCopyBufferToImage(s.queue, buffer, a, 64, kOrigin, part, 0,
                                                           nullptr, nullptr))
                         .c_str());
  say("image %s", fingerprint(pixels(s, a)).c_str());
  clReleaseMemObject(buffer);
}

void maps(Session& s, cl_mem image) {
  size_t row = 0, slice = 0;
  cl_int error = CL_SUCCESS;
  auto* mapped = static_cast<unsigned char*>(
      clEnqueueMapImage(s.queue, image, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, kOrigin, kWhole, &row,
                        &slice, 0, nullptr, nullptr, &error));
  say("map %s", error_name(error).c_str());
  if (mapped == nullptr) return;
  for (size_t y = 0; y < kHeight; ++y)
    for (size_t x = 0; x < kWidth * 4; ++x) mapped[y * row + x] ^= 0x55;
  say("unmap %s",
      error_name(clEnqueueUnmapMemObject(s.queue, image, mapped, 0, nullptr, nullptr)).c_str());
  say("mapped %s", fingerprint(pixels(s, image)).c_str());
}

void other_forms(Session& s) {
  cl_int error = CL_SUCCESS;
  const cl_image_desc desc = flat();
  const cl_mem_properties none[] = {0};
  cl_mem image = clCreateImageWithProperties(s.context, none, CL_MEM_READ_WRITE, &kFormat, &desc,
                                             nullptr, &error);
  say("with properties %s", error_name(error).c_str());
  if (image != nullptr) clReleaseMemObject(image);
  image =
      clCreateImage2D(s.context, CL_MEM_READ_ONLY, &kFormat, kWidth, kHeight, 0, nullptr, &error);
  say("2d %s", error_name(error).c_str());
  if (image != nullptr) {
    say_info(image);
    clReleaseMemObject(image);
  }
  image = clCreateImage3D(s.context, CL_MEM_READ_ONLY, &kFormat, 8, 8, 4, 0, 0, nullptr, &error);
  say("3d %s", error_name(error).c_str());
  if (image != nullptr) {
    say_info(image);
    clReleaseMemObject(image);
  }
  cl_mem buffer = s.buffer(4096);
  cl_image_desc line = flat(CL_MEM_OBJECT_IMAGE1D_BUFFER);
  line.image_height = 0;
  line.mem_object = buffer;
  image = clCreateImage(s.context, CL_MEM_READ_WRITE, &kFormat, &line, nullptr, &error);
  say("of a buffer %s", error_name(error).c_str());
  if (image != nullptr) clReleaseMemObject(image);
  clReleaseMemObject(buffer);
  cl_image_desc wrong = flat();
  wrong.image_width = 0;
  clCreateImage(s.context, CL_MEM_READ_WRITE, &kFormat, &wrong, nullptr, &error);
  say("of no width %s", error == CL_SUCCESS ? "made" : "refused");
}

void samplers(Session& s) {
  cl_int error = CL_SUCCESS;
  cl_sampler sampler =
      clCreateSampler(s.context, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, &error);
  say("sampler %s", error_name(error).c_str());
  cl_addressing_mode mode = 0;
  if (sampler != nullptr) {
    clGetSamplerInfo(sampler, CL_SAMPLER_ADDRESSING_MODE, sizeof(mode), &mode, nullptr);
    clRetainSampler(sampler);
    clReleaseSampler(sampler);
    clReleaseSampler(sampler);
  }
  say("mode %x", mode);
  const cl_sampler_properties properties[] = {CL_SAMPLER_NORMALIZED_COORDS, CL_TRUE, 0};
  sampler = clCreateSamplerWithProperties(s.context, properties, &error);
  say("sampler with properties %s", error_name(error).c_str());
  if (sampler != nullptr) clReleaseSampler(sampler);
}

}  // namespace

void run_images(Session& session) {
  if (session.info<cl_bool>(CL_DEVICE_IMAGE_SUPPORT) == CL_FALSE)
    return say("not supported by this device");
  cl_uint formats = 0;
  clGetSupportedImageFormats(session.context, CL_MEM_READ_WRITE, CL_MEM_OBJECT_IMAGE2D, 0, nullptr,
                             &formats);
  say("formats %u", formats);
  cl_int error = CL_SUCCESS;
  const cl_image_desc desc = flat();
  cl_mem a = clCreateImage(session.context, CL_MEM_READ_WRITE, &kFormat, &desc, nullptr, &error);
  cl_mem b = clCreateImage(session.context, CL_MEM_READ_WRITE, &kFormat, &desc, nullptr, &error);
  say("create %s", error_name(error).c_str());
  if (a == nullptr || b == nullptr) return;
  say_info(a);
  moves(session, a, b);
  maps(session, a);
  clReleaseMemObject(a);
  clReleaseMemObject(b);
  other_forms(session);
  samplers(session);
}

}  // namespace flexai::test
