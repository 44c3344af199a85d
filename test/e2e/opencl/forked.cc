// Forks before and after OpenCL is used; each process computes and checks. Natively a child that
// inherits a running driver is at the driver's mercy, so the child here starts OpenCL itself
// (before) or only leaves (after).
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

void must(cl_int rc, const char* what) {
  if (rc == CL_SUCCESS) return;
  fprintf(stderr, "pid %d: %s: error %d\n", getpid(), what, rc);
  _exit(3);
}

const char* kSource = "__kernel void twice(__global int* a) { a[get_global_id(0)] *= 2; }";

int compute() {
  cl_platform_id platform;
  cl_device_id device;
  must(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  must(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  cl_int rc;
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &rc);
  must(rc, "clCreateContext");
  cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, nullptr, &rc);
  must(rc, "queue");
  cl_program program = clCreateProgramWithSource(context, 1, &kSource, nullptr, &rc);
  must(clBuildProgram(program, 1, &device, "", nullptr, nullptr), "clBuildProgram");
  cl_kernel kernel = clCreateKernel(program, "twice", &rc);
  int numbers[64];
  for (int i = 0; i < 64; ++i) numbers[i] = i;
  cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof numbers,
                                 numbers, &rc);
  must(rc, "buffer");
  must(clSetKernelArg(kernel, 0, sizeof buffer, &buffer), "arg");
  size_t global = 64;
  for (int i = 0; i < 3; ++i)
    must(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, nullptr, 0, nullptr, nullptr),
         "enqueue");
  must(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof numbers, numbers, 0, nullptr, nullptr),
       "read");
  return numbers[63] == 63 * 8 ? 0 : 1;
}

}  // namespace

int main() {
  pid_t children[3];
  for (pid_t& child : children)
    if ((child = fork()) == 0) _exit(compute());
  int worst = 0;
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    worst = worst != 0 ? worst : status;
  }
  int own = compute();
  pid_t after = fork();
  if (after == 0) {
    sleep(2);  // with what it inherited, and without a call: nobody may stop it for that
    _exit(0);
  }
  int status = 0;
  waitpid(after, &status, 0);
  if (status != 0) printf("the idle child ended with %x\n", status);
  own += compute() + status;
  printf("children %s, parent %s\n", worst == 0 ? "right" : "WRONG", own == 0 ? "right" : "WRONG");
  return worst == 0 && own == 0 ? 0 : 1;
}
