// Creates and drops everything N times; prints how much the process has grown since the first
// tenth, in KiB.
//   opencl-churn [N]
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

void must(cl_int rc, const char* what) {
  if (rc == CL_SUCCESS) return;
  fprintf(stderr, "%s: error %d\n", what, rc);
  exit(3);
}

long resident_kib() {
  FILE* f = fopen("/proc/self/status", "r");
  char line[256];
  long kib = 0;
  while (f != nullptr && fgets(line, sizeof line, f) != nullptr)
    if (strncmp(line, "VmRSS:", 6) == 0) kib = atol(line + 6);
  if (f != nullptr) fclose(f);
  return kib;
}

const char* kSource = "__kernel void touch(__global int* a) { a[get_global_id(0)] += 1; }";

void round(cl_context context, cl_device_id device, cl_program program) {
  cl_int rc;
  cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, nullptr, &rc);
  must(rc, "queue");
  cl_kernel kernel = clCreateKernel(program, "touch", &rc);
  must(rc, "kernel");
  cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, 65536, nullptr, &rc);
  must(rc, "buffer");
  cl_buffer_region region{4096, 4096};
  cl_mem part =
      clCreateSubBuffer(buffer, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &rc);
  must(rc, "sub-buffer");
  must(clRetainMemObject(buffer), "retain");
  must(clSetKernelArg(kernel, 0, sizeof part, &part), "arg");
  cl_event gate = clCreateUserEvent(context, &rc);
  must(rc, "user event");
  size_t global = 1024;
  cl_event event;
  must(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, nullptr, 1, &gate, &event),
       "gated kernel");
  must(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, nullptr, 0, nullptr, nullptr),
       "kernel");
  must(clSetUserEventStatus(gate, CL_COMPLETE), "set");
  void* mapped =
      clEnqueueMapBuffer(queue, buffer, CL_TRUE, CL_MAP_READ, 0, 4096, 0, nullptr, nullptr, &rc);
  must(rc, "map");
  must(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, nullptr, nullptr), "unmap");
  must(clFinish(queue), "finish");
  clReleaseEvent(event);
  clReleaseEvent(gate);
  clReleaseMemObject(part);
  clReleaseMemObject(buffer);
  clReleaseMemObject(buffer);
  clReleaseKernel(kernel);
  clReleaseCommandQueue(queue);
}

}  // namespace

int main(int argc, char** argv) {
  int n = argc > 1 ? atoi(argv[1]) : 10000;
  cl_platform_id platform;
  cl_device_id device;
  must(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  must(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  cl_int rc;
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &rc);
  must(rc, "clCreateContext");
  cl_program program = clCreateProgramWithSource(context, 1, &kSource, nullptr, &rc);
  must(clBuildProgram(program, 1, &device, "", nullptr, nullptr), "clBuildProgram");
  long before = 0;
  for (int i = 0; i < n; ++i) {
    if (i == n / 10) before = resident_kib();
    round(context, device, program);
  }
  printf("%ld\n", resident_kib() - before);
}
