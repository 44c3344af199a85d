// How the Bench says what came of a call, and how a case ends.
#include "test/e2e/opencl_sweep/bench.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "test/e2e/opencl_entries/session.h"

namespace flexai::test {

namespace {

constexpr size_t kRoom = 8192;
constexpr size_t kNoSize = ~size_t{0} - 1;
constexpr size_t kMostHex = 64;
constexpr size_t kMostSide = 64;  // of images that calls make
constexpr auto kCalledSoon = std::chrono::milliseconds(400);
constexpr auto kNeverCalled = std::chrono::milliseconds(20);

void count(void* calls) {
  if (calls != nullptr) static_cast<std::atomic<int>*>(calls)->fetch_add(1);
}

}  // namespace

void CL_CALLBACK on_context(const char*, const void*, size_t, void* calls) { count(calls); }
void CL_CALLBACK on_context_end(cl_context, void* calls) { count(calls); }
void CL_CALLBACK on_event(cl_event, cl_int, void* calls) { count(calls); }
void CL_CALLBACK on_mem(cl_mem, void* calls) { count(calls); }
void CL_CALLBACK on_program(cl_program, void* calls) { count(calls); }
void CL_CALLBACK on_native(void*) {}

void Bench::say(const char* format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  std::printf("  %s\n", text);
}

std::string Bench::name_of(const void* handle) const {
  if (handle == nullptr) return "null";
  for (const auto* names : {&names_, &names_kept_}) {
    const auto found = names->find(handle);
    if (found != names->end()) return found->second;
  }
  return "an unknown handle";
}

void Bench::absent() { say("absent"); }

void Bench::code(cl_int code) {
  if (code != CL_SUCCESS) failed_ = true;
  say("code %s", code == kUntouched ? "untouched" : error_name(code).c_str());
}

std::atomic<int>* Bench::calls() {
  calls_wanted_ = true;
  return &calls_;
}

// Callbacks come from other threads; one that does not come is known only by waiting.
void Bench::called() {
  if (!calls_wanted_) return;
  calls_wanted_ = false;
  for (cl_event each : later_) complete(each);
  later_.clear();
  const auto end = std::chrono::steady_clock::now() + (failed_ ? kNeverCalled : kCalledSoon);
  while (!quick_ && calls_.load() == 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  say("called %d times", calls_.load());
}

void Bench::ended(cl_event event) {
  if (event == nullptr) return say("no event");
  adopt(event);
  const cl_int waited = table_.clWaitForEvents(1, &event);
  cl_int status = kUntouched;
  cl_command_type type = 0;
  table_.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
  table_.clGetEventInfo(event, CL_EVENT_COMMAND_TYPE, sizeof type, &type, nullptr);
  say("event of %#x ended %d, waiting %s", type, status, error_name(waited).c_str());
}

void Bench::bytes(const char* name, const void* at, size_t size) {
  std::string line = name;
  line += " ";
  const auto* from = static_cast<const unsigned char*>(at);
  if (std::all_of(from, from + size, [](unsigned char c) { return c == kUntouchedByte; }))
    return say("%s untouched", name);
  if (size > kMostHex) return say("%s %s", name, fingerprint(at, size).c_str());
  char hex[3];
  for (size_t i = 0; i < size; ++i) {
    std::snprintf(hex, sizeof hex, "%02x", from[i]);
    line += hex;
  }
  say("%s", line.c_str());
}

// Handles by their names, text as text.
void Bench::say_value(const unsigned char* at, size_t size) {
  bool named = false;
  std::string line = "value";
  for (size_t i = 0; size % 8 == 0 && i < size; i += 8) {
    const void* word = nullptr;
    std::memcpy(&word, at + i, sizeof word);
    const std::string name = name_of(word);
    named |= name != "null" && name != "an unknown handle";
    char number[24];
    std::snprintf(number, sizeof number, " %#zx", reinterpret_cast<size_t>(word));
    line += name == "null" ? " 0" : name == "an unknown handle" ? number : " <" + name + ">";
  }
  if (named) return say("%s", line.c_str());
  const bool text = size > 1 && at[size - 1] == 0 && std::all_of(at, at + size - 1, [](auto c) {
                      return std::isprint(c) != 0 || c == '\n' || c == '\t';
                    });
  if (!text) return bytes("value", at, size);
  std::string words(reinterpret_cast<const char*>(at));
  std::replace(words.begin(), words.end(), '\n', '|');
  say("value \"%s\"", words.c_str());
}

void Bench::info(const Query& query, Ask ask, bool hide) {
  std::vector<unsigned char> value(kRoom, kUntouchedByte);
  std::vector<std::vector<unsigned char>> places;
  std::vector<unsigned char*> pointers;
  size_t size = kNoSize, needed = 0;
  cl_int result = CL_SUCCESS;
  switch (ask) {
    case Ask::kWhole:
      result = query(kRoom, value.data(), &size);
      break;
    case Ask::kShort:
      result = query(0, nullptr, &needed);
      if (result == CL_SUCCESS && needed != 0 && needed <= kRoom)
        result = query(needed - 1, value.data(), &size);
      break;
    case Ask::kSize:
      result = query(0, nullptr, &size);
      break;
    case Ask::kNothing:
      result = query(0, nullptr, nullptr);
      break;
    case Ask::kPointers:
      places.resize(4, std::vector<unsigned char>(1 << 20));
      for (auto& place : places) pointers.push_back(place.data());
      query(0, nullptr, &needed);
      result = query(std::min(needed, sizeof(void*) * pointers.size()), pointers.data(), &size);
      for (auto& place : places) bytes("pointed to", place.data(), place.size());
      break;
  }
  code(result);
  if (size == kNoSize) {
    say("size untouched");
  } else {
    say("size %zu", size);
  }
  const bool whole = ask == Ask::kWhole && result == CL_SUCCESS && size <= kRoom;
  if (whole && !hide && size != 0) say_value(value.data(), size);
  const auto rest = value.begin() + static_cast<std::ptrdiff_t>(whole ? size : 0);
  if (std::any_of(rest, value.end(), [](unsigned char c) { return c != kUntouchedByte; }))
    say("more was written");
}

void Bench::mapped(cl_command_queue on, cl_mem object, void* at, size_t size, cl_map_flags flags) {
  if (at == nullptr) return;
  say("%s", hosts_.count(2) != 0 && at >= hosts_[2] && at < hosts_[2] + 4096 ? "the user's memory"
                                                                             : "its own memory");
  if ((flags & CL_MAP_READ) != 0) bytes("mapped", at, size);
  if ((flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0) std::memset(at, 0x5a, size);
  code(table_.clEnqueueUnmapMemObject(on, object, at, 0, nullptr, nullptr));
  code(table_.clFinish(on));
}

void Bench::state_of(cl_program program) {
  called();
  cl_build_status status = kUntouched;
  cl_program_binary_type type = 0;
  size_t kernels = kNoSize;
  table_.clGetProgramBuildInfo(program, device_, CL_PROGRAM_BUILD_STATUS, sizeof status, &status,
                               nullptr);
  table_.clGetProgramBuildInfo(program, device_, CL_PROGRAM_BINARY_TYPE, sizeof type, &type,
                               nullptr);
  const cl_int counted =
      table_.clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof kernels, &kernels, nullptr);
  say("status %d type %u kernels %s", status, type, error_name(counted).c_str());
  if (counted == CL_SUCCESS) say("%zu kernels", kernels);
  cl_int made = kUntouched;
  cl_kernel kernel = table_.clCreateKernel(program, "advance", &made);
  say("a kernel of it: %s", error_name(made).c_str());
  if (kernel != nullptr) adopt(kernel);
}

void Bench::launch(cl_kernel kernel) {
  if (kernel == nullptr) return;
  const size_t items = 64;
  code(table_.clEnqueueNDRangeKernel(queue(), kernel, 1, nullptr, &items, nullptr, 0, nullptr,
                                     nullptr));
  code(table_.clFinish(queue()));
}

void Bench::replay(cl_command_buffer_khr buffer) {
  if (buffer == nullptr || buffer != command_buffer_) return;
  say("finalized %s", error_name(table_.clFinalizeCommandBufferKHR(buffer)).c_str());
  say("enqueued %s",
      error_name(table_.clEnqueueCommandBufferKHR(0, nullptr, buffer, 0, nullptr, nullptr))
          .c_str());
}

void Bench::shared(void* memory) {
  if (memory != nullptr)
    releases_.push_back([this, memory] { table_.clSVMFree(context_, memory); });
}

// What is said of objects that a call made

void Bench::describe(cl_mem mem) {
  cl_mem_object_type type = 0;
  cl_mem_flags flags = 0;
  size_t size = 0;
  cl_uint references = 0;
  table_.clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof type, &type, nullptr);
  table_.clGetMemObjectInfo(mem, CL_MEM_FLAGS, sizeof flags, &flags, nullptr);
  table_.clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof size, &size, nullptr);
  table_.clGetMemObjectInfo(mem, CL_MEM_REFERENCE_COUNT, sizeof references, &references, nullptr);
  say("memory of type %#x, flags %#zx, %zu bytes, %u references", type, static_cast<size_t>(flags),
      size, references);
  if ((flags & (CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR)) == 0 || size > (1u << 20)) return;
  std::vector<unsigned char> read(size);
  cl_int result = CL_SUCCESS;
  if (type == CL_MEM_OBJECT_BUFFER) {
    result =
        table_.clEnqueueReadBuffer(clean_, mem, CL_TRUE, 0, size, read.data(), 0, nullptr, nullptr);
  } else {
    size_t region[3] = {0, 0, 0};
    const size_t origin[3] = {};
    table_.clGetImageInfo(mem, CL_IMAGE_WIDTH, sizeof(size_t), &region[0], nullptr);
    table_.clGetImageInfo(mem, CL_IMAGE_HEIGHT, sizeof(size_t), &region[1], nullptr);
    table_.clGetImageInfo(mem, CL_IMAGE_DEPTH, sizeof(size_t), &region[2], nullptr);
    for (size_t& each : region) each = std::clamp<size_t>(each, 1, kMostSide);
    read.resize(std::max(size, region[0] * region[1] * region[2] * 16));
    result = table_.clEnqueueReadImage(clean_, mem, CL_TRUE, origin, region, 0, 0, read.data(), 0,
                                       nullptr, nullptr);
  }
  say("read %s", error_name(result).c_str());
  if (result == CL_SUCCESS) bytes("holds", read.data(), read.size());
}

void Bench::describe(cl_program program) {
  cl_uint devices = 0, references = 0;
  table_.clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof devices, &devices, nullptr);
  table_.clGetProgramInfo(program, CL_PROGRAM_REFERENCE_COUNT, sizeof references, &references,
                          nullptr);
  say("program of %u devices, %u references", devices, references);
  code(table_.clBuildProgram(program, 0, nullptr, "", nullptr, nullptr));
  state_of(program);
}

void Bench::describe(cl_kernel kernel) {
  char name[128] = {};
  cl_uint arguments = 0;
  table_.clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, nullptr);
  table_.clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof arguments, &arguments, nullptr);
  say("kernel %s of %u arguments", name, arguments);
}

void Bench::describe(cl_context context) {
  cl_uint devices = 0, references = 0;
  size_t properties = 0;
  table_.clGetContextInfo(context, CL_CONTEXT_NUM_DEVICES, sizeof devices, &devices, nullptr);
  table_.clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof references, &references,
                          nullptr);
  table_.clGetContextInfo(context, CL_CONTEXT_PROPERTIES, 0, nullptr, &properties);
  say("context of %u devices, %u references, %zu bytes of properties", devices, references,
      properties);
}

void Bench::describe(cl_command_queue queue) {
  cl_command_queue_properties properties = 0;
  cl_uint references = 0;
  table_.clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, nullptr);
  table_.clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof references, &references,
                               nullptr);
  say("queue with %#zx, %u references", static_cast<size_t>(properties), references);
  code(table_.clFinish(queue));
}

void Bench::describe(cl_sampler sampler) {
  cl_bool normalized = 77;
  cl_addressing_mode addressing = 0;
  cl_filter_mode filter = 0;
  table_.clGetSamplerInfo(sampler, CL_SAMPLER_NORMALIZED_COORDS, sizeof normalized, &normalized,
                          nullptr);
  table_.clGetSamplerInfo(sampler, CL_SAMPLER_ADDRESSING_MODE, sizeof addressing, &addressing,
                          nullptr);
  table_.clGetSamplerInfo(sampler, CL_SAMPLER_FILTER_MODE, sizeof filter, &filter, nullptr);
  say("sampler %u %#x %#x", normalized, addressing, filter);
}

void Bench::describe(cl_event event) {
  cl_int status = kUntouched;
  table_.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
  say("event of status %d", status);
  users_.push_back(event);
}

// The end of a case

void Bench::say_memory() {
  std::vector<unsigned char> read(4096);
  const size_t origin[3] = {}, region[3] = {16, 16, 1};
  for (const auto& [which, mem] : buffers_) {
    const cl_int result = table_.clEnqueueReadBuffer(clean_, mem, CL_TRUE, 0, read.size(),
                                                     read.data(), 0, nullptr, nullptr);
    if (result != CL_SUCCESS || std::memcmp(read.data(), host(10 + which), read.size()) != 0)
      say("buffer %zu %s %s", which, error_name(result).c_str(), fingerprint(read).c_str());
  }
  read.resize(1024);
  for (const auto& [which, mem] : images_) {
    const cl_int result = table_.clEnqueueReadImage(clean_, mem, CL_TRUE, origin, region, 0, 0,
                                                    read.data(), 0, nullptr, nullptr);
    if (result != CL_SUCCESS || std::memcmp(read.data(), host(20 + which), read.size()) != 0)
      say("image %zu %s %s", which, error_name(result).c_str(), fingerprint(read).c_str());
  }
}

bool Bench::close() {
  called();
  for (std::thread& each : threads_) each.join();
  for (cl_event each : users_) complete(each);
  for (cl_command_queue each : {queue_, out_of_order_})
    if (each != nullptr) say("finish %s", error_name(table_.clFinish(each)).c_str());
  say_memory();
  for (auto each = releases_.rbegin(); each != releases_.rend(); ++each) (*each)();
  releases_.clear();
  names_.clear();
  rooms_.clear();
  hosts_.clear();
  buffers_.clear();
  images_.clear();
  users_.clear();
  later_.clear();
  threads_.clear();
  desc_ = nullptr;
  sub_device_ = nullptr;
  queue_ = out_of_order_ = foreign_queue_ = nullptr;
  sub_buffer_ = foreign_buffer_ = passing_ = using_ = nullptr;
  kernel_ = nullptr;
  event_ = nullptr;
  command_buffer_ = nullptr;
  sync_point_ = 0;
  shared_memory_ = nullptr;
  calls_ = 0;
  failed_ = calls_wanted_ = false;
  return table_.clFinish(clean_) == CL_SUCCESS;
}

void Bench::adopt(cl_device_id device) {
  releases_.push_back([this, device] { table_.clReleaseDevice(device); });
}
void Bench::adopt(cl_context context) {
  if (context != nullptr)
    releases_.push_back([this, context] { table_.clReleaseContext(context); });
}
void Bench::adopt(cl_command_queue queue) {
  if (queue != nullptr) releases_.push_back([this, queue] { table_.clReleaseCommandQueue(queue); });
}
void Bench::adopt(cl_mem mem) {
  if (mem != nullptr) releases_.push_back([this, mem] { table_.clReleaseMemObject(mem); });
}
void Bench::adopt(cl_sampler sampler) {
  if (sampler != nullptr)
    releases_.push_back([this, sampler] { table_.clReleaseSampler(sampler); });
}
void Bench::adopt(cl_program program) {
  if (program != nullptr)
    releases_.push_back([this, program] { table_.clReleaseProgram(program); });
}
void Bench::adopt(cl_kernel kernel) {
  if (kernel != nullptr) releases_.push_back([this, kernel] { table_.clReleaseKernel(kernel); });
}
void Bench::adopt(cl_event event) {
  if (event != nullptr) releases_.push_back([this, event] { table_.clReleaseEvent(event); });
}
void Bench::adopt(cl_command_buffer_khr buffer) {
  if (buffer != nullptr)
    releases_.push_back([this, buffer] { table_.clReleaseCommandBufferKHR(buffer); });
}

}  // namespace flexai::test
