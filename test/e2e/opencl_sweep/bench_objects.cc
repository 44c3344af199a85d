// What the Bench makes calls with.
#include <algorithm>
#include <cstring>

#include "test/e2e/opencl_sweep/bench.h"

namespace flexai::test {

namespace {

constexpr size_t kBufferBytes = 4096;
constexpr size_t kSide = 16;  // of images
constexpr size_t kMostBinary = 16u << 20;
constexpr const char* kInfoOptions = "-cl-kernel-arg-info";

// A handle of the table's clCreate*; the cases say what errors are, here there are none.
cl_context new_context_of(const driver::opencl::Table& table, cl_device_id device) {
  return table.clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
}

}  // namespace

const char* const kSource =
    "__kernel void advance(__global uint* data, uint by) {\n"
    "  size_t i = get_global_id(0);\n"
    "  data[i] = (uint)i * 3u + by;\n"
    "}\n"
    "__kernel void local_sum(__global uint* out, __local uint* part) {\n"
    "  part[get_local_id(0)] = (uint)get_global_id(0);\n"
    "  barrier(CLK_LOCAL_MEM_FENCE);\n"
    "  out[get_global_id(0)] = part[0];\n"
    "}\n"
    "__kernel void look(read_only image2d_t image, sampler_t how, __global uint* out) {\n"
    "  out[0] = read_imageui(image, how, (int2)(1, 1)).x;\n"
    "}\n"
    "__kernel void pairs(__global uint* out, int2 pair) { out[0] = (uint)(pair.x + pair.y); }\n"
    "__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void sized(__global uint* out) {\n"
    "  out[get_global_id(0)] = 4;\n"
    "}\n";

Bench::Bench(const Table& table, cl_platform_id platform, cl_device_id device)
    : table_(table), platform_(platform), device_(device) {
  names_kept_ = {{platform, "platform"}, {device, "device"}};
  cl_context_properties list[] = {CL_CONTEXT_PLATFORM, number(platform), 0};
  context_ = table_.clCreateContext(list, 1, &device_, nullptr, nullptr, nullptr);
  names_kept_[context_] = "context";
  clean_ = make_queue(context_, 0);
  program_ = make_program(context_, kSource, kInfoOptions);
  names_kept_[program_] = "program";
}

cl_context Bench::context() { return context_; }
cl_program Bench::program() { return program_; }

cl_context Bench::foreign() {
  if (foreign_ == nullptr) {
    foreign_ = new_context_of(table_, device_);
    names_kept_[foreign_] = "foreign context";
  }
  return foreign_;
}

cl_context Bench::new_context() {
  cl_context made = new_context_of(table_, device_);
  adopt(made);
  return made;
}

cl_device_id Bench::sub_device() {
  if (sub_device_ != nullptr) return sub_device_;
  const cl_device_partition_property how[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
  cl_device_id parts[8] = {};
  table_.clCreateSubDevices(device_, how, 8, parts, nullptr);
  for (size_t i = 0; i < 8 && parts[i] != nullptr; ++i) {
    note(parts[i], "part " + std::to_string(i));
    adopt(parts[i]);
  }
  return sub_device_ = parts[0];
}

// Queues

cl_command_queue Bench::make_queue(cl_context context, cl_command_queue_properties properties) {
  const cl_queue_properties list[] = {CL_QUEUE_PROPERTIES, properties, 0};
  return table_.clCreateCommandQueueWithProperties(context, device_,
                                                   properties == 0 ? nullptr : list, nullptr);
}

cl_command_queue Bench::queue() {
  if (queue_ != nullptr) return queue_;
  queue_ = make_queue(context_, 0);
  note(queue_, "queue");
  adopt(queue_);
  return queue_;
}

cl_command_queue Bench::out_of_order() {
  if (out_of_order_ != nullptr) return out_of_order_;
  out_of_order_ =
      make_queue(context_, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE);
  note(out_of_order_, "out of order queue");
  adopt(out_of_order_);
  return out_of_order_;
}

cl_command_queue Bench::foreign_queue() {
  if (foreign_queue_ != nullptr) return foreign_queue_;
  foreign_queue_ = make_queue(foreign(), 0);
  note(foreign_queue_, "foreign queue");
  adopt(foreign_queue_);
  return foreign_queue_;
}

// Memory

cl_mem Bench::make_buffer(cl_context context, cl_mem_flags flags, void* host, const char* name) {
  cl_mem made = table_.clCreateBuffer(context, flags, kBufferBytes, host, nullptr);
  note(made, name);
  adopt(made);
  return made;
}

cl_mem Bench::buffer(size_t which) {
  cl_mem& known = buffers_[which];
  if (known == nullptr)
    known = make_buffer(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, host(10 + which),
                        ("buffer " + std::to_string(which)).c_str());
  return known;
}

cl_mem Bench::foreign_buffer() {
  if (foreign_buffer_ == nullptr)
    foreign_buffer_ =
        make_buffer(foreign(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, host(3), "foreign buffer");
  return foreign_buffer_;
}

cl_mem Bench::sub_buffer() {
  if (sub_buffer_ != nullptr) return sub_buffer_;
  const cl_buffer_region region = {1024, 512};
  sub_buffer_ = table_.clCreateSubBuffer(buffer(0), CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION,
                                         &region, nullptr);
  note(sub_buffer_, "part of buffer 0");
  adopt(sub_buffer_);
  return sub_buffer_;
}

cl_mem Bench::read_only_buffer() {
  return make_buffer(context_, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, host(3), "read only");
}

cl_mem Bench::using_buffer() {
  if (using_ == nullptr) using_ = make_buffer(context_, CL_MEM_USE_HOST_PTR, host(2), "user's");
  return using_;
}

cl_mem Bench::host_buffer(cl_mem_flags flags) {
  return make_buffer(context_, flags | CL_MEM_COPY_HOST_PTR, host(3), "of the host's");
}

cl_mem Bench::passing_buffer() {
  return passing_ = table_.clCreateBuffer(context_, CL_MEM_READ_WRITE, 64, nullptr, nullptr);
}

void Bench::end_passing() {
  table_.clReleaseMemObject(passing_);
  passing_ = nullptr;
}

cl_mem Bench::image(size_t which) {
  cl_mem& known = images_[which];
  if (known != nullptr) return known;
  const cl_image_format format = {CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = desc.image_height = kSide;
  known = table_.clCreateImage(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, &format, &desc,
                               host(20 + which), nullptr);
  note(known, "image " + std::to_string(which));
  adopt(known);
  return known;
}

cl_mem Bench::float_image() {
  const cl_image_format format = {CL_RGBA, CL_FLOAT};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = desc.image_height = kSide;
  cl_mem made = table_.clCreateImage(context_, CL_MEM_READ_WRITE, &format, &desc, nullptr, nullptr);
  adopt(made);
  return made;
}

void* Bench::map(cl_mem mem) {
  return table_.clEnqueueMapBuffer(queue(), mem, CL_TRUE, CL_MAP_READ, 0, 1024, 0, nullptr, nullptr,
                                   nullptr);
}

void* Bench::map_image(cl_mem mem) {
  const size_t origin[] = {0, 0, 0}, region[] = {kSide, kSide, 1};
  size_t row = 0;
  return table_.clEnqueueMapImage(queue(), mem, CL_TRUE, CL_MAP_READ, origin, region, &row, nullptr,
                                  0, nullptr, nullptr, nullptr);
}

void* Bench::shared_memory() {
  if (shared_memory_ != nullptr) return shared_memory_;
  shared_memory_ = table_.clSVMAlloc(context_, CL_MEM_READ_WRITE, 1024, 0);
  if (shared_memory_ == nullptr) return host(4);
  releases_.push_back([this] {
    if (shared_memory_ != nullptr) table_.clSVMFree(context_, shared_memory_);
  });
  return shared_memory_;
}

cl_sampler Bench::sampler() {
  cl_sampler made =
      table_.clCreateSampler(context_, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, nullptr);
  note(made, "sampler");
  adopt(made);
  return made;
}

cl_sampler Bench::listed_sampler() {
  const cl_sampler_properties list[] = {CL_SAMPLER_FILTER_MODE, CL_FILTER_NEAREST, 0};
  cl_sampler made = table_.clCreateSamplerWithProperties(context_, list, nullptr);
  adopt(made);
  return made;
}

// Programs and kernels

cl_program Bench::make_program(cl_context context, const char* text, const char* options) {
  cl_program made = table_.clCreateProgramWithSource(context, 1, &text, nullptr, nullptr);
  if (options != nullptr) table_.clBuildProgram(made, 1, &device_, options, nullptr, nullptr);
  return made;
}

cl_program Bench::source(const char* text) {
  cl_program made = make_program(context_, text, nullptr);
  note(made, "source");
  adopt(made);
  return made;
}

cl_program Bench::compiled(const char* text) {
  cl_program made = source(text);
  table_.clCompileProgram(made, 1, &device_, "", 0, nullptr, nullptr, nullptr, nullptr);
  return made;
}

void Bench::build(cl_program program) {
  table_.clBuildProgram(program, 1, &device_, "", nullptr, nullptr);
}

const unsigned char** Bench::binaries() {
  if (!binaries_.empty()) return binaries_.data();
  size_t size = 0;
  table_.clGetProgramInfo(program_, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, nullptr);
  binary_sizes_ = {size = std::min(size, kMostBinary)};
  binary_bytes_.emplace_back(size + 1);
  unsigned char* place = binary_bytes_[0].data();
  table_.clGetProgramInfo(program_, CL_PROGRAM_BINARIES, sizeof place, &place, nullptr);
  binaries_ = {place};
  return binaries_.data();
}

const size_t* Bench::binary_sizes() {
  binaries();
  return binary_sizes_.data();
}

cl_program Bench::from_binary() {
  const unsigned char** all = binaries();
  cl_program made = table_.clCreateProgramWithBinary(context_, 1, &device_, binary_sizes(), all,
                                                     nullptr, nullptr);
  adopt(made);
  return made;
}

cl_kernel Bench::kernel_named(const char* name) {
  cl_kernel made = table_.clCreateKernel(program_, name, nullptr);
  note(made, name);
  adopt(made);
  return made;
}

cl_kernel Bench::kernel() {
  if (kernel_ != nullptr) return kernel_;
  kernel_ = kernel_named("advance");
  const cl_mem data = buffer(7);
  const cl_uint by = 5;
  table_.clSetKernelArg(kernel_, 0, sizeof data, &data);
  table_.clSetKernelArg(kernel_, 1, sizeof by, &by);
  return kernel_;
}

cl_kernel Bench::plain_kernel() {
  cl_program made = make_program(context_, kSource, "");
  adopt(made);
  cl_kernel kernel = table_.clCreateKernel(made, "advance", nullptr);
  adopt(kernel);
  return kernel;
}

cl_kernel Bench::sized_kernel() {
  cl_kernel made = kernel_named("sized");
  const cl_mem data = buffer(7);
  table_.clSetKernelArg(made, 0, sizeof data, &data);
  return made;
}

cl_kernel Bench::local_kernel() {
  cl_kernel made = kernel_named("local_sum");
  const cl_mem data = buffer(7);
  table_.clSetKernelArg(made, 0, sizeof data, &data);
  table_.clSetKernelArg(made, 1, 256, nullptr);
  return made;
}

cl_kernel Bench::foreign_kernel() {
  cl_program program = make_program(foreign(), kSource, "");
  adopt(program);
  cl_kernel made = table_.clCreateKernel(program, "advance", nullptr);
  adopt(made);
  const cl_mem data = foreign_buffer();
  const cl_uint by = 5;
  table_.clSetKernelArg(made, 0, sizeof data, &data);
  table_.clSetKernelArg(made, 1, sizeof by, &by);
  return made;
}

// Events

cl_event Bench::marker() {
  cl_event made = nullptr;
  table_.clEnqueueMarkerWithWaitList(queue(), 0, nullptr, &made);
  note(made, "marker");
  adopt(made);
  return made;
}

cl_event Bench::event() {
  if (event_ != nullptr) return event_;
  event_ = marker();
  table_.clWaitForEvents(1, &event_);
  note(event_, "event");
  return event_;
}

cl_event Bench::profiled_event() {
  const cl_uint zero = 0;
  cl_event made = nullptr;
  table_.clEnqueueFillBuffer(out_of_order(), buffer(3), &zero, sizeof zero, 0, 64, 0, nullptr,
                             &made);
  table_.clWaitForEvents(1, &made);
  adopt(made);
  return made;
}

cl_event Bench::user_event() {
  cl_event made = table_.clCreateUserEvent(context_, nullptr);
  note(made, "user event");
  adopt(made);
  users_.push_back(made);
  return made;
}

cl_event Bench::waiting_event() {
  const cl_event first = user_event();
  cl_event made = nullptr;
  table_.clEnqueueMarkerWithWaitList(out_of_order(), 1, &first, &made);
  adopt(made);
  return made;
}

cl_event Bench::failed_event() {
  cl_event made = user_event();
  table_.clSetUserEventStatus(made, CL_OUT_OF_RESOURCES);
  return made;
}

cl_event Bench::foreign_event() {
  cl_event made = table_.clCreateUserEvent(foreign(), nullptr);
  adopt(made);
  complete(made);
  return made;
}

void Bench::complete(cl_event user_event) { table_.clSetUserEventStatus(user_event, CL_COMPLETE); }

void Bench::complete_later(cl_event user_event) { later_.push_back(user_event); }

cl_event Bench::complete_soon(cl_event user_event) {
  threads_.emplace_back([this, user_event] {
    if (!quick_) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    complete(user_event);
  });
  return user_event;
}

// Command buffers

cl_command_buffer_khr Bench::command_buffer() {
  if (command_buffer_ != nullptr || table_.clCreateCommandBufferKHR == nullptr)
    return command_buffer_;
  const cl_command_queue on = queue();
  command_buffer_ = table_.clCreateCommandBufferKHR(1, &on, nullptr, nullptr);
  note(command_buffer_, "command buffer");
  adopt(command_buffer_);
  const cl_uint seven = 7;
  table_.clCommandFillBufferKHR(command_buffer_, nullptr, buffer(6), &seven, sizeof seven, 0, 256,
                                0, nullptr, &sync_point_, nullptr);
  return command_buffer_;
}

cl_command_buffer_khr Bench::finalized() {
  table_.clFinalizeCommandBufferKHR(command_buffer());
  return command_buffer_;
}

// Handles of what is gone

void* Bench::released_of(cl_context) {
  cl_context made = new_context_of(table_, device_);
  table_.clReleaseContext(made);
  return made;
}

void* Bench::released_of(cl_command_queue) {
  cl_command_queue made = make_queue(context_, 0);
  table_.clReleaseCommandQueue(made);
  return made;
}

void* Bench::released_of(cl_mem) {
  cl_mem made = table_.clCreateBuffer(context_, CL_MEM_READ_WRITE, 4096, nullptr, nullptr);
  table_.clReleaseMemObject(made);
  return made;
}

void* Bench::released_of(cl_sampler) {
  cl_sampler made =
      table_.clCreateSampler(context_, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, nullptr);
  table_.clReleaseSampler(made);
  return made;
}

void* Bench::released_of(cl_program) {
  cl_program made = make_program(context_, kSource, nullptr);
  table_.clReleaseProgram(made);
  return made;
}

void* Bench::released_of(cl_kernel) {
  cl_kernel made = table_.clCreateKernel(program_, "advance", nullptr);
  table_.clReleaseKernel(made);
  return made;
}

void* Bench::released_of(cl_event) {
  cl_event made = table_.clCreateUserEvent(context_, nullptr);
  complete(made);
  table_.clReleaseEvent(made);
  return made;
}

void* Bench::released_of(cl_command_buffer_khr) {
  if (table_.clCreateCommandBufferKHR == nullptr) return nullptr;
  const cl_command_queue on = queue();
  cl_command_buffer_khr made = table_.clCreateCommandBufferKHR(1, &on, nullptr, nullptr);
  table_.clReleaseCommandBufferKHR(made);
  return made;
}

// Memory of the program

void* Bench::room(size_t size, int byte) {
  rooms_.emplace_back(new unsigned char[size + 64]);
  std::memset(rooms_.back().get(), byte, size + 64);
  return rooms_.back().get();
}

unsigned char* Bench::host(size_t which) {
  unsigned char*& known = hosts_[which];
  if (known != nullptr) return known;
  // Some calls with wrong pitches write a few bytes before it, natively too.
  auto* at = static_cast<unsigned char*>(room(kBufferBytes + 2 * 4096, 0)) + 64;
  // As drivers like it for memory that they use.
  at += (4096 - reinterpret_cast<uintptr_t>(at) % 4096) % 4096;
  for (size_t i = 0; i < kBufferBytes; ++i)
    at[i] = static_cast<unsigned char>((i * 2654435761u + which * 97) >> 7);
  note(at, "host " + std::to_string(which));
  return known = at;
}

cl_image_format* Bench::format(cl_channel_order order, cl_channel_type type) {
  return row<cl_image_format>({{order, type}});
}

cl_image_desc* Bench::desc(cl_mem_object_type type, size_t width, size_t height, size_t depth,
                           size_t sheets, cl_mem of) {
  cl_image_desc made{};
  made.image_type = type;
  made.image_width = width;
  made.image_height = height;
  made.image_depth = depth;
  made.image_array_size = sheets;
  made.mem_object = of;
  return desc_ = row<cl_image_desc>({made});
}

const char** Bench::texts(std::initializer_list<const char*> all) { return row<const char*>(all); }

}  // namespace flexai::test
