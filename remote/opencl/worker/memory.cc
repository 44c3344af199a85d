// Buffers, images and what they are made of.
#include "remote/opencl/image_format.h"
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/long_calls.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {
namespace {

// The program's memory is not here: what the API calls using it is copying from it. Combinations
// that are wrong stay so, for the driver to say it.
cl_mem_flags local_flags(cl_mem_flags flags) {
  constexpr cl_mem_flags kOther = CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR;
  if ((flags & CL_MEM_USE_HOST_PTR) == 0 || (flags & kOther) != 0) return flags;
  return (flags & ~cl_mem_flags{CL_MEM_USE_HOST_PTR}) | CL_MEM_COPY_HOST_PTR;
}

// A driver that took a wrong combination would keep a pointer to memory that goes away.
bool keeps_pointer(cl_mem_flags flags, const Data& host) {
  return (flags & CL_MEM_USE_HOST_PTR) != 0 && host.there;
}

// Whether the driver may work on that many bytes beside other calls. What is told does not wait:
// the next call may name the object.
bool takes_long(const Incoming& call, const Data& host) {
  return host.there && host.size >= kBulkBytes && call.call_number() != 0;
}

// Makes an object by `make`, which leaves its code, and keeps it.
template <typename Make>
cl_int keep_made(Incoming& call, cl_mem_flags used, const Data& host, ObjectId result,
                 const Make& make) {
  cl_int code = CL_SUCCESS;
  const cl_mem made = make(&code);
  if (made != nullptr && keeps_pointer(used, host)) {
    call.table().clReleaseMemObject(made);
    return CL_INVALID_VALUE;
  }
  call.keep(result, made, code);
  return code;
}

cl_int create_buffer(Incoming& call, cl_context context, const cl_mem_properties* properties,
                     cl_mem_flags flags, size_t size, const Data& host, ObjectId result) {
  call.may_make<cl_mem>(result);
  if (host.there && host.size < size) return CL_INVALID_HOST_PTR;
  const bool beside = takes_long(call, host);
  const bool in_place = beside && host.bulk == 0 && call.bytes_stay();
  const Staging copy = host.there && !in_place ? call.worker().take(host) : Staging{};
  // What makes a copy of it does not write there.
  auto* const from = in_place ? const_cast<std::byte*>(host.bytes.data()) : copy.data();
  if (host.there && from == nullptr) return CL_OUT_OF_HOST_MEMORY;
  const cl_mem_flags used = local_flags(flags);
  const Table& table = call.table();
  const auto make = [&](cl_int* code) {
    return properties == nullptr
               ? table.clCreateBuffer(context, used, size, from, code)
               : table.clCreateBufferWithProperties(context, properties, used, size, from, code);
  };
  if (!beside) return keep_made(call, used, host, result, make);
  const Making making(table, call.worker().hold(), context);
  return keep_made(call, used, host, result, make);
}

// The program's pixels as they lie in its memory, so that the driver judges its pitches. Null:
// there was not so much memory.
Staging laid_out(const Landing& pixels, const Staging& tight) {
  if (pixels.whole() || tight.data() == nullptr) return tight;
  const size_t bytes = span_of(pixels);
  const Staging made = bytes == 0 ? Staging{} : Staging::make(bytes);
  if (made.data() == nullptr) return made;
  Landing to = pixels;
  to.at = made.data();
  land(to, 0, tight.span().first(pixels.size()));
  return made;
}

cl_int create_image(Incoming& call, cl_context context, const cl_mem_properties* properties,
                    cl_mem_flags flags, const Values<cl_image_format>& format,
                    const Values<cl_image_desc>& image_desc, const Data& host, ObjectId result) {
  call.may_make<cl_mem>(result);
  cl_image_desc desc = image_desc.values[0];
  // The client has put an id in the handle's place.
  const ObjectId of = reinterpret_cast<ObjectId>(desc.mem_object);
  desc.mem_object = nullptr;
  if (of != 0) {
    auto found = call.worker().handles().find(of, kMem);
    if (!found.ok() || found->object == nullptr) return CL_INVALID_IMAGE_DESCRIPTOR;
    desc.mem_object = static_cast<cl_mem>(found->object);
  }
  Staging from;
  if (host.there) {
    const size_t bytes = format.there && image_desc.there ? tight_bytes(format.values[0], desc) : 0;
    if (bytes == 0 || host.size < bytes) return CL_INVALID_HOST_PTR;
    from = laid_out(pixels_of(format.values[0], desc, nullptr), call.worker().take(host));
    if (from.data() == nullptr) return CL_OUT_OF_HOST_MEMORY;
  }
  const cl_mem_flags used = local_flags(flags);
  const Table& table = call.table();
  const cl_image_desc* const use = image_desc.there ? &desc : nullptr;
  const auto make = [&](cl_int* code) {
    return properties == nullptr
               ? table.clCreateImage(context, used, format.data(), use, from.data(), code)
               : table.clCreateImageWithProperties(context, properties, used, format.data(), use,
                                                   from.data(), code);
  };
  // Another call may release what it is made from.
  const bool alone = !takes_long(call, host) || desc.mem_object != nullptr;
  if (alone) return keep_made(call, used, host, result, make);
  const Making making(table, call.worker().hold(), context);
  return keep_made(call, used, host, result, make);
}

}  // namespace

cl_int handle_clCreateBuffer(Incoming& call, cl_context context, cl_mem_flags flags, size_t size,
                             const Data& host_ptr, ObjectId result) {
  return create_buffer(call, context, nullptr, flags, size, host_ptr, result);
}

cl_int handle_clCreateBufferWithProperties(Incoming& call, cl_context context,
                                           const Values<cl_mem_properties>& properties,
                                           cl_mem_flags flags, size_t size, const Data& host_ptr,
                                           ObjectId result) {
  return create_buffer(call, context, properties.data(), flags, size, host_ptr, result);
}

cl_int handle_clCreateSubBuffer(Incoming& call, cl_mem buffer, cl_mem_flags flags,
                                cl_buffer_create_type type, const Data& info, ObjectId result) {
  call.may_make<cl_mem>(result);
  cl_buffer_region region{};
  if (info.there) {
    if (info.bulk != 0 || info.size != sizeof region) return CL_INVALID_VALUE;
    std::memcpy(&region, info.bytes.data(), sizeof region);
  }
  cl_int code = CL_SUCCESS;
  const cl_mem made =
      call.table().clCreateSubBuffer(buffer, flags, type, info.there ? &region : nullptr, &code);
  call.keep(result, made, code);
  return code;
}

cl_int handle_clCreateImage(Incoming& call, cl_context context, cl_mem_flags flags,
                            const Values<cl_image_format>& image_format,
                            const Values<cl_image_desc>& image_desc, const Data& host_ptr,
                            ObjectId result) {
  return create_image(call, context, nullptr, flags, image_format, image_desc, host_ptr, result);
}

cl_int handle_clCreateImageWithProperties(Incoming& call, cl_context context,
                                          const Values<cl_mem_properties>& properties,
                                          cl_mem_flags flags,
                                          const Values<cl_image_format>& image_format,
                                          const Values<cl_image_desc>& image_desc,
                                          const Data& host_ptr, ObjectId result) {
  return create_image(call, context, properties.data(), flags, image_format, image_desc, host_ptr,
                      result);
}

}  // namespace flexai::remote::opencl
