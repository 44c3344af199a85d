#include "limit/opencl/memory.h"

#include "limit/opencl/entries.h"
#include "model/quantity.h"

namespace flexai::limit::opencl {

using base::MutexLock;

namespace {

const Table& next() { return Process::get().next(); }

struct Debt {
  std::vector<Tenant*> tenants;
  size_t bytes;
};

void pay(const Debt& debt) {
  for (Tenant* tenant : debt.tenants) tenant->ledger().release(debt.bytes);
}

void CL_CALLBACK on_destroyed(cl_mem, void* data) {
  std::unique_ptr<Debt> debt(static_cast<Debt*>(data));
  pay(*debt);
}

// Reserve, call, commit or roll back. The destructor callback is registered last, so that it runs
// before the app's own.
template <typename Create>
cl_mem charged(cl_context context, size_t bytes, cl_int* error, Create&& create) {
  Charge charge(context, bytes);
  if (!charge.ok()) {
    if (error != nullptr) *error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return nullptr;
  }
  cl_mem object = create();
  if (object == nullptr) return nullptr;
  if (bytes == 0) return object;
  auto* debt = new Debt{charge.commit(), bytes};
  if (next().clSetMemObjectDestructorCallback(object, on_destroyed, debt) != CL_SUCCESS) {
    // Without the callback the bytes could never be given back; better no object than a leak.
    pay(*debt);
    delete debt;
    next().clReleaseMemObject(object);
    if (error != nullptr) *error = CL_OUT_OF_HOST_MEMORY;
    return nullptr;
  }
  return object;
}

// Larger than any card of the context can give at once, slice or not: that is the program's error
// and not a lack of memory (clCreateBuffer: CL_INVALID_BUFFER_SIZE).
bool larger_than_cards(cl_context context, size_t bytes) {
  bool over = false;
  for (Tenant* tenant : Process::get().tenants_of(context)) over |= bytes > tenant->memory_limit();
  if (!over) return false;  // the usual case asks no driver
  size_t size = 0;
  if (next().clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, nullptr, &size) != CL_SUCCESS)
    return false;
  std::vector<cl_device_id> devices(size / sizeof(cl_device_id));
  if (next().clGetContextInfo(context, CL_CONTEXT_DEVICES, size, devices.data(), nullptr) !=
      CL_SUCCESS)
    return false;
  for (cl_device_id device : devices) {
    cl_ulong most = 0;
    if (next().clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most, &most, nullptr) !=
            CL_SUCCESS ||
        bytes <= most)
      return false;
  }
  return true;
}

template <typename Create>
cl_mem charged_buffer(cl_context context, size_t bytes, cl_int* error, Create&& create) {
  if (larger_than_cards(context, bytes)) {
    if (error != nullptr) *error = CL_INVALID_BUFFER_SIZE;
    return nullptr;
  }
  return charged(context, bytes, error, create);
}

size_t element_size(const cl_image_format* format) {
  if (format == nullptr) return 0;
  size_t channels = 4;
  switch (format->image_channel_order) {
    case CL_R:
    case CL_A:
    case CL_INTENSITY:
    case CL_LUMINANCE:
    case CL_DEPTH:
      channels = 1;
      break;
    case CL_RG:
    case CL_RA:
    case CL_Rx:
    case CL_DEPTH_STENCIL:
      channels = 2;
      break;
    case CL_RGB:
    case CL_RGx:
    case CL_sRGB:
      channels = 3;
      break;
    default:
      break;
  }
  switch (format->image_channel_data_type) {
    case CL_SNORM_INT8:
    case CL_UNORM_INT8:
    case CL_SIGNED_INT8:
    case CL_UNSIGNED_INT8:
      return channels;
    case CL_UNORM_SHORT_565:
    case CL_UNORM_SHORT_555:
      return 2;
    case CL_UNORM_INT_101010:
    case CL_UNORM_INT_101010_2:
    case CL_UNORM_INT24:
      return 4;
    case CL_SNORM_INT16:
    case CL_UNORM_INT16:
    case CL_SIGNED_INT16:
    case CL_UNSIGNED_INT16:
    case CL_HALF_FLOAT:
      return 2 * channels;
    default:
      return 4 * channels;
  }
}

size_t at_least_one(size_t n) { return n == 0 ? 1 : n; }

// An image over another object's memory costs nothing of its own.
size_t image_bytes(const cl_image_format* format, const cl_image_desc* desc) {
  if (desc == nullptr || desc->mem_object != nullptr) return 0;
  size_t layers = 1;
  size_t height = 1;
  switch (desc->image_type) {
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
      layers = desc->image_array_size;
      break;
    case CL_MEM_OBJECT_IMAGE2D:
      height = desc->image_height;
      break;
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
      height = desc->image_height;
      layers = desc->image_array_size;
      break;
    case CL_MEM_OBJECT_IMAGE3D:
      height = desc->image_height;
      layers = desc->image_depth;
      break;
    default:
      break;
  }
  size_t bytes = element_size(format);
  // Sizes are the app's: a product that overflows is larger than any card, and is refused as such.
  for (size_t factor :
       {at_least_one(desc->image_width), at_least_one(height), at_least_one(layers)})
    if (__builtin_mul_overflow(bytes, factor, &bytes)) return SIZE_MAX / 2;
  return bytes;
}

class SvmBlocks {
 public:
  static SvmBlocks& get() {
    static SvmBlocks* blocks = new SvmBlocks();
    return *blocks;
  }
  void add(void* pointer, Debt debt) {
    MutexLock lock(mutex_);
    blocks_[pointer] = std::move(debt);
  }
  void free(void* pointer) {
    Debt debt;
    {
      MutexLock lock(mutex_);
      auto it = blocks_.find(pointer);
      if (it == blocks_.end()) return;
      debt = std::move(it->second);
      blocks_.erase(it);
    }
    pay(debt);
  }

 private:
  base::Mutex mutex_;
  std::unordered_map<void*, Debt> blocks_ FLEXAI_GUARDED_BY(mutex_);
};

void CL_CALLBACK on_svm_freed(cl_event, cl_int, void* data) {
  std::unique_ptr<std::vector<void*>> pointers(static_cast<std::vector<void*>*>(data));
  for (void* pointer : *pointers) SvmBlocks::get().free(pointer);
}

}  // namespace

Charge::Charge(cl_context context, size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  for (Tenant* tenant : Process::get().tenants_of(context)) {
    auto ticket = tenant->ledger().reserve(bytes);
    if (ticket.ok()) {
      parts_.push_back({tenant, *ticket});
      continue;
    }
    ok_ = false;
    Process::get().say("flexai: slice " + tenant->name() + ": out of memory: asked " +
                       model::format_bytes(bytes) + ", used " +
                       model::format_bytes(tenant->ledger().used()) + " of " +
                       model::format_bytes(tenant->ledger().limit()) +
                       "; raise it with `flexai slice set " + tenant->name() + " --memory SIZE`");
    break;
  }
}

Charge::~Charge() {
  for (Part& part : parts_) part.tenant->ledger().roll_back(part.ticket);
}

std::vector<Tenant*> Charge::commit() {
  std::vector<Tenant*> tenants;
  for (Part& part : parts_) {
    part.tenant->ledger().commit(part.ticket);
    tenants.push_back(part.tenant);
  }
  parts_.clear();
  return tenants;
}

void free_svm_when_done(cl_event event, std::vector<void*> pointers) {
  auto* list = new std::vector<void*>(std::move(pointers));
  if (event == nullptr ||
      next().clSetEventCallback(event, CL_COMPLETE, on_svm_freed, list) != CL_SUCCESS)
    on_svm_freed(event, CL_COMPLETE, list);
}

cl_mem CL_API_CALL limit_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void* host, cl_int* error) {
  return charged_buffer(context, size, error,
                        [&] { return next().clCreateBuffer(context, flags, size, host, error); });
}

cl_mem CL_API_CALL limit_clCreateBufferWithProperties(cl_context context,
                                                      const cl_mem_properties* properties,
                                                      cl_mem_flags flags, size_t size, void* host,
                                                      cl_int* error) {
  return charged_buffer(context, size, error, [&] {
    return next().clCreateBufferWithProperties(context, properties, flags, size, host, error);
  });
}

cl_mem CL_API_CALL limit_clCreateImage(cl_context context, cl_mem_flags flags,
                                       const cl_image_format* format, const cl_image_desc* desc,
                                       void* host, cl_int* error) {
  return charged(context, image_bytes(format, desc), error,
                 [&] { return next().clCreateImage(context, flags, format, desc, host, error); });
}

cl_mem CL_API_CALL limit_clCreateImageWithProperties(
    cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
    const cl_image_format* format, const cl_image_desc* desc, void* host, cl_int* error) {
  return charged(context, image_bytes(format, desc), error, [&] {
    return next().clCreateImageWithProperties(context, properties, flags, format, desc, host,
                                              error);
  });
}

cl_mem CL_API_CALL limit_clCreateImage2D(cl_context context, cl_mem_flags flags,
                                         const cl_image_format* format, size_t width, size_t height,
                                         size_t row_pitch, void* host, cl_int* error) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = width;
  desc.image_height = height;
  return charged(context, image_bytes(format, &desc), error, [&] {
    return next().clCreateImage2D(context, flags, format, width, height, row_pitch, host, error);
  });
}

cl_mem CL_API_CALL limit_clCreateImage3D(cl_context context, cl_mem_flags flags,
                                         const cl_image_format* format, size_t width, size_t height,
                                         size_t depth, size_t row_pitch, size_t slice_pitch,
                                         void* host, cl_int* error) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE3D;
  desc.image_width = width;
  desc.image_height = height;
  desc.image_depth = depth;
  return charged(context, image_bytes(format, &desc), error, [&] {
    return next().clCreateImage3D(context, flags, format, width, height, depth, row_pitch,
                                  slice_pitch, host, error);
  });
}

cl_mem CL_API_CALL limit_clCreatePipe(cl_context context, cl_mem_flags flags, cl_uint packet,
                                      cl_uint packets, const cl_pipe_properties* properties,
                                      cl_int* error) {
  return charged(context, static_cast<size_t>(packet) * packets, error, [&] {
    return next().clCreatePipe(context, flags, packet, packets, properties, error);
  });
}

void* CL_API_CALL limit_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size,
                                   cl_uint alignment) {
  Charge charge(context, size);
  if (!charge.ok()) return nullptr;
  void* pointer = next().clSVMAlloc(context, flags, size, alignment);
  if (pointer != nullptr) SvmBlocks::get().add(pointer, Debt{charge.commit(), size});
  return pointer;
}

void CL_API_CALL limit_clSVMFree(cl_context context, void* pointer) {
  next().clSVMFree(context, pointer);
  SvmBlocks::get().free(pointer);
}

}  // namespace flexai::limit::opencl
