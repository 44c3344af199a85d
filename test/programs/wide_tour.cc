// wide-tour: an ordinary OpenCL program on three devices in one context. Each part prints what it
// found, so that two runs can be compared: the transcript must not depend on where the devices are.
//
// usage: wide-tour [PART ...]      parts: info buffers parts images events build count maps errors
#include <CL/cl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace {

constexpr cl_uint kDevices = 3;
constexpr const char* kSource = R"(
__kernel void scale(__global const uint* in, __global uint* out, uint by) {
  size_t i = get_global_id(0);
  out[i] = in[i] * by + (uint)i;
}
__kernel void count(__global uint* counts, uint by) { counts[get_global_id(0)] += by; }
__kernel void shade(__read_only image2d_t in, __write_only image2d_t out, sampler_t at) {
  int2 p = (int2)(get_global_id(0), get_global_id(1));
  uint4 v = read_imageui(in, at, p);
  write_imageui(out, p, (uint4)(v.x + 1, v.y ^ 3, v.z + (uint)p.x, v.w + (uint)p.y));
}
)";

void need(cl_int code, const char* what) {
  if (code == CL_SUCCESS) return;
  std::printf("error %d of %s\n", code, what);
  std::exit(3);
}

unsigned sum_of(const std::vector<cl_uint>& values) {
  unsigned sum = 0;
  for (cl_uint value : values) sum = sum * 31 + value;
  return sum;
}

struct Tour {
  cl_platform_id platform = nullptr;
  cl_device_id devices[kDevices] = {};
  cl_context context = nullptr;
  cl_command_queue queues[kDevices] = {};
  cl_program program = nullptr;

  Tour() {
    cl_int code = CL_SUCCESS;
    need(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
    cl_uint count = 0;
    need(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, kDevices, devices, &count), "clGetDeviceIDs");
    if (count < kDevices) need(CL_DEVICE_NOT_FOUND, "three devices");
    context = clCreateContext(nullptr, kDevices, devices, nullptr, nullptr, &code);
    need(code, "clCreateContext");
    const cl_queue_properties any_order[] = {CL_QUEUE_PROPERTIES,
                                             CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, 0};
    for (cl_uint i = 0; i < kDevices; ++i) {
      queues[i] = clCreateCommandQueueWithProperties(context, devices[i],
                                                     i == 2 ? any_order : nullptr, &code);
      need(code, "clCreateCommandQueueWithProperties");
    }
    const char* source = kSource;
    program = clCreateProgramWithSource(context, 1, &source, nullptr, &code);
    need(code, "clCreateProgramWithSource");
    need(clBuildProgram(program, 0, nullptr, nullptr, nullptr, nullptr), "clBuildProgram");
  }
  ~Tour() {
    clReleaseProgram(program);
    for (cl_command_queue queue : queues) clReleaseCommandQueue(queue);
    need(clReleaseContext(context), "clReleaseContext");
  }

  cl_mem buffer(size_t count, const cl_uint* bytes = nullptr, cl_mem_flags flags = 0) const {
    cl_int code = CL_SUCCESS;
    if (bytes != nullptr && (flags & CL_MEM_USE_HOST_PTR) == 0) flags |= CL_MEM_COPY_HOST_PTR;
    cl_mem made =
        clCreateBuffer(context, flags, count * sizeof(cl_uint), const_cast<cl_uint*>(bytes), &code);
    need(code, "clCreateBuffer");
    return made;
  }
  cl_kernel kernel(const char* name) const {
    cl_int code = CL_SUCCESS;
    cl_kernel made = clCreateKernel(program, name, &code);
    need(code, "clCreateKernel");
    return made;
  }
  void finish() const {
    for (cl_command_queue queue : queues) need(clFinish(queue), "clFinish");
  }
  std::vector<cl_uint> read(cl_uint on, cl_mem from, size_t count, size_t first = 0) const {
    std::vector<cl_uint> values(count);
    need(clEnqueueReadBuffer(queues[on], from, CL_TRUE, first * 4, count * 4, values.data(), 0,
                             nullptr, nullptr),
         "clEnqueueReadBuffer");
    return values;
  }
};

template <typename T>
void set(cl_kernel kernel, cl_uint index, const T& value) {
  need(clSetKernelArg(kernel, index, sizeof value, &value), "clSetKernelArg");
}

std::vector<cl_uint> row(size_t count, cl_uint first) {
  std::vector<cl_uint> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

void info(Tour& t) {
  cl_uint count = 0;
  need(clGetContextInfo(t.context, CL_CONTEXT_NUM_DEVICES, sizeof count, &count, nullptr), "info");
  cl_device_id all[8] = {};
  size_t size = 0;
  need(clGetContextInfo(t.context, CL_CONTEXT_DEVICES, sizeof all, all, &size), "info");
  std::printf("context: %u devices, %zu bytes, same %d\n", count, size,
              std::memcmp(all, t.devices, sizeof t.devices) == 0);
  for (cl_uint i = 0; i < kDevices; ++i) {
    cl_device_id device = nullptr;
    cl_context context = nullptr;
    need(clGetCommandQueueInfo(t.queues[i], CL_QUEUE_DEVICE, sizeof device, &device, nullptr), "q");
    need(clGetCommandQueueInfo(t.queues[i], CL_QUEUE_CONTEXT, sizeof context, &context, nullptr),
         "q");
    std::printf("queue %u: its device %d, its context %d\n", i, device == t.devices[i],
                context == t.context);
  }
  char names[256] = {};
  need(clGetProgramInfo(t.program, CL_PROGRAM_KERNEL_NAMES, sizeof names, names, nullptr), "names");
  size_t sizes[kDevices] = {};
  need(clGetProgramInfo(t.program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, &size), "sizes");
  std::printf("program: %zu letters of names, binaries %d %d %d\n", std::strlen(names),
              sizes[0] != 0, sizes[1] != 0, sizes[2] != 0);
  cl_mem buffer = t.buffer(100);
  size_t bytes = 0;
  cl_mem_flags flags = 0;
  cl_uint refs = 0;
  need(clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof bytes, &bytes, nullptr), "mem");
  need(clGetMemObjectInfo(buffer, CL_MEM_FLAGS, sizeof flags, &flags, nullptr), "mem");
  need(clGetMemObjectInfo(buffer, CL_MEM_REFERENCE_COUNT, sizeof refs, &refs, nullptr), "mem");
  std::printf("buffer: %zu bytes, flags %llu, %u references\n", bytes,
              static_cast<unsigned long long>(flags), refs);
  clReleaseMemObject(buffer);
}

// Written on one device, used on the others in turn, read on any.
void buffers(Tour& t) {
  for (size_t count : {1000u, 300000u}) {
    const auto values = row(count, 7);
    cl_mem from = t.buffer(count, values.data()), to = t.buffer(count);
    cl_kernel scale = t.kernel("scale");
    for (cl_uint round = 0; round < 6; ++round) {
      set(scale, 0, from);
      set(scale, 1, to);
      set(scale, 2, round + 2);
      const cl_uint on = (round * 2) % kDevices;
      need(clEnqueueNDRangeKernel(t.queues[on], scale, 1, nullptr, &count, nullptr, 0, nullptr,
                                  nullptr),
           "clEnqueueNDRangeKernel");
      need(clFinish(t.queues[on]), "clFinish");
      std::swap(from, to);
    }
    for (cl_uint i = 0; i < kDevices; ++i)
      std::printf("scaled %zu on all, read on %u: %u\n", count, i, sum_of(t.read(i, from, count)));
    const auto some = row(100, 5000);
    need(clEnqueueWriteBuffer(t.queues[1], from, CL_TRUE, 400, 400, some.data(), 0, nullptr,
                              nullptr),
         "clEnqueueWriteBuffer");
    const cl_uint nine = 9;
    need(clEnqueueFillBuffer(t.queues[2], from, &nine, 4, 800, 800, 0, nullptr, nullptr), "fill");
    t.finish();
    need(clEnqueueCopyBuffer(t.queues[0], from, to, 300, 500, 1200, 0, nullptr, nullptr), "copy");
    t.finish();
    std::printf("parts of %zu: %u %u\n", count, sum_of(t.read(0, from, count)),
                sum_of(t.read(2, to, count)));
    const size_t origin[3] = {4, 2, 0}, host[3] = {}, region[3] = {16, 8, 1};
    std::vector<cl_uint> box(32);
    need(clEnqueueReadBufferRect(t.queues[1], to, CL_TRUE, origin, host, region, 64, 0, 16, 0,
                                 box.data(), 0, nullptr, nullptr),
         "rect");
    need(clEnqueueWriteBufferRect(t.queues[2], from, CL_TRUE, origin, host, region, 64, 0, 16, 0,
                                  box.data(), 0, nullptr, nullptr),
         "rect");
    std::printf("boxes: %u %u\n", sum_of(box), sum_of(t.read(0, from, count)));
    need(clEnqueueMigrateMemObjects(t.queues[1], 1, &from, 0, 0, nullptr, nullptr), "migrate");
    t.finish();
    std::printf("migrated: %u\n", sum_of(t.read(1, from, count)));
    clReleaseKernel(scale);
    clReleaseMemObject(from);
    clReleaseMemObject(to);
  }
}

// Each device works on its part of one buffer, at the same time.
void parts(Tour& t) {
  constexpr size_t kPart = 4096;
  const auto values = row(kPart * kDevices, 1);
  cl_mem whole = t.buffer(values.size(), values.data());
  cl_mem part[kDevices];
  cl_kernel count = t.kernel("count");
  cl_int code = CL_SUCCESS;
  for (cl_uint i = 0; i < kDevices; ++i) {
    const cl_buffer_region region{i * kPart * 4, kPart * 4};
    part[i] = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    need(code, "clCreateSubBuffer");
  }
  for (cl_uint round = 0; round < 3; ++round) {
    for (cl_uint i = 0; i < kDevices; ++i) {
      set(count, 0, part[(i + round) % kDevices]);
      set(count, 1, i + 1);
      need(clEnqueueNDRangeKernel(t.queues[i], count, 1, nullptr, &kPart, nullptr, 0, nullptr,
                                  nullptr),
           "clEnqueueNDRangeKernel");
    }
    t.finish();
  }
  for (cl_uint i = 0; i < kDevices; ++i)
    std::printf("parts, whole on %u: %u, part %u\n", i, sum_of(t.read(i, whole, values.size())),
                sum_of(t.read(i, part[i], kPart)));
  size_t offset = 0;
  cl_mem of = nullptr;
  need(clGetMemObjectInfo(part[2], CL_MEM_OFFSET, sizeof offset, &offset, nullptr), "offset");
  need(clGetMemObjectInfo(part[2], CL_MEM_ASSOCIATED_MEMOBJECT, sizeof of, &of, nullptr), "of");
  std::printf("part 2 begins at %zu of it: %d\n", offset, of == whole);
  for (cl_mem each : part) clReleaseMemObject(each);
  clReleaseKernel(count);
  clReleaseMemObject(whole);
}

void images(Tour& t) {
  constexpr size_t kWidth = 65, kHeight = 33;
  std::vector<cl_uchar> pixels(kWidth * kHeight * 4);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<cl_uchar>(i * 7);
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = kWidth;
  desc.image_height = kHeight;
  cl_int code = CL_SUCCESS;
  cl_mem from = clCreateImage(t.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, &format, &desc,
                              pixels.data(), &code);
  need(code, "clCreateImage");
  cl_mem to = clCreateImage(t.context, CL_MEM_READ_WRITE, &format, &desc, nullptr, &code);
  need(code, "clCreateImage");
  cl_sampler sampler =
      clCreateSampler(t.context, CL_FALSE, CL_ADDRESS_CLAMP_TO_EDGE, CL_FILTER_NEAREST, &code);
  need(code, "clCreateSampler");
  cl_kernel shade = t.kernel("shade");
  const size_t global[2] = {kWidth, kHeight}, origin[3] = {}, region[3] = {kWidth, kHeight, 1};
  for (cl_uint round = 0; round < 5; ++round) {
    set(shade, 0, from);
    set(shade, 1, to);
    set(shade, 2, sampler);
    cl_command_queue queue = t.queues[(round + 1) % kDevices];
    need(clEnqueueNDRangeKernel(queue, shade, 2, nullptr, global, nullptr, 0, nullptr, nullptr),
         "clEnqueueNDRangeKernel");
    need(clFinish(queue), "clFinish");
    std::swap(from, to);
  }
  for (cl_uint i = 0; i < kDevices; ++i) {
    std::vector<cl_uchar> back(pixels.size());
    need(clEnqueueReadImage(t.queues[i], from, CL_TRUE, origin, region, 0, 0, back.data(), 0,
                            nullptr, nullptr),
         "clEnqueueReadImage");
    unsigned sum = 0;
    for (cl_uchar byte : back) sum = sum * 31 + byte;
    std::printf("image read on %u: %u\n", i, sum);
  }
  cl_mem buffer = t.buffer(kWidth * kHeight);
  need(
      clEnqueueCopyImageToBuffer(t.queues[2], from, buffer, origin, region, 0, 0, nullptr, nullptr),
      "clEnqueueCopyImageToBuffer");
  t.finish();
  std::printf("image in a buffer: %u\n", sum_of(t.read(1, buffer, kWidth * kHeight)));
  size_t width = 0;
  need(clGetImageInfo(from, CL_IMAGE_WIDTH, sizeof width, &width, nullptr), "clGetImageInfo");
  std::printf("image is %zu wide\n", width);
  clReleaseKernel(shade);
  clReleaseSampler(sampler);
  for (cl_mem each : {from, to, buffer}) clReleaseMemObject(each);
}

void CL_CALLBACK notify(cl_event, cl_int status, void* data) {
  *static_cast<volatile int*>(data) = status == CL_COMPLETE ? 1 : status;
}

// A chain over the devices that nobody waits for but its own events, begun by a user event.
void events(Tour& t) {
  constexpr size_t kCount = 2048;
  cl_int code = CL_SUCCESS;
  const auto values = row(kCount, 3);
  cl_mem data = t.buffer(kCount, values.data());
  cl_kernel count = t.kernel("count");
  cl_event go = clCreateUserEvent(t.context, &code);
  need(code, "clCreateUserEvent");
  cl_event last = go;
  for (cl_uint i = 0; i < 12; ++i) {
    set(count, 0, data);
    set(count, 1, i + 1);
    cl_event next = nullptr;
    need(clEnqueueNDRangeKernel(t.queues[(i * 2) % kDevices], count, 1, nullptr, &kCount, nullptr,
                                1, &last, &next),
         "clEnqueueNDRangeKernel");
    if (i != 0) clReleaseEvent(last);
    last = next;
  }
  static volatile int told = 0;
  need(clSetEventCallback(last, CL_COMPLETE, notify, const_cast<int*>(&told)), "callback");
  cl_event marker = nullptr;
  need(clEnqueueMarkerWithWaitList(t.queues[2], 1, &last, &marker), "marker");
  cl_int status = 0;
  need(clGetEventInfo(marker, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr),
       "status");
  std::printf("before: ended %d\n", status == CL_COMPLETE);
  need(clSetUserEventStatus(go, CL_COMPLETE), "clSetUserEventStatus");
  need(clWaitForEvents(1, &marker), "clWaitForEvents");
  need(clGetEventInfo(last, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr),
       "status");
  std::printf("after: status %d, counted %u\n", status, sum_of(t.read(1, data, kCount)));
  while (told == 0) {
  }
  std::printf("called back: %d\n", told);
  cl_command_type type = 0;
  need(clGetEventInfo(last, CL_EVENT_COMMAND_TYPE, sizeof type, &type, nullptr), "type");
  std::printf("type %#x\n", type);
  for (cl_event each : {go, last, marker}) clReleaseEvent(each);
  // One that fails takes with it what waits for it on another device.
  cl_event bad = clCreateUserEvent(t.context, &code), after = nullptr, then = nullptr;
  need(clEnqueueMarkerWithWaitList(t.queues[0], 1, &bad, &after), "marker");
  need(clEnqueueMarkerWithWaitList(t.queues[1], 1, &after, &then), "marker");
  need(clSetUserEventStatus(bad, -5), "clSetUserEventStatus");
  code = clWaitForEvents(1, &then);
  need(clGetEventInfo(then, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr),
       "status");
  std::printf("failed: wait %d, negative %d\n", code, status < 0);
  for (cl_event each : {bad, after, then}) clReleaseEvent(each);
  clReleaseKernel(count);
  clReleaseMemObject(data);
}

// Built with other options for one device, where that fails.
void build(Tour& t) {
  const char* source =
      "#ifdef BROKEN\nthis is no program\n#endif\n"
      "__kernel void one(__global uint* x) { x[get_global_id(0)] = 1; }";
  cl_int code = CL_SUCCESS;
  cl_program program = clCreateProgramWithSource(t.context, 1, &source, nullptr, &code);
  need(code, "clCreateProgramWithSource");
  const cl_int broken = clBuildProgram(program, 1, &t.devices[1], "-DBROKEN", nullptr, nullptr);
  std::printf("built for one: %d\n", broken);
  size_t log = 0;
  cl_build_status status = CL_BUILD_NONE;
  need(clGetProgramBuildInfo(program, t.devices[1], CL_PROGRAM_BUILD_STATUS, sizeof status, &status,
                             nullptr),
       "status");
  need(clGetProgramBuildInfo(program, t.devices[1], CL_PROGRAM_BUILD_LOG, 0, nullptr, &log), "log");
  std::printf("device 1: status %d, says why %d\n", status, log > 1);
  need(clBuildProgram(program, 0, nullptr, "-DFINE", nullptr, nullptr), "clBuildProgram");
  for (cl_uint i = 0; i < kDevices; ++i) {
    char options[32] = {};
    need(clGetProgramBuildInfo(program, t.devices[i], CL_PROGRAM_BUILD_STATUS, sizeof status,
                               &status, nullptr),
         "status");
    need(clGetProgramBuildInfo(program, t.devices[i], CL_PROGRAM_BUILD_OPTIONS, sizeof options,
                               options, nullptr),
         "options");
    std::printf("device %u: status %d with %s\n", i, status, options);
  }
  cl_kernel kernel = clCreateKernel(program, "one", &code);
  std::printf("kernel: %d\n", code);
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

// Many short kernels on all devices, on memory of their own and on shared memory in turn.
void count(Tour& t) {
  constexpr size_t kCount = 256;
  const std::vector<cl_uint> zeros(kCount);
  cl_mem shared = t.buffer(kCount, zeros.data());
  cl_mem own[kDevices];
  for (cl_mem& each : own) each = t.buffer(kCount, zeros.data());
  cl_kernel kernel = t.kernel("count");
  cl_uint added = 0;
  for (cl_uint round = 0; round < 20; ++round) {
    for (cl_uint i = 0; i < kDevices; ++i) {
      set(kernel, 0, own[i]);
      for (cl_uint n = 0; n < 10; ++n) {
        set(kernel, 1, n + i);
        need(clEnqueueNDRangeKernel(t.queues[i], kernel, 1, nullptr, &kCount, nullptr, 0, nullptr,
                                    nullptr),
             "clEnqueueNDRangeKernel");
        if (i == 2) need(clEnqueueBarrierWithWaitList(t.queues[i], 0, nullptr, nullptr), "barrier");
      }
    }
    const cl_uint on = round % kDevices;
    set(kernel, 0, shared);
    set(kernel, 1, round);
    added += round;
    need(clEnqueueNDRangeKernel(t.queues[on], kernel, 1, nullptr, &kCount, nullptr, 0, nullptr,
                                nullptr),
         "clEnqueueNDRangeKernel");
    need(clFinish(t.queues[on]), "clFinish");
  }
  t.finish();
  std::printf("shared %u of %u", t.read(0, shared, kCount)[17], added);
  for (cl_uint i = 0; i < kDevices; ++i)
    std::printf(", own %u", t.read((i + 1) % kDevices, own[i], kCount)[200]);
  std::printf("\n");
  clReleaseKernel(kernel);
  for (cl_mem each : own) clReleaseMemObject(each);
  clReleaseMemObject(shared);
}

void maps(Tour& t) {
  constexpr size_t kCount = 5000;
  const auto values = row(kCount, 11);
  std::vector<cl_uint> own = row(kCount, 23);
  cl_mem both[] = {t.buffer(kCount, values.data()),
                   t.buffer(kCount, own.data(), CL_MEM_USE_HOST_PTR | CL_MEM_READ_WRITE)};
  cl_kernel kernel = t.kernel("count");
  for (cl_mem data : both) {
    set(kernel, 0, data);
    set(kernel, 1, cl_uint{5});
    need(clEnqueueNDRangeKernel(t.queues[0], kernel, 1, nullptr, &kCount, nullptr, 0, nullptr,
                                nullptr),
         "clEnqueueNDRangeKernel");
    t.finish();
    cl_int code = CL_SUCCESS;
    auto* at = static_cast<cl_uint*>(clEnqueueMapBuffer(t.queues[1], data, CL_TRUE,
                                                        CL_MAP_READ | CL_MAP_WRITE, 40, 4000, 0,
                                                        nullptr, nullptr, &code));
    need(code, "clEnqueueMapBuffer");
    cl_uint mapped = 0;
    need(clGetMemObjectInfo(data, CL_MEM_MAP_COUNT, sizeof mapped, &mapped, nullptr), "map count");
    std::printf("mapped %u: %u %u\n", mapped, at[0], at[999]);
    if (data == both[1]) std::printf("in the program's memory: %d\n", at == own.data() + 10);
    at[3] = 77;
    // By the queue of another device.
    need(clEnqueueUnmapMemObject(t.queues[2], data, at, 0, nullptr, nullptr), "unmap");
    t.finish();
    std::printf("unmapped: %u, %u\n", sum_of(t.read(0, data, kCount)), t.read(2, data, 20)[13]);
    std::printf("again: %d\n",
                clEnqueueUnmapMemObject(t.queues[2], data, at, 0, nullptr, nullptr) == CL_SUCCESS);
    clReleaseMemObject(data);
  }
  clReleaseKernel(kernel);
}

void errors(Tour& t) {
  cl_int code = CL_SUCCESS;
  const cl_context own = clCreateContext(nullptr, 1, &t.devices[1], nullptr, nullptr, &code);
  need(code, "clCreateContext");
  cl_command_queue queue = clCreateCommandQueueWithProperties(own, t.devices[1], nullptr, &code);
  need(code, "clCreateCommandQueueWithProperties");
  cl_mem there = clCreateBuffer(own, 0, 64, nullptr, &code);
  cl_mem here = t.buffer(16);
  cl_uint word = 0;
  std::printf("buffer of another context: %d\n",
              clEnqueueReadBuffer(t.queues[0], there, CL_TRUE, 0, 4, &word, 0, nullptr, nullptr) !=
                  CL_SUCCESS);
  std::printf("and the other way: %d\n", clEnqueueReadBuffer(queue, here, CL_TRUE, 0, 4, &word, 0,
                                                             nullptr, nullptr) != CL_SUCCESS);
  std::printf("too far: %d\n",
              clEnqueueReadBuffer(t.queues[1], here, CL_TRUE, 60, 8, &word, 0, nullptr, nullptr));
  clCreateCommandQueueWithProperties(own, t.devices[0], nullptr, &code);
  std::printf("queue of a device that is not in it: %d\n", code);
  clCreateBuffer(t.context, 0, 0, nullptr, &code);
  std::printf("buffer of nothing: %d\n", code);
  clCreateBuffer(t.context, CL_MEM_COPY_HOST_PTR, 4, nullptr, &code);
  std::printf("copy of nothing: %d\n", code);
  clCreateBuffer(t.context, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 4, nullptr, &code);
  std::printf("two kinds of access: %d\n", code);
  const auto values = row(64, 2);
  cl_mem closed = t.buffer(64, values.data(), CL_MEM_HOST_NO_ACCESS);
  cl_kernel add = t.kernel("count");
  const size_t size = 64;
  for (cl_uint i = 0; i < kDevices; ++i) {
    set(add, 0, closed);
    set(add, 1, i + 1);
    need(clEnqueueNDRangeKernel(t.queues[i], add, 1, nullptr, &size, nullptr, 0, nullptr, nullptr),
         "clEnqueueNDRangeKernel");
    need(clFinish(t.queues[i]), "clFinish");
  }
  std::printf("closed to the program: %d\n",
              clEnqueueReadBuffer(t.queues[1], closed, CL_TRUE, 0, 4, &word, 0, nullptr, nullptr));
  cl_mem open = t.buffer(64);
  need(clEnqueueCopyBuffer(t.queues[0], closed, open, 0, 0, 256, 0, nullptr, nullptr), "copy");
  std::printf("what is in it: %u\n", sum_of(t.read(0, open, 64)));
  clReleaseKernel(add);
  clReleaseMemObject(closed);
  clReleaseMemObject(open);
  clCreateKernel(t.program, "nothing", &code);
  std::printf("kernel without a name: %d\n", code);
  cl_kernel kernel = t.kernel("count");
  std::printf("argument 9: %d\n", clSetKernelArg(kernel, 9, sizeof here, &here));
  std::printf("argument of 3 bytes: %d\n", clSetKernelArg(kernel, 1, 3, &word));
  const size_t one = 1;
  clReleaseKernel(kernel);
  kernel = t.kernel("count");
  std::printf(
      "launch without arguments: %d\n",
      clEnqueueNDRangeKernel(t.queues[2], kernel, 1, nullptr, &one, nullptr, 0, nullptr, nullptr));
  std::printf("no events: %d\n", clWaitForEvents(0, nullptr));
  clReleaseKernel(kernel);
  clReleaseMemObject(here);
  clReleaseMemObject(there);
  clReleaseCommandQueue(queue);
  clReleaseContext(own);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::pair<std::string, void (*)(Tour&)>> all = {
      {"info", info},     {"buffers", buffers}, {"parts", parts},
      {"images", images}, {"events", events},   {"build", build},
      {"count", count},   {"maps", maps},       {"errors", errors}};
  Tour tour;
  for (const auto& [name, part] : all) {
    bool chosen = argc == 1;
    for (int i = 1; i < argc; ++i) chosen |= name == argv[i];
    if (!chosen) continue;
    std::printf("-- %s\n", name.c_str());
    part(tour);
    std::fflush(stdout);
  }
  std::printf("done\n");
  return 0;
}
