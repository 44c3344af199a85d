// opencl-builds: programs of one kernel each, built and run one after the other, as libraries make
// them at their start. Prints the median time of a build and the sum of the first runs.
//
// usage: opencl-builds [COUNT]
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::string source_of(int i) {
  const std::string n = std::to_string(i + 1);
  return "kernel void k(global float* d) { const int g = get_global_id(0); float a = " + n +
         "; for (int i = 0; i < 64; ++i) a += d[(g * " + n + " + i) & 1023] * i;" +
         " for (int i = 0; i < 16; ++i) a = sin(a) + d[i]; d[g] = fmax(a, 0.0f); }";
}

struct Card {
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_mem memory = nullptr;
};

bool open(Card& card) {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  if (clGetPlatformIDs(1, &platform, nullptr) != CL_SUCCESS ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr) != CL_SUCCESS)
    return false;
  card.context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
  card.queue = clCreateCommandQueue(card.context, device, 0, nullptr);
  card.memory = clCreateBuffer(card.context, 0, 1 << 16, nullptr, nullptr);
  return card.memory != nullptr;
}

// Milliseconds of the build; those of the run are added to `ran`. Negative: it failed.
double build(const Card& card, int i, double& ran) {
  const std::string text = source_of(i);
  const char* source = text.c_str();
  const auto begin = Clock::now();
  const cl_program program = clCreateProgramWithSource(card.context, 1, &source, nullptr, nullptr);
  if (clBuildProgram(program, 0, nullptr, "", nullptr, nullptr) != CL_SUCCESS) return -1;
  const double built = since(begin);
  const auto start = Clock::now();
  const cl_kernel kernel = clCreateKernel(program, "k", nullptr);
  const size_t all = 256, group = 32;
  if (clSetKernelArg(kernel, 0, sizeof card.memory, &card.memory) != CL_SUCCESS ||
      clEnqueueNDRangeKernel(card.queue, kernel, 1, nullptr, &all, &group, 0, nullptr, nullptr) !=
          CL_SUCCESS ||
      clFinish(card.queue) != CL_SUCCESS)
    return -1;
  ran += since(start);
  return built;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = std::max(argc > 1 ? atoi(argv[1]) : 12, 1);
  Card card;
  if (!open(card)) {
    fputs("opencl-builds: no card\n", stderr);
    return 1;
  }
  std::vector<double> builds;
  double ran = 0;
  for (int i = 0; i < count; ++i) {
    builds.push_back(build(card, i, ran));
    if (builds.back() >= 0) continue;
    fputs("opencl-builds: a program could not be built and run\n", stderr);
    return 1;
  }
  std::sort(builds.begin(), builds.end());
  printf("{\"build_ms\": %.3f, \"first_runs_ms\": %.3f}\n", builds[builds.size() / 2], ran);
  return 0;
}
