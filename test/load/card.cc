#include "test/load/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>

namespace flexai::test {
namespace {

const char* kSource =
    "__kernel void work(__global float* a, int loops) {\n"
    "  size_t i = get_global_id(0);\n"
    "  float x = a[i];\n"
    "  for (int j = 0; j < loops; ++j) x = x * 0.9999f + 0.0001f;\n"
    "  a[i] = x;\n"
    "}\n";

}  // namespace

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

cl_device_id first_card() {
  cl_platform_id platforms[16];
  cl_uint count = 0;
  check(clGetPlatformIDs(16, platforms, &count), "clGetPlatformIDs");
  for (cl_uint i = 0; i < std::min(count, 16u); ++i) {
    cl_device_id id = nullptr;
    if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &id, nullptr) == CL_SUCCESS) return id;
  }
  check(CL_DEVICE_NOT_FOUND, "no device");
  return nullptr;
}

Card open_card(size_t items, bool profiling) {
  Card card;
  card.id = first_card();
  card.items = items;
  cl_int rc;
  card.context = clCreateContext(nullptr, 1, &card.id, nullptr, nullptr, &rc);
  check(rc, "clCreateContext");
  const cl_queue_properties timed[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
  card.queue =
      clCreateCommandQueueWithProperties(card.context, card.id, profiling ? timed : nullptr, &rc);
  check(rc, "clCreateCommandQueueWithProperties");
  cl_program program = clCreateProgramWithSource(card.context, 1, &kSource, nullptr, &rc);
  check(rc, "clCreateProgramWithSource");
  check(clBuildProgram(program, 1, &card.id, "", nullptr, nullptr), "clBuildProgram");
  card.kernel = clCreateKernel(program, "work", &rc);
  check(rc, "clCreateKernel");
  card.buffer =
      clCreateBuffer(card.context, CL_MEM_READ_WRITE, items * sizeof(float), nullptr, &rc);
  check(rc, "clCreateBuffer");
  check(clSetKernelArg(card.kernel, 0, sizeof card.buffer, &card.buffer), "clSetKernelArg");
  float zero = 0;
  check(clEnqueueFillBuffer(card.queue, card.buffer, &zero, sizeof zero, 0, items * sizeof(float),
                            0, nullptr, nullptr),
        "clEnqueueFillBuffer");
  check(clFinish(card.queue), "clFinish");
  return card;
}

void launch(const Card& card, int loops, cl_event* event) {
  size_t local = 64;
  check(clSetKernelArg(card.kernel, 1, sizeof loops, &loops), "clSetKernelArg");
  check(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &card.items, &local, 0, nullptr,
                               event),
        "clEnqueueNDRangeKernel");
}

}  // namespace flexai::test
