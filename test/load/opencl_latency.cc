// An ordinary OpenCL program that wants the card for a moment now and then: launches one short
// kernel every so often and tells how long each took from the request to its start on the device
// (its length subtracted from the time to its end).
//   flexai-latency-opencl --loops N --count N --every-us U [--start NS]
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

long long now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void check(cl_int rc, const char* what) {
  if (rc == CL_SUCCESS) return;
  fprintf(stderr, "%s: error %d\n", what, rc);
  exit(3);
}

const char* kSource =
    "__kernel void work(__global float* a, int loops) { float x = a[get_global_id(0)];\n"
    "  for (int j = 0; j < loops; ++j) x = x * 0.9999f + 0.0001f; a[get_global_id(0)] = x; }\n";

}  // namespace

int main(int argc, char** argv) {
  int loops = 100, count = 100;
  long long every = 10000, start = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--loops") loops = atoi(argv[i + 1]);
    if (name == "--count") count = atoi(argv[i + 1]);
    if (name == "--every-us") every = atoll(argv[i + 1]);
    if (name == "--start") start = atoll(argv[i + 1]);
  }
  cl_platform_id platform;
  cl_device_id device;
  check(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  cl_int rc;
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &rc);
  check(rc, "clCreateContext");
  const cl_queue_properties profiling[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
  cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, profiling, &rc);
  check(rc, "clCreateCommandQueueWithProperties");
  cl_program program = clCreateProgramWithSource(context, 1, &kSource, nullptr, &rc);
  check(clBuildProgram(program, 1, &device, "", nullptr, nullptr), "clBuildProgram");
  cl_kernel kernel = clCreateKernel(program, "work", &rc);
  cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, 4096 * sizeof(float), nullptr, &rc);
  check(rc, "clCreateBuffer");
  check(clSetKernelArg(kernel, 0, sizeof buffer, &buffer), "clSetKernelArg");
  check(clSetKernelArg(kernel, 1, sizeof loops, &loops), "clSetKernelArg");
  size_t global = 4096, local = 64;
  std::vector<double> starts;
  while (start != 0 && now() < start) usleep(200);
  for (int i = 0; i < count; ++i) {
    long long asked = now();
    cl_event event;
    check(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, &local, 0, nullptr, &event),
          "clEnqueueNDRangeKernel");
    check(clWaitForEvents(1, &event), "clWaitForEvents");
    long long ended = now();
    cl_ulong from = 0, to = 0;
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof from, &from, nullptr);
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof to, &to, nullptr);
    starts.push_back(static_cast<double>(ended - asked - static_cast<long long>(to - from)) / 1e3);
    clReleaseEvent(event);
    usleep(static_cast<useconds_t>(every));
  }
  printf("{\"start_us\": [");
  for (size_t i = 0; i < starts.size(); ++i) printf("%s%.1f", i != 0 ? ", " : "", starts[i]);
  printf("]}\n");
}
