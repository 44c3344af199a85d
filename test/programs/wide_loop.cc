// wide-loop: an ordinary OpenCL program with a context on each device, or one on all of them, that
// counts on all of them until one is gone, and then a little longer. Prints "running" when all have
// counted, and at the end what became of each.
//
// usage: wide-loop ROUNDS [together]
#include <CL/cl.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr const char* kSource =
    "__kernel void count(__global uint* counts) { counts[get_global_id(0)] += 1; }";

struct Card {
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_program program = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem counts = nullptr;
  cl_int code = CL_SUCCESS;
  cl_uint rounds = 0;

  Card(cl_device_id device, cl_context shared) : context(shared) {
    if (context == nullptr) {
      context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &code);
    } else {
      clRetainContext(context);
    }
    queue = clCreateCommandQueueWithProperties(context, device, nullptr, &code);
    const char* source = kSource;
    program = clCreateProgramWithSource(context, 1, &source, nullptr, &code);
    clBuildProgram(program, 0, nullptr, nullptr, nullptr, nullptr);
    kernel = clCreateKernel(program, "count", &code);
    counts = clCreateBuffer(context, 0, 4096, nullptr, &code);
    const cl_uint zero = 0;
    clEnqueueFillBuffer(queue, counts, &zero, 4, 0, 4096, 0, nullptr, nullptr);
    if (code == CL_SUCCESS) code = clSetKernelArg(kernel, 0, sizeof counts, &counts);
  }
  ~Card() {
    clReleaseMemObject(counts);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
  }
  void step() {
    if (code != CL_SUCCESS) return;
    const size_t size = 1024;
    cl_uint seen = 0;
    code = clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, nullptr);
    if (code == CL_SUCCESS)
      code = clEnqueueReadBuffer(queue, counts, CL_TRUE, 400, 4, &seen, 0, nullptr, nullptr);
    if (code == CL_SUCCESS && seen != ++rounds) code = -9999;
  }
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
  cl_platform_id platform = nullptr;
  cl_device_id devices[16];
  cl_uint count = 0;
  if (clGetPlatformIDs(1, &platform, nullptr) != CL_SUCCESS ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 16, devices, &count) != CL_SUCCESS)
    return 3;
  std::vector<Card> cards;
  cards.reserve(count);
  cl_context shared = nullptr;
  if (argc > 2) shared = clCreateContext(nullptr, count, devices, nullptr, nullptr, nullptr);
  for (cl_uint i = 0; i < count; ++i) cards.emplace_back(devices[i], shared);
  if (shared != nullptr) clReleaseContext(shared);
  int left = 50;  // after the end of one
  for (int round = 0; round < rounds && left > 0; ++round) {
    bool one_ended = false;
    for (Card& card : cards) {
      card.step();
      one_ended |= card.code != CL_SUCCESS;
    }
    if (one_ended) --left;
    if (round == 0) {
      std::printf("running\n");
      std::fflush(stdout);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (size_t i = 0; i < cards.size(); ++i) {
    if (cards[i].code == CL_SUCCESS) {
      std::printf("device %zu: went on\n", i);
    } else {
      std::printf("device %zu: error %d\n", i, cards[i].code);
    }
  }
  return 0;
}
