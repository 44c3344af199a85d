// Shared virtual memory: every command on it, kernels that get its pointers, both ways to free it.
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 1024, kBytes = kWords * sizeof(cl_uint);
std::atomic<int> g_freed{0};

void CL_CALLBACK free_all(cl_command_queue queue, cl_uint count, void** pointers, void* user) {
  cl_context context = static_cast<cl_context>(user);
  (void)queue;
  for (cl_uint i = 0; i < count; ++i) clSVMFree(context, pointers[i]);
  g_freed += static_cast<int>(count);
}

void commands(Session& s, cl_uint* a, cl_uint* b) {
  const auto data = pattern(kWords, 15);
  say("map %s",
      error_name(clEnqueueSVMMap(s.queue, CL_TRUE, CL_MAP_WRITE, a, kBytes, 0, nullptr, nullptr))
          .c_str());
  std::memcpy(a, data.data(), kBytes);
  say("unmap %s", error_name(clEnqueueSVMUnmap(s.queue, a, 0, nullptr, nullptr)).c_str());
  const cl_uint fill = 3;
  say("fill %s",
      error_name(clEnqueueSVMMemFill(s.queue, b, &fill, sizeof(fill), kBytes, 0, nullptr, nullptr))
          .c_str());
  say("copy %s", error_name(clEnqueueSVMMemcpy(s.queue, CL_TRUE, b + 16, a + 16, kBytes / 2, 0,
                                               nullptr, nullptr))
                     .c_str());
  const void* pointers[] = {a, b};
  say("migrate %s",
      error_name(clEnqueueSVMMigrateMem(s.queue, 2, pointers, nullptr, 0, 0, nullptr, nullptr))
          .c_str());
}

void kernel_on(Session& s, cl_uint* b) {
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  const size_t size = kWords;
  void* used[] = {b};
  say("argument %s", error_name(clSetKernelArgSVMPointer(kernel, 0, b)).c_str());
  say("exec info %s",
      error_name(clSetKernelExecInfo(kernel, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof(used), used))
          .c_str());
  say("kernel %s", error_name(clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, 0,
                                                     nullptr, nullptr))
                       .c_str());
  clEnqueueSVMMap(s.queue, CL_TRUE, CL_MAP_READ, b, kBytes, 0, nullptr, nullptr);
  say("content %s", fingerprint(b, kBytes).c_str());
  clEnqueueSVMUnmap(s.queue, b, 0, nullptr, nullptr);
  clFinish(s.queue);
  clReleaseKernel(kernel);
}

void frees(Session& s, void* a, void* b) {
  say("enqueue free %s",
      error_name(clEnqueueSVMFree(s.queue, 1, &a, nullptr, nullptr, 0, nullptr, nullptr)).c_str());
  say("enqueue free by callback %s",
      error_name(clEnqueueSVMFree(s.queue, 1, &b, free_all, s.context, 0, nullptr, nullptr))
          .c_str());
  clFinish(s.queue);
  for (int i = 0; i < 2000 && g_freed < 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  say("freed by callback %d", g_freed.load());
  g_freed = 0;
}

}  // namespace

void run_svm(Session& session) {
  const auto able = session.info<cl_device_svm_capabilities>(CL_DEVICE_SVM_CAPABILITIES);
  say("able %llx", static_cast<unsigned long long>(able));
  if (able == 0) return;
  auto* a = static_cast<cl_uint*>(clSVMAlloc(session.context, CL_MEM_READ_WRITE, kBytes, 0));
  auto* b = static_cast<cl_uint*>(clSVMAlloc(session.context, CL_MEM_READ_WRITE, kBytes, 64));
  say("alloc %s %s", a != nullptr ? "yes" : "no", b != nullptr ? "yes" : "no");
  if (a == nullptr || b == nullptr) return;
  commands(session, a, b);
  kernel_on(session, b);
  frees(session, a, b);
  void* c = clSVMAlloc(session.context, CL_MEM_READ_WRITE, kBytes, 0);
  clSVMFree(session.context, c);
  clSVMFree(session.context, nullptr);
  say("of size 0 %s",
      clSVMAlloc(session.context, CL_MEM_READ_WRITE, 0, 0) == nullptr ? "no" : "yes");
  say("of odd alignment %s",
      clSVMAlloc(session.context, CL_MEM_READ_WRITE, 64, 3) == nullptr ? "no" : "yes");
  for (int i = 0; i < 1000; ++i)
    clSVMFree(session.context, clSVMAlloc(session.context, CL_MEM_READ_WRITE, kBytes, 0));
  say("a thousand more");
}

}  // namespace flexai::test
