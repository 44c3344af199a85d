// Several threads: a queue each in a common context, then a context each.
#include <thread>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr int kThreads = 4;
constexpr size_t kWords = 2048;

// Every thread builds its own kernel: setting arguments of one is not thread-safe.
std::string work(Session s, uint32_t seed) {
  cl_int error = CL_SUCCESS;
  cl_command_queue queue = clCreateCommandQueue(s.context, s.device, 0, &error);
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (queue == nullptr || kernel == nullptr) return "nothing";
  const auto data = pattern(kWords, seed);
  cl_mem buffer = s.buffer(kWords * 4, data.data());
  clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
  const size_t size = kWords;
  for (int i = 0; i < 100; ++i) {
    clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, nullptr);
    if (i % 10 == 0) clFinish(queue);
  }
  const std::string result = fingerprint(s.words(queue, buffer, kWords));
  clReleaseMemObject(buffer);
  clReleaseKernel(kernel);
  clReleaseCommandQueue(queue);
  return result;
}

std::string work_alone(Session s, uint32_t seed) {
  cl_int error = CL_SUCCESS;
  s.context = clCreateContextFromType(nullptr, CL_DEVICE_TYPE_ALL, nullptr, nullptr, &error);
  if (error != CL_SUCCESS ||
      s.context == nullptr) {  // several platforms: it needs to be told which
    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(s.platform), 0};
    s.context = clCreateContextFromType(properties, CL_DEVICE_TYPE_ALL, nullptr, nullptr, &error);
  }
  if (error != CL_SUCCESS) return error_name(error);
  const std::string result = work(s, seed);
  clReleaseContext(s.context);
  return result;
}

void all(Session& s, std::string (*body)(Session, uint32_t), const char* what) {
  std::string results[kThreads];
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] { results[i] = body(s, static_cast<uint32_t>(i + 20)); });
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads; ++i) say("%s %d %s", what, i, results[i].c_str());
}

}  // namespace

void run_threads(Session& session) {
  all(session, work, "queue");
  all(session, work_alone, "context");
}

}  // namespace flexai::test
