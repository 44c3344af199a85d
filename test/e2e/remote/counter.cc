// opencl-counter: an ordinary OpenCL program whose every command shows whether it ran exactly once.
// Kernels add to counters on the card; now and then the counters are read and compared, and a block
// of memory is written, copied and read back. Prints one line: what was counted, or the first error
// and how long the call that reported it took.
//
// usage: opencl-counter [--launches N] [--mib N] [--pause-us N] [--recorded 1] [--part 1]
// --recorded: the kernels are launched from command buffers, one for each number.
// --part: on the last of the parts of one unit each that the card is parted into.
#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kSource =
    "__kernel void add(__global uint* counts, uint by) { counts[get_global_id(0)] += by; }";
constexpr size_t kCounters = 256;

Clock::time_point g_before;

// Ends the program, which is not an accident: the tests read the line.
void need(cl_int code, const char* what) {
  if (code == CL_SUCCESS) {
    g_before = Clock::now();
    return;
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - g_before);
  std::printf("error %d of %s after %lld ms\n", code, what, static_cast<long long>(took.count()));
  std::fflush(stdout);
  std::exit(3);
}

struct Card {
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem counts = nullptr;
  std::vector<cl_command_buffer_khr> recorded;  // by what they add, from 1
};

template <typename Function>
Function extension(cl_platform_id platform, const char* name) {
  void* found = clGetExtensionFunctionAddressForPlatform(platform, name);
  if (found == nullptr) need(CL_INVALID_OPERATION, name);
  return reinterpret_cast<Function>(found);
}

clEnqueueCommandBufferKHR_fn g_enqueue = nullptr;

// Each adds and, when that is done, copies what was counted.
void record(Card& card, cl_uint most) {
  cl_platform_id platform = nullptr;
  need(clGetDeviceInfo(card.device, CL_DEVICE_PLATFORM, sizeof platform, &platform, nullptr),
       "clGetDeviceInfo");
  g_enqueue = extension<clEnqueueCommandBufferKHR_fn>(platform, "clEnqueueCommandBufferKHR");
  const auto create = extension<clCreateCommandBufferKHR_fn>(platform, "clCreateCommandBufferKHR");
  const auto finalize =
      extension<clFinalizeCommandBufferKHR_fn>(platform, "clFinalizeCommandBufferKHR");
  const auto launches =
      extension<clCommandNDRangeKernelKHR_fn>(platform, "clCommandNDRangeKernelKHR");
  const auto copies = extension<clCommandCopyBufferKHR_fn>(platform, "clCommandCopyBufferKHR");
  cl_int code = CL_SUCCESS;
  static cl_mem last = clCreateBuffer(card.context, 0, kCounters * sizeof(cl_uint), nullptr, &code);
  need(code, "clCreateBuffer");
  for (cl_uint by = 1; by <= most; ++by) {
    const size_t global = kCounters;
    cl_command_buffer_khr buffer = create(1, &card.queue, nullptr, &code);
    need(code, "clCreateCommandBufferKHR");
    // One for each: PoCL launches with what the arguments are when the buffer is enqueued.
    const cl_kernel own = clCloneKernel(card.kernel, &code);
    need(code, "clCloneKernel");
    need(clSetKernelArg(own, 0, sizeof card.counts, &card.counts), "clSetKernelArg");
    need(clSetKernelArg(own, 1, sizeof by, &by), "clSetKernelArg");
    cl_sync_point_khr done = 0;
    need(launches(buffer, nullptr, nullptr, own, 1, nullptr, &global, nullptr, 0, nullptr, &done,
                  nullptr),
         "clCommandNDRangeKernelKHR");
    need(copies(buffer, nullptr, card.counts, last, 0, 0, kCounters * sizeof(cl_uint), 1, &done,
                nullptr, nullptr),
         "clCommandCopyBufferKHR");
    need(finalize(buffer), "clFinalizeCommandBufferKHR");
    card.recorded.push_back(buffer);
  }
}

cl_device_id part_of(cl_device_id card) {
  const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
  cl_uint count = 0;
  need(clCreateSubDevices(card, equally, 0, nullptr, &count), "clCreateSubDevices");
  std::vector<cl_device_id> parts(count);
  need(clCreateSubDevices(card, equally, count, parts.data(), nullptr), "clCreateSubDevices");
  for (cl_uint i = 0; i + 1 < count; ++i) need(clReleaseDevice(parts[i]), "clReleaseDevice");
  return parts.back();
}

Card open(bool part) {
  Card card;
  cl_platform_id platform = nullptr;
  cl_int code = CL_SUCCESS;
  need(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  need(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &card.device, nullptr), "clGetDeviceIDs");
  if (part) card.device = part_of(card.device);
  card.context = clCreateContext(nullptr, 1, &card.device, nullptr, nullptr, &code);
  need(code, "clCreateContext");
  card.queue = clCreateCommandQueueWithProperties(card.context, card.device, nullptr, &code);
  need(code, "clCreateCommandQueueWithProperties");
  const char* source = kSource;
  cl_program program = clCreateProgramWithSource(card.context, 1, &source, nullptr, &code);
  need(code, "clCreateProgramWithSource");
  need(clBuildProgram(program, 1, &card.device, nullptr, nullptr, nullptr), "clBuildProgram");
  card.kernel = clCreateKernel(program, "add", &code);
  need(code, "clCreateKernel");
  const std::vector<cl_uint> zeros(kCounters);
  card.counts =
      clCreateBuffer(card.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                     kCounters * sizeof(cl_uint), const_cast<cl_uint*>(zeros.data()), &code);
  need(code, "clCreateBuffer");
  clReleaseProgram(program);
  return card;
}

void count(const Card& card, cl_uint expected) {
  std::vector<cl_uint> counts(kCounters);
  need(clEnqueueReadBuffer(card.queue, card.counts, CL_TRUE, 0, kCounters * sizeof(cl_uint),
                           counts.data(), 0, nullptr, nullptr),
       "clEnqueueReadBuffer");
  for (cl_uint each : counts) {
    if (each == expected) continue;
    std::printf("counted %u instead of %u\n", each, expected);
    std::exit(4);
  }
}

cl_uint launch(const Card& card, int launches, int pause) {
  cl_uint sum = 0;
  const size_t global = kCounters;
  for (int i = 0; i < launches; ++i) {
    const cl_uint by = static_cast<cl_uint>(i % 7 + 1);
    // Every third is launched as ever: what is recorded changes no arguments.
    const bool replay = !card.recorded.empty() && i % 3 != 0;
    if (replay) need(clFinish(card.queue), "clFinish");  // each at once only once
    if (replay)
      need(g_enqueue(0, nullptr, card.recorded[by - 1], 0, nullptr, nullptr),
           "clEnqueueCommandBufferKHR");
    if (!replay)
      need(clSetKernelArg(card.kernel, 0, sizeof card.counts, &card.counts), "clSetKernelArg");
    if (!replay) need(clSetKernelArg(card.kernel, 1, sizeof by, &by), "clSetKernelArg");
    if (!replay)
      need(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &global, nullptr, 0, nullptr,
                                  nullptr),
           "clEnqueueNDRangeKernel");
    sum += by;
    if (i % 16 == 15) count(card, sum);
    if (pause != 0) std::this_thread::sleep_for(std::chrono::microseconds(pause));
  }
  need(clFinish(card.queue), "clFinish");
  count(card, sum);
  return sum;
}

void carry(const Card& card, size_t bytes) {
  std::vector<unsigned char> out(bytes), back(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
  cl_int code = CL_SUCCESS;
  cl_mem from = clCreateBuffer(card.context, CL_MEM_READ_WRITE, bytes, nullptr, &code);
  need(code, "clCreateBuffer");
  cl_mem to = clCreateBuffer(card.context, CL_MEM_READ_WRITE, bytes, nullptr, &code);
  need(code, "clCreateBuffer");
  need(clEnqueueWriteBuffer(card.queue, from, CL_FALSE, 0, bytes, out.data(), 0, nullptr, nullptr),
       "clEnqueueWriteBuffer");
  need(clEnqueueCopyBuffer(card.queue, from, to, 0, 0, bytes, 0, nullptr, nullptr),
       "clEnqueueCopyBuffer");
  need(clEnqueueReadBuffer(card.queue, to, CL_FALSE, 0, bytes, back.data(), 0, nullptr, nullptr),
       "clEnqueueReadBuffer");
  need(clFinish(card.queue), "clFinish");
  if (out != back) {
    std::printf("%zu bytes came back changed\n", bytes);
    std::exit(5);
  }
  clReleaseMemObject(from);
  clReleaseMemObject(to);
}

}  // namespace

int main(int argc, char** argv) {
  int launches = 256, mib = 1, pause = 0, recorded = 0, part = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    int* value = name == "--launches"   ? &launches
                 : name == "--mib"      ? &mib
                 : name == "--recorded" ? &recorded
                 : name == "--part"     ? &part
                                        : &pause;
    *value = std::atoi(argv[i + 1]);
  }
  g_before = Clock::now();
  Card card = open(part != 0);
  if (recorded != 0) record(card, 7);
  const cl_uint sum = launch(card, launches, pause);
  if (mib != 0) carry(card, static_cast<size_t>(mib) << 20);
  std::printf("counted %u, carried %d MiB\n", sum, mib);
  clReleaseMemObject(card.counts);
  clReleaseKernel(card.kernel);
  clReleaseCommandQueue(card.queue);
  clReleaseContext(card.context);
  return 0;
}
