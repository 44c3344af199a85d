// Commands that cannot start: an ordinary OpenCL program that enqueues N kernels behind an unset
// user event, on an in-order and an out-of-order queue, with barriers, callbacks that enqueue more,
// and failing events in between; then sets the event and checks that everything ran exactly once
// and in order.
//   opencl-gated [N]       prints one line a check; exit 1 on the first that fails
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <vector>

namespace {

void check(bool ok, const char* what) {
  printf("%s: %s\n", ok ? "ok" : "FAIL", what);
  fflush(stdout);
  if (!ok) exit(1);
}

void must(cl_int rc, const char* what) {
  if (rc == CL_SUCCESS) return;
  fprintf(stderr, "%s: error %d\n", what, rc);
  exit(3);
}

double seconds() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

const char* kSource =
    "__kernel void add(__global int* a) { a[0] += 1; }\n"
    "__kernel void advance(__global int* a, int want) { if (a[0] == want) a[0] = want + 1; }\n";

struct Rig {
  cl_context context;
  cl_device_id device;
  cl_command_queue in_order, out_of_order;
  cl_kernel add, step;
  cl_mem a;
};

int value(const Rig& r) {
  int v = -1;
  must(clEnqueueReadBuffer(r.in_order, r.a, CL_TRUE, 0, sizeof v, &v, 0, nullptr, nullptr), "read");
  return v;
}

void reset(const Rig& r) {
  int zero = 0;
  must(clEnqueueWriteBuffer(r.in_order, r.a, CL_TRUE, 0, sizeof zero, &zero, 0, nullptr, nullptr),
       "write");
}

Rig open_rig() {
  Rig r{};
  cl_platform_id platform;
  must(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  must(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &r.device, nullptr), "clGetDeviceIDs");
  cl_int rc;
  r.context = clCreateContext(nullptr, 1, &r.device, nullptr, nullptr, &rc);
  must(rc, "clCreateContext");
  r.in_order = clCreateCommandQueueWithProperties(r.context, r.device, nullptr, &rc);
  must(rc, "in-order queue");
  const cl_queue_properties ooo[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
                                     0};
  r.out_of_order = clCreateCommandQueueWithProperties(r.context, r.device, ooo, &rc);
  if (rc != CL_SUCCESS) r.out_of_order = nullptr;
  cl_program program = clCreateProgramWithSource(r.context, 1, &kSource, nullptr, &rc);
  must(clBuildProgram(program, 1, &r.device, "", nullptr, nullptr), "clBuildProgram");
  r.add = clCreateKernel(program, "add", &rc);
  r.step = clCreateKernel(program, "advance", &rc);
  r.a = clCreateBuffer(r.context, CL_MEM_READ_WRITE, sizeof(int), nullptr, &rc);
  must(clSetKernelArg(r.add, 0, sizeof r.a, &r.a), "arg");
  must(clSetKernelArg(r.step, 0, sizeof r.a, &r.a), "arg");
  return r;
}

size_t one = 1;

void in_order_chain(const Rig& r, int n) {
  reset(r);
  cl_int rc;
  cl_event start = clCreateUserEvent(r.context, &rc);
  must(rc, "clCreateUserEvent");
  double t = seconds();
  for (int i = 0; i < n; ++i) {
    must(clSetKernelArg(r.step, 1, sizeof i, &i), "arg");
    must(clEnqueueNDRangeKernel(r.in_order, r.step, 1, nullptr, &one, nullptr, i == 0 ? 1 : 0,
                                i == 0 ? &start : nullptr, nullptr),
         "enqueue");
  }
  must(clFlush(r.in_order), "flush");
  t = seconds() - t;
  usleep(50000);
  check(t < 5, "enqueueing what cannot start does not block");
  must(clSetUserEventStatus(start, CL_COMPLETE), "set");
  must(clFinish(r.in_order), "finish");
  check(value(r) == n, "in-order commands behind a user event ran once each and in order");
  clReleaseEvent(start);
}

void out_of_order_fan(const Rig& r, int n) {
  if (r.out_of_order == nullptr) return;
  reset(r);
  cl_int rc;
  cl_event start = clCreateUserEvent(r.context, &rc);
  cl_event last = start;
  std::vector<cl_event> events;
  for (int i = 0; i < n; ++i) {  // a chain by events, since the kernel is not atomic
    cl_event e;
    must(clEnqueueNDRangeKernel(r.out_of_order, r.add, 1, nullptr, &one, nullptr, 1, &last, &e),
         "enqueue");
    events.push_back(e);
    last = e;
  }
  must(clEnqueueBarrierWithWaitList(r.out_of_order, 0, nullptr, nullptr), "barrier");
  must(
      clEnqueueNDRangeKernel(r.out_of_order, r.add, 1, nullptr, &one, nullptr, 0, nullptr, nullptr),
      "after barrier");
  cl_int status = CL_COMPLETE;
  clGetEventInfo(last, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
  check(status > CL_COMPLETE, "a command that cannot start is not complete");
  must(clSetUserEventStatus(start, CL_COMPLETE), "set");
  must(clFinish(r.out_of_order), "finish");
  check(value(r) == n + 1, "out-of-order chain and what stands behind its barrier ran once each");
  for (cl_event e : events) clReleaseEvent(e);
  clReleaseEvent(start);
}

std::atomic<int> called{0};
const Rig* rig = nullptr;

void CL_CALLBACK enqueue_more(cl_event, cl_int status, void*) {
  if (status == CL_COMPLETE) {
    must(clEnqueueNDRangeKernel(rig->in_order, rig->add, 1, nullptr, &one, nullptr, 0, nullptr,
                                nullptr),
         "enqueue in callback");
    must(clFlush(rig->in_order), "flush in callback");
  }
  ++called;
}

void callbacks(const Rig& r, int n) {
  reset(r);
  rig = &r;
  for (int i = 0; i < n; ++i) {
    cl_event e;
    must(clEnqueueNDRangeKernel(r.in_order, r.add, 1, nullptr, &one, nullptr, 0, nullptr, &e),
         "enqueue");
    must(clSetEventCallback(e, CL_COMPLETE, enqueue_more, nullptr), "callback");
    clReleaseEvent(e);
  }
  must(clFinish(r.in_order), "finish");
  for (int i = 0; i < 500 && called < n; ++i) usleep(10000);
  must(clFinish(r.in_order), "finish");
  check(called == n && value(r) == 2 * n, "callbacks enqueue without blocking the driver");
}

void failed_event(const Rig& r) {
  reset(r);
  cl_int rc;
  cl_event start = clCreateUserEvent(r.context, &rc);
  cl_event e;
  must(clEnqueueNDRangeKernel(r.in_order, r.add, 1, nullptr, &one, nullptr, 1, &start, &e),
       "enqueue");
  must(clSetUserEventStatus(start, -5), "set");
  clWaitForEvents(1, &e);
  cl_int status = 1;
  clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
  check(status < 0, "a command behind a failed event fails");
  clReleaseEvent(e);
  clReleaseEvent(start);
}

void blocking_read_behind(const Rig& r) {
  reset(r);
  cl_int rc;
  cl_event start = clCreateUserEvent(r.context, &rc);
  must(clEnqueueNDRangeKernel(r.in_order, r.add, 1, nullptr, &one, nullptr, 1, &start, nullptr),
       "enqueue");
  if (fork() == 0) _exit(0);  // a fork in between must not disturb the parent
  struct Later {
    static void* run(void* event) {
      usleep(30000);
      clSetUserEventStatus(static_cast<cl_event>(event), CL_COMPLETE);
      return nullptr;
    }
  };
  pthread_t thread;
  pthread_create(&thread, nullptr, Later::run, start);
  check(value(r) == 1, "a blocking read behind a gated kernel waits for it");
  pthread_join(thread, nullptr);
  clReleaseEvent(start);
}

}  // namespace

int main(int argc, char** argv) {
  int n = argc > 1 ? atoi(argv[1]) : 1000;
  Rig r = open_rig();
  in_order_chain(r, n);
  out_of_order_fan(r, n);
  blocking_read_behind(r);
  callbacks(r, 50);
  failed_event(r);
  printf("done\n");
}
