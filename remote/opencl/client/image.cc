// Images and samplers.
#include <memory>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/image_format.h"

namespace flexai::remote::opencl {
namespace {

void remember(Mem* mem, cl_mem_flags flags, const cl_image_format& format,
              const cl_image_desc& desc, void* host_ptr) {
  mem->type = desc.image_type;
  mem->flags = flags;
  mem->format = format;
  mem->desc = desc;
  mem->size = tight_bytes(format, desc);
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) mem->host_ptr = host_ptr;
  Client::get().add_argument(mem);
}

cl_mem create(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
              const cl_image_format* format, const cl_image_desc* desc, void* host_ptr,
              cl_int* errcode_ret) {
  Mem* of = desc == nullptr ? nullptr : get(desc->mem_object);
  auto* mem = new Mem(take_id(get(context)), get(context), of);
  cl_image_desc travel = desc == nullptr ? cl_image_desc{} : *desc;
  // An id in the handle's place; of what is no object, one that nothing has.
  travel.mem_object = reinterpret_cast<cl_mem>(of != nullptr                  ? of->id
                                               : travel.mem_object == nullptr ? ObjectId{0}
                                                                              : ~ObjectId{0});
  std::unique_ptr<std::byte[]> tight;
  Payload payload;
  const size_t bytes = format == nullptr || desc == nullptr ? 0 : tight_bytes(*format, *desc);
  if (host_ptr != nullptr && bytes != 0 && bytes <= kMostCall) {
    tight.reset(new (std::nothrow) std::byte[bytes]);
    if (tight == nullptr) return born<cl_mem>(mem, CL_OUT_OF_HOST_MEMORY, errcode_ret);
    gather(pixels_of(*format, *desc, static_cast<std::byte*>(host_ptr)), tight.get());
    payload.bytes = {tight.get(), bytes};
  }
  const cl_image_desc* use = desc == nullptr ? nullptr : &travel;
  cl_int code = properties == nullptr
                    ? wire_clCreateImage(Mode::kAsk, context, flags, format, use, payload, mem->id)
                    : wire_clCreateImageWithProperties(Mode::kAsk, context, properties, flags,
                                                       format, use, payload, mem->id);
  if (code == CL_SUCCESS && (format == nullptr || desc == nullptr))
    code = CL_OUT_OF_RESOURCES;  // no worker of ours
  if (code == CL_SUCCESS) remember(mem, flags, *format, *desc, host_ptr);
  return born<cl_mem>(mem, code, errcode_ret);
}

}  // namespace

cl_mem CL_API_CALL client_clCreateImage(cl_context context, cl_mem_flags flags,
                                        const cl_image_format* image_format,
                                        const cl_image_desc* image_desc, void* host_ptr,
                                        cl_int* errcode_ret) {
  return create(context, nullptr, flags, image_format, image_desc, host_ptr, errcode_ret);
}

cl_mem CL_API_CALL client_clCreateImageWithProperties(cl_context context,
                                                      const cl_mem_properties* properties,
                                                      cl_mem_flags flags,
                                                      const cl_image_format* image_format,
                                                      const cl_image_desc* image_desc,
                                                      void* host_ptr, cl_int* errcode_ret) {
  return create(context, properties, flags, image_format, image_desc, host_ptr, errcode_ret);
}

cl_mem CL_API_CALL client_clCreateImage2D(cl_context context, cl_mem_flags flags,
                                          const cl_image_format* image_format, size_t image_width,
                                          size_t image_height, size_t image_row_pitch,
                                          void* host_ptr, cl_int* errcode_ret) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = image_width;
  desc.image_height = image_height;
  desc.image_row_pitch = image_row_pitch;
  return create(context, nullptr, flags, image_format, &desc, host_ptr, errcode_ret);
}

cl_mem CL_API_CALL client_clCreateImage3D(cl_context context, cl_mem_flags flags,
                                          const cl_image_format* image_format, size_t image_width,
                                          size_t image_height, size_t image_depth,
                                          size_t image_row_pitch, size_t image_slice_pitch,
                                          void* host_ptr, cl_int* errcode_ret) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE3D;
  desc.image_width = image_width;
  desc.image_height = image_height;
  desc.image_depth = image_depth;
  desc.image_row_pitch = image_row_pitch;
  desc.image_slice_pitch = image_slice_pitch;
  return create(context, nullptr, flags, image_format, &desc, host_ptr, errcode_ret);
}

cl_int CL_API_CALL client_clGetImageInfo(cl_mem image, cl_image_info param_name,
                                         size_t param_value_size, void* param_value,
                                         size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  Mem* mem = get(image);
  if (mem == nullptr) return CL_INVALID_MEM_OBJECT;
  if (param_name == CL_IMAGE_BUFFER && mem->type != CL_MEM_OBJECT_BUFFER)
    return place.give(handle_of<cl_mem>(mem->of()));
  return mem->infos.give({param_name, 0}, place, [&](size_t room, void* value, size_t* size) {
    return wire_clGetImageInfo(Mode::kAsk, image, param_name, room, value, size);
  });
}

cl_sampler CL_API_CALL client_clCreateSampler(cl_context context, cl_bool normalized_coords,
                                              cl_addressing_mode addressing_mode,
                                              cl_filter_mode filter_mode, cl_int* errcode_ret) {
  auto* sampler = new Sampler(take_id(get(context)), get(context));
  const cl_int code = wire_clCreateSampler(Mode::kAsk, context, normalized_coords, addressing_mode,
                                           filter_mode, sampler->id);
  if (code == CL_SUCCESS) Client::get().add_argument(sampler);
  return born<cl_sampler>(sampler, code, errcode_ret);
}

cl_sampler CL_API_CALL client_clCreateSamplerWithProperties(
    cl_context context, const cl_sampler_properties* sampler_properties, cl_int* errcode_ret) {
  auto* sampler = new Sampler(take_id(get(context)), get(context));
  const cl_int code =
      wire_clCreateSamplerWithProperties(Mode::kAsk, context, sampler_properties, sampler->id);
  if (code == CL_SUCCESS) Client::get().add_argument(sampler);
  return born<cl_sampler>(sampler, code, errcode_ret);
}

cl_int CL_API_CALL client_clGetSamplerInfo(cl_sampler sampler, cl_sampler_info param_name,
                                           size_t param_value_size, void* param_value,
                                           size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  Sampler* known = get(sampler);
  if (known == nullptr) return CL_INVALID_SAMPLER;
  if (param_name == CL_SAMPLER_CONTEXT)
    return place.give(handle_of<cl_context>(static_cast<Context*>(known->parent)));
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetSamplerInfo(Mode::kAsk, sampler, param_name, room, value, size);
  };
  if (param_name == CL_SAMPLER_REFERENCE_COUNT)
    return ask(param_value_size, param_value, param_value_size_ret);
  return known->infos.give({param_name, 0}, place, ask);
}

cl_mem CL_API_CALL client_clCreatePipe(cl_context context, cl_mem_flags flags,
                                       cl_uint pipe_packet_size, cl_uint pipe_max_packets,
                                       const cl_pipe_properties* properties, cl_int* errcode_ret) {
  auto* mem = new Mem(take_id(get(context)), get(context), nullptr);
  mem->type = CL_MEM_OBJECT_PIPE;
  const cl_int code = wire_clCreatePipe(Mode::kAsk, context, flags, pipe_packet_size,
                                        pipe_max_packets, properties, mem->id);
  if (code == CL_SUCCESS) Client::get().add_argument(mem);
  return born<cl_mem>(mem, code, errcode_ret);
}

}  // namespace flexai::remote::opencl
