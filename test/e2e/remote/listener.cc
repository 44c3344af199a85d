// opencl-listener: prints what the callbacks of its contexts are told, one line each. Works until a
// call fails, or until somebody closes its standard input, then releases the first context.
#include <CL/cl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>

namespace {

void CL_CALLBACK listen(const char* text, const void*, size_t size, void* name) {
  std::printf("%s heard (%zu bytes): %s\n", static_cast<const char*>(name), size, text);
  std::fflush(stdout);
}

bool input_is_open() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) == 0;
}

}  // namespace

int main() {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  cl_int code = CL_SUCCESS;
  if (clGetPlatformIDs(1, &platform, nullptr) != CL_SUCCESS ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr) != CL_SUCCESS)
    return 1;
  char first[] = "first", second[] = "second", third[] = "third";
  cl_context contexts[3];
  char* names[] = {first, second, third};
  for (int i = 0; i < 3; ++i) {
    contexts[i] = clCreateContext(nullptr, 1, &device, listen, names[i], &code);
    if (code != CL_SUCCESS) return 1;
  }
  clReleaseContext(contexts[1]);  // hears nothing any more
  cl_command_queue queue = clCreateCommandQueueWithProperties(contexts[0], device, nullptr, &code);
  std::printf("works\n");
  std::fflush(stdout);
  while (input_is_open() && code == CL_SUCCESS) {
    code = clEnqueueMarkerWithWaitList(queue, 0, nullptr, nullptr);
    if (code == CL_SUCCESS) code = clFinish(queue);
    ::usleep(1000);
  }
  std::printf("the last call said %d\n", code);
  std::fflush(stdout);
  ::sleep(2);  // callbacks come on a thread of their own
  std::printf("over\n");
  return 0;
}
