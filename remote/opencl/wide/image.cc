// Images and samplers. An image is made on the first host at once, whose driver says what it thinks
// of it, and moves whole.
#include <new>

#include "remote/opencl/client/info.h"
#include "remote/opencl/image_format.h"
#include "remote/opencl/wide/moves.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

constexpr cl_mem_flags kCopies = CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR;
constexpr cl_mem_flags kAccess = CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;

cl_int make(WideMem* mem, void* host_ptr) {
  WideContext* context = mem->context();
  cl_int code = CL_SUCCESS;
  base::MutexLock lock(context->mutex);
  const size_t hosts = mem->host_ptr != nullptr ? context->hosts.size() : 1;
  for (Place host = 0; code == CL_SUCCESS && host < hosts; ++host) real_of(mem, host, &code);
  if (code != CL_SUCCESS || host_ptr == nullptr || mem->host_ptr != nullptr) return code;
  try {
    mem->given = std::make_shared<std::vector<std::byte>>(mem->size);
  } catch (const std::bad_alloc&) {
    return CL_OUT_OF_HOST_MEMORY;
  }
  gather(pixels_of(mem->format, mem->desc, static_cast<std::byte*>(host_ptr)), mem->given->data());
  mem->ranges->written(0, 1, kProgram, nullptr);
  return code;
}

cl_mem create(cl_context handle, const cl_mem_properties* properties, cl_mem_flags flags,
              const cl_image_format* format, const cl_image_desc* desc, void* host_ptr,
              cl_int* errcode_ret) {
  auto* context = wide<WideContext>(handle);
  auto* of = desc == nullptr ? nullptr : wide<WideMem>(desc->mem_object);
  const bool odd = ((flags & kCopies) == 0) != (host_ptr == nullptr);
  const cl_int wrong = context == nullptr  ? CL_INVALID_CONTEXT
                       : format == nullptr ? CL_INVALID_IMAGE_FORMAT_DESCRIPTOR
                       : desc == nullptr || (of == nullptr && desc->mem_object != nullptr)
                           ? CL_INVALID_IMAGE_DESCRIPTOR
                       : odd && of == nullptr ? CL_INVALID_HOST_PTR
                                              : CL_SUCCESS;
  if (wrong != CL_SUCCESS) return given<cl_mem, WideMem>(nullptr, wrong, errcode_ret);
  auto* mem = new WideMem(context, of);
  mem->type = desc->image_type;
  mem->flags = flags;
  mem->format = *format;
  mem->desc = *desc;
  mem->size = of != nullptr ? of->size : tight_bytes(*format, *desc);
  for (const auto* each = properties; each != nullptr && *each != 0; each += 2)
    mem->properties.insert(mem->properties.end(), {each[0], each[1]});
  if (!mem->properties.empty()) mem->properties.push_back(0);
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) mem->host_ptr = host_ptr;
  if (of == nullptr) mem->ranges = std::make_unique<Ranges>(1);
  const cl_int code = make(mem, host_ptr);
  if ((mem->flags & kAccess) == 0)
    mem->flags |= of != nullptr ? of->flags & kAccess : cl_mem_flags{CL_MEM_READ_WRITE};
  return given<cl_mem>(mem, code, errcode_ret);
}

cl_mem CL_API_CALL create_image(cl_context context, cl_mem_flags flags,
                                const cl_image_format* format, const cl_image_desc* desc,
                                void* host_ptr, cl_int* code) {
  return create(context, nullptr, flags, format, desc, host_ptr, code);
}

cl_mem CL_API_CALL create_with_properties(cl_context context, const cl_mem_properties* properties,
                                          cl_mem_flags flags, const cl_image_format* format,
                                          const cl_image_desc* desc, void* host_ptr, cl_int* code) {
  return create(context, properties, flags, format, desc, host_ptr, code);
}

cl_mem CL_API_CALL create_2d(cl_context context, cl_mem_flags flags, const cl_image_format* format,
                             size_t width, size_t height, size_t pitch, void* host_ptr,
                             cl_int* code) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = width;
  desc.image_height = height;
  desc.image_row_pitch = pitch;
  return create(context, nullptr, flags, format, &desc, host_ptr, code);
}

cl_mem CL_API_CALL create_3d(cl_context context, cl_mem_flags flags, const cl_image_format* format,
                             size_t width, size_t height, size_t depth, size_t row_pitch,
                             size_t slice_pitch, void* host_ptr, cl_int* code) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE3D;
  desc.image_width = width;
  desc.image_height = height;
  desc.image_depth = depth;
  desc.image_row_pitch = row_pitch;
  desc.image_slice_pitch = slice_pitch;
  return create(context, nullptr, flags, format, &desc, host_ptr, code);
}

cl_int CL_API_CALL get_info(cl_mem handle, cl_image_info name, size_t room, void* value,
                            size_t* size) {
  auto* mem = wide<WideMem>(handle);
  if (mem == nullptr || mem->type == CL_MEM_OBJECT_BUFFER) return CL_INVALID_MEM_OBJECT;
  if (name == CL_IMAGE_BUFFER)
    return InfoPlace{room, value, size}.give(handle_of<cl_mem>(mem->of()));
  return below().clGetImageInfo(mem->reals.front(), name, room, value, size);
}

// `make(context)` makes one.
template <typename Make>
cl_sampler sampler(cl_context handle, cl_int* errcode_ret, Make make_one) {
  auto* context = wide<WideContext>(handle);
  if (context == nullptr)
    return given<cl_sampler, WideSampler>(nullptr, CL_INVALID_CONTEXT, errcode_ret);
  auto* made = new WideSampler(context);
  cl_int code = CL_SUCCESS;
  for (size_t i = 0; code == CL_SUCCESS && i < context->hosts.size(); ++i) {
    const cl_sampler real = make_one(context->hosts[i].context, &code);
    if (code == CL_SUCCESS) made->reals.push_back(real);
  }
  return given<cl_sampler>(made, code, errcode_ret);
}

cl_sampler CL_API_CALL create_sampler(cl_context context, cl_bool normalized,
                                      cl_addressing_mode addressing, cl_filter_mode filter,
                                      cl_int* code) {
  return sampler(context, code, [&](cl_context its, cl_int* its_code) {
    return below().clCreateSampler(its, normalized, addressing, filter, its_code);
  });
}

cl_sampler CL_API_CALL create_sampler_with(cl_context context,
                                           const cl_sampler_properties* properties, cl_int* code) {
  return sampler(context, code, [&](cl_context its, cl_int* its_code) {
    return below().clCreateSamplerWithProperties(its, properties, its_code);
  });
}

cl_int CL_API_CALL retain_sampler(cl_sampler one) {
  return retain_wide<WideSampler>(one, CL_INVALID_SAMPLER);
}
cl_int CL_API_CALL release_sampler(cl_sampler one) {
  return release_wide<WideSampler>(one, CL_INVALID_SAMPLER);
}

cl_int CL_API_CALL get_sampler_info(cl_sampler one, cl_sampler_info name, size_t room, void* value,
                                    size_t* size) {
  const auto* known = wide<WideSampler>(one);
  if (known == nullptr) return CL_INVALID_SAMPLER;
  const InfoPlace place{room, value, size};
  if (name == CL_SAMPLER_CONTEXT) return place.give(handle_of<cl_context>(known->context()));
  if (name == CL_SAMPLER_REFERENCE_COUNT) return place.give(cl_uint{known->refs.load()});
  return below().clGetSamplerInfo(known->reals.front(), name, room, value, size);
}

}  // namespace

void add_images(Table& table) {
  table.clCreateImage = create_image;
  table.clCreateImageWithProperties = create_with_properties;
  table.clCreateImage2D = create_2d;
  table.clCreateImage3D = create_3d;
  table.clGetImageInfo = get_info;
  table.clCreateSampler = create_sampler;
  table.clCreateSamplerWithProperties = create_sampler_with;
  table.clRetainSampler = retain_sampler;
  table.clReleaseSampler = release_sampler;
  table.clGetSamplerInfo = get_sampler_info;
}

}  // namespace flexai::remote::opencl::wide
