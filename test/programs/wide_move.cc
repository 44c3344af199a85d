// wide-move: a program whose one buffer is counted up by all its devices in turn, so that it moves
// from each to the next; now and then only a part of it. At the end the last device compares it
// with what it must be.
//
// usage: wide-move MIB ROUNDS [PAUSE_MS]    "running" after the first round of all devices, then
//   "round N MS KERNEL" for each later one of the whole: how long it took, and how long the same
//   kernel took once the bytes were there; then "right", "wrong N" or "error N"
#include <CL/cl.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr const char* kSource = R"(
uint first(uint i) { return i * 2654435761u; }
__kernel void begin(__global uint* all) { all[get_global_id(0)] = first(get_global_id(0)); }
__kernel void count(__global uint* some, uint more) { some[get_global_id(0)] += more; }
__kernel void compare(__global const uint* all, uint whole, uint part, uint from, uint to,
                      __global volatile uint* wrong) {
  const uint i = get_global_id(0);
  const uint right = first(i) + whole + (i >= from && i < to ? part : 0);
  if (all[i] != right) atomic_inc(wrong);
}
)";

void must(cl_int code, const char* what) {
  if (code == CL_SUCCESS) return;
  std::printf("error %d in %s\n", code, what);
  std::exit(0);
}

struct Program {
  cl_context context = nullptr;
  std::vector<cl_command_queue> queues;
  cl_kernel begin = nullptr, count = nullptr, compare = nullptr;
  cl_mem all = nullptr, part = nullptr, wrong = nullptr;
  size_t words = 0;

  Program(const std::vector<cl_device_id>& devices, size_t bytes) : words(bytes / 4) {
    cl_int code = CL_SUCCESS;
    context = clCreateContext(nullptr, static_cast<cl_uint>(devices.size()), devices.data(),
                              nullptr, nullptr, &code);
    must(code, "clCreateContext");
    for (cl_device_id device : devices) {
      queues.push_back(clCreateCommandQueueWithProperties(context, device, nullptr, &code));
      must(code, "clCreateCommandQueueWithProperties");
    }
    const char* source = kSource;
    cl_program program = clCreateProgramWithSource(context, 1, &source, nullptr, &code);
    must(clBuildProgram(program, 0, nullptr, "-cl-kernel-arg-info", nullptr, nullptr),
         "clBuildProgram");
    begin = clCreateKernel(program, "begin", &code);
    count = clCreateKernel(program, "count", &code);
    compare = clCreateKernel(program, "compare", &code);
    clReleaseProgram(program);
    all = clCreateBuffer(context, 0, bytes, nullptr, &code);
    must(code, "clCreateBuffer");
    const cl_buffer_region region{bytes / 4, bytes / 4};
    part = clCreateSubBuffer(all, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    must(code, "clCreateSubBuffer");
    wrong = clCreateBuffer(context, 0, 4, nullptr, &code);
    must(clSetKernelArg(begin, 0, sizeof all, &all), "clSetKernelArg");
    launch(0, begin, words);
    must(clFinish(queues[0]), "clFinish");
  }
  void launch(size_t device, cl_kernel kernel, size_t size) {
    must(clEnqueueNDRangeKernel(queues[device], kernel, 1, nullptr, &size, nullptr, 0, nullptr,
                                nullptr),
         "clEnqueueNDRangeKernel");
  }
  void add(size_t device, cl_mem to, size_t size, cl_uint more) {
    must(clSetKernelArg(count, 0, sizeof to, &to), "clSetKernelArg");
    must(clSetKernelArg(count, 1, sizeof more, &more), "clSetKernelArg");
    launch(device, count, size);
    must(clFinish(queues[device]), "clFinish");
  }
  cl_uint compared(size_t device, cl_uint whole, cl_uint some) {
    const cl_uint from = static_cast<cl_uint>(words / 4), to = static_cast<cl_uint>(words / 2);
    const cl_uint zero = 0;
    cl_uint found = 0;
    must(clEnqueueWriteBuffer(queues[device], wrong, CL_TRUE, 0, 4, &zero, 0, nullptr, nullptr),
         "clEnqueueWriteBuffer");
    clSetKernelArg(compare, 0, sizeof all, &all);
    clSetKernelArg(compare, 1, sizeof whole, &whole);
    clSetKernelArg(compare, 2, sizeof some, &some);
    clSetKernelArg(compare, 3, sizeof from, &from);
    clSetKernelArg(compare, 4, sizeof to, &to);
    clSetKernelArg(compare, 5, sizeof wrong, &wrong);
    launch(device, compare, words);
    must(clEnqueueReadBuffer(queues[device], wrong, CL_TRUE, 0, 4, &found, 0, nullptr, nullptr),
         "clEnqueueReadBuffer");
    return found;
  }
};

}  // namespace

int main(int argc, char** argv) {
  const size_t bytes = static_cast<size_t>(argc > 1 ? std::atoi(argv[1]) : 16) << 20;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 6, pause = argc > 3 ? std::atoi(argv[3]) : 0;
  cl_platform_id platform = nullptr;
  cl_device_id devices[16];
  cl_uint there = 0;
  if (clGetPlatformIDs(1, &platform, nullptr) != CL_SUCCESS ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 16, devices, &there) != CL_SUCCESS)
    return 3;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Program program({devices, devices + there}, bytes);
  cl_uint whole = 0, part = 0;
  size_t device = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto began = std::chrono::steady_clock::now();
    device = static_cast<size_t>(round) % there;
    const cl_uint more = static_cast<cl_uint>(round) + 1;
    if (round % 5 == 3) {
      program.add(device, program.part, program.words / 4, more);
      part += more;
    } else {
      program.add(device, program.all, program.words, more);
      whole += more;
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    if (round + 1 == static_cast<int>(there)) std::printf("running\n");
    if (round >= static_cast<int>(there) && round % 5 != 3) {
      const auto again = std::chrono::steady_clock::now();
      program.add(device, program.all, program.words, 0);
      const std::chrono::duration<double, std::milli> kernel =
          std::chrono::steady_clock::now() - again;
      std::printf("round %d %.2f %.2f\n", round, took.count(), kernel.count());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
  }
  const cl_uint wrong = program.compared((device + 1) % there, whole, part);
  if (wrong == 0)
    std::printf("right\n");
  else
    std::printf("wrong %u\n", wrong);
  return 0;
}
