// opencl-forked-child: a program with a card forks while another of its threads works: every call
// of the child must say that it has no card, release what it is told to and never wait; the parent
// goes on. Prints one line, or what was wrong.
//
// usage: opencl-forked-child [CHILDREN]
#include <CL/cl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kPatience = 20;  // seconds: a call that waits so long waits for ever

void need(cl_int code, const char* what) {
  if (code == CL_SUCCESS) return;
  std::printf("error %d of %s\n", code, what);
  std::exit(3);
}

struct Card {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_program program = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem memory = nullptr, image = nullptr;
  cl_sampler sampler = nullptr;
  cl_event pending = nullptr;  // a user event, and a command that waits for it
  cl_event waiting = nullptr;
};

Card open() {
  Card card;
  cl_int code = CL_SUCCESS;
  need(clGetPlatformIDs(1, &card.platform, nullptr), "clGetPlatformIDs");
  need(clGetDeviceIDs(card.platform, CL_DEVICE_TYPE_ALL, 1, &card.device, nullptr), "devices");
  card.context = clCreateContext(nullptr, 1, &card.device, nullptr, nullptr, &code);
  need(code, "clCreateContext");
  card.queue = clCreateCommandQueueWithProperties(card.context, card.device, nullptr, &code);
  need(code, "a queue");
  const char* source = "__kernel void add(__global uint* at) { at[get_global_id(0)] += 1; }";
  card.program = clCreateProgramWithSource(card.context, 1, &source, nullptr, &code);
  need(clBuildProgram(card.program, 1, &card.device, nullptr, nullptr, nullptr), "clBuildProgram");
  card.kernel = clCreateKernel(card.program, "add", &code);
  const std::vector<cl_uint> zeros(64);
  card.memory = clCreateBuffer(card.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, 256,
                               const_cast<cl_uint*>(zeros.data()), &code);
  need(code, "clCreateBuffer");
  card.sampler = clCreateSampler(card.context, CL_FALSE, CL_ADDRESS_NONE, CL_FILTER_NEAREST, &code);
  need(code, "clCreateSampler");
  need(clSetKernelArg(card.kernel, 0, sizeof card.memory, &card.memory), "clSetKernelArg");
  return card;
}

void launch(const Card& card) {
  const size_t global = 64;
  need(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &global, nullptr, 0, nullptr,
                              nullptr),
       "clEnqueueNDRangeKernel");
}

int g_wrong = 0;

void gone(cl_int code, const char* what) {
  if (code == CL_DEVICE_NOT_AVAILABLE) return;
  std::printf("the child's %s says %d\n", what, code);
  ++g_wrong;
}

void released(cl_int code, const char* what) {
  if (code == CL_SUCCESS) return;
  std::printf("the child's %s says %d\n", what, code);
  ++g_wrong;
}

void make(const Card& card) {
  cl_int code = CL_SUCCESS;
  clCreateContext(nullptr, 1, &card.device, nullptr, nullptr, &code);
  gone(code, "clCreateContext");
  clCreateCommandQueueWithProperties(card.context, card.device, nullptr, &code);
  gone(code, "clCreateCommandQueueWithProperties");
  clCreateBuffer(card.context, CL_MEM_READ_WRITE, 64, nullptr, &code);
  gone(code, "clCreateBuffer");
  unsigned char bytes[64] = {};
  clCreateBuffer(card.context, CL_MEM_COPY_HOST_PTR, sizeof bytes, bytes, &code);
  gone(code, "clCreateBuffer with bytes");
  const char* source = "__kernel void none() {}";
  clCreateProgramWithSource(card.context, 1, &source, nullptr, &code);
  gone(code, "clCreateProgramWithSource");
  clCreateKernel(card.program, "add", &code);
  gone(code, "clCreateKernel");
  clCreateUserEvent(card.context, &code);
  gone(code, "clCreateUserEvent");
  clCreateSampler(card.context, CL_FALSE, CL_ADDRESS_NONE, CL_FILTER_NEAREST, &code);
  gone(code, "clCreateSampler");
  gone(clBuildProgram(card.program, 1, &card.device, "-DX", nullptr, nullptr), "clBuildProgram");
}

void command(const Card& card) {
  cl_int code = CL_SUCCESS;
  unsigned char bytes[256] = {};
  const size_t global = 64;
  cl_event event = nullptr;
  gone(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &global, nullptr, 0, nullptr,
                              nullptr),
       "clEnqueueNDRangeKernel");
  gone(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &global, nullptr, 0, nullptr,
                              &event),
       "clEnqueueNDRangeKernel with an event");
  gone(clEnqueueReadBuffer(card.queue, card.memory, CL_TRUE, 0, 256, bytes, 0, nullptr, nullptr),
       "clEnqueueReadBuffer");
  gone(clEnqueueReadBuffer(card.queue, card.memory, CL_FALSE, 0, 256, bytes, 0, nullptr, &event),
       "clEnqueueReadBuffer with an event");
  gone(clEnqueueWriteBuffer(card.queue, card.memory, CL_TRUE, 0, 256, bytes, 0, nullptr, nullptr),
       "clEnqueueWriteBuffer");
  gone(clEnqueueFillBuffer(card.queue, card.memory, bytes, 4, 0, 256, 0, nullptr, nullptr),
       "clEnqueueFillBuffer");
  clEnqueueMapBuffer(card.queue, card.memory, CL_TRUE, CL_MAP_READ, 0, 256, 0, nullptr, nullptr,
                     &code);
  gone(code, "clEnqueueMapBuffer");
  gone(clEnqueueMarkerWithWaitList(card.queue, 0, nullptr, nullptr), "clEnqueueMarker");
  gone(clFlush(card.queue), "clFlush");
  gone(clFinish(card.queue), "clFinish");
  gone(clWaitForEvents(1, &card.waiting), "clWaitForEvents");
  gone(clSetUserEventStatus(card.pending, CL_COMPLETE), "clSetUserEventStatus");
}

void release(const Card& card) {
  released(clRetainMemObject(card.memory), "clRetainMemObject");
  released(clReleaseMemObject(card.memory), "clReleaseMemObject");
  released(clReleaseEvent(card.waiting), "clReleaseEvent");
  released(clReleaseEvent(card.pending), "clReleaseEvent of a user event");
  released(clReleaseMemObject(card.memory), "clReleaseMemObject");
  released(clReleaseSampler(card.sampler), "clReleaseSampler");
  released(clReleaseKernel(card.kernel), "clReleaseKernel");
  released(clReleaseProgram(card.program), "clReleaseProgram");
  released(clReleaseCommandQueue(card.queue), "clReleaseCommandQueue");
  released(clReleaseContext(card.context), "clReleaseContext");
}

[[noreturn]] void be_child(const Card& card, int number) {
  ::alarm(kPatience);
  make(card);
  command(card);
  release(card);
  std::fflush(stdout);
  if (number % 2 == 0) ::_exit(g_wrong == 0 ? 0 : 1);
  std::exit(g_wrong == 0 ? 0 : 1);  // with whatever the libraries do at an exit
}

}  // namespace

int main(int argc, char** argv) {
  const int children = argc > 1 ? std::atoi(argv[1]) : 20;
  Card card = open();
  cl_int code = CL_SUCCESS;
  card.pending = clCreateUserEvent(card.context, &code);
  need(code, "clCreateUserEvent");
  cl_command_queue other =
      clCreateCommandQueueWithProperties(card.context, card.device, nullptr, &code);
  need(clEnqueueMarkerWithWaitList(other, 1, &card.pending, &card.waiting), "a marker");
  std::atomic<bool> over{false};
  std::atomic<unsigned> launches{0};
  // Makes and releases objects too, so that a fork finds locks of the library held.
  std::thread worker([&] {
    while (!over) {
      launch(card);
      ++launches;
      cl_int made = CL_SUCCESS;
      cl_mem memory = clCreateBuffer(card.context, CL_MEM_READ_WRITE, 64, nullptr, &made);
      need(made, "clCreateBuffer");
      need(clReleaseMemObject(memory), "clReleaseMemObject");
      if (launches % 16 == 0) need(clFinish(card.queue), "clFinish");
    }
  });
  int wrong = 0;
  for (int i = 0; i < children; ++i) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) be_child(card, i);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) std::printf("child %d was ended by signal %d\n", i, WTERMSIG(status));
    wrong += status != 0;
  }
  over = true;
  worker.join();
  need(clSetUserEventStatus(card.pending, CL_COMPLETE), "clSetUserEventStatus");
  need(clWaitForEvents(1, &card.waiting), "clWaitForEvents");
  unsigned counts[64] = {};
  need(clEnqueueReadBuffer(card.queue, card.memory, CL_TRUE, 0, sizeof counts, counts, 0, nullptr,
                           nullptr),
       "clEnqueueReadBuffer");
  const bool right = counts[0] == launches && counts[63] == launches;
  std::printf("%d children, %d wrong; the parent counted %s\n", children, wrong,
              right ? "right" : "WRONG");
  return wrong == 0 && right ? 0 : 1;
}
