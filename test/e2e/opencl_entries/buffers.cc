// Copies, fills, rectangles, migration, properties, the task form of a kernel.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 4096;
constexpr size_t kBytes = kWords * sizeof(cl_uint);

void copies_and_fills(Session& s) {
  const auto data = pattern(kWords, 1);
  cl_mem a = s.buffer(kBytes, data.data()), b = s.buffer(kBytes);
  const cl_uint fill = 0xa5a5a5a5;
  say("fill %s", error_name(clEnqueueFillBuffer(s.queue, b, &fill, sizeof(fill), 0, kBytes, 0,
                                                nullptr, nullptr))
                     .c_str());
  say("copy %s",
      error_name(clEnqueueCopyBuffer(s.queue, a, b, 64, 128, 1024, 0, nullptr, nullptr)).c_str());
  say("after copy %s", fingerprint(s.words(s.queue, b, kWords)).c_str());
  const size_t src[] = {16, 2, 0}, dst[] = {32, 4, 0}, region[] = {64, 8, 1};
  say("copy rect %s", error_name(clEnqueueCopyBufferRect(s.queue, a, b, src, dst, region, 256, 0,
                                                         512, 0, 0, nullptr, nullptr))
                          .c_str());
  std::vector<cl_uint> host(kWords, 7);
  say("read rect %s",
      error_name(clEnqueueReadBufferRect(s.queue, b, CL_TRUE, dst, src, region, 512, 0, 128, 0,
                                         host.data(), 0, nullptr, nullptr))
          .c_str());
  say("host %s", fingerprint(host).c_str());
  say("write rect %s",
      error_name(clEnqueueWriteBufferRect(s.queue, b, CL_TRUE, src, dst, region, 256, 0, 256, 0,
                                          data.data(), 0, nullptr, nullptr))
          .c_str());
  say("after rects %s", fingerprint(s.words(s.queue, b, kWords)).c_str());
  say("overlap %s",
      error_name(clEnqueueCopyBuffer(s.queue, a, a, 0, 64, 128, 0, nullptr, nullptr)).c_str());
  cl_mem both[] = {a, b};
  say("migrate %s",
      error_name(clEnqueueMigrateMemObjects(s.queue, 2, both, CL_MIGRATE_MEM_OBJECT_HOST, 0,
                                            nullptr, nullptr))
          .c_str());
  say("migrated %s", fingerprint(s.words(s.queue, a, kWords)).c_str());
  clReleaseMemObject(a);
  clReleaseMemObject(b);
}

void waits_on_events(Session& s) {
  const auto data = pattern(kWords, 2);
  cl_mem a = s.buffer(kBytes), b = s.buffer(kBytes);
  cl_event written = nullptr, copied = nullptr, read = nullptr;
  std::vector<cl_uint> host(kWords);
  clEnqueueWriteBuffer(s.queue, a, CL_FALSE, 0, kBytes, data.data(), 0, nullptr, &written);
  clEnqueueCopyBuffer(s.queue, a, b, 0, 0, kBytes, 1, &written, &copied);
  clEnqueueReadBuffer(s.queue, b, CL_FALSE, 0, kBytes, host.data(), 1, &copied, &read);
  say("flush %s", error_name(clFlush(s.queue)).c_str());
  say("wait %s", error_name(clWaitForEvents(1, &read)).c_str());
  say("through %s", host == data ? "equal" : "different");
  for (cl_event event : {written, copied, read}) {
    cl_int status = -999;
    cl_command_type type = 0;
    clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, nullptr);
    clGetEventInfo(event, CL_EVENT_COMMAND_TYPE, sizeof(type), &type, nullptr);
    say("event type %x status %d", type, status);
    clReleaseEvent(event);
  }
  clReleaseMemObject(a);
  clReleaseMemObject(b);
}

void with_properties(Session& s) {
  cl_int error = CL_SUCCESS;
  const auto data = pattern(16, 3);
  const cl_mem_properties none[] = {0};
  cl_mem a = clCreateBufferWithProperties(s.context, none, CL_MEM_COPY_HOST_PTR, 64,
                                          const_cast<cl_uint*>(data.data()), &error);
  say("with properties %s", error_name(error).c_str());
  if (a == nullptr) return;
  say("content %s", fingerprint(s.words(s.queue, a, 16)).c_str());
  const cl_mem_properties bad[] = {0x12345, 1, 0};
  clCreateBufferWithProperties(s.context, bad, 0, 64, nullptr, &error);
  say("bad property %s", error_name(error).c_str());
  size_t size = 0;
  cl_mem_flags flags = 0;
  clGetMemObjectInfo(a, CL_MEM_SIZE, sizeof(size), &size, nullptr);
  clGetMemObjectInfo(a, CL_MEM_FLAGS, sizeof(flags), &flags, nullptr);
  say("size %zu flags %llx", size, static_cast<unsigned long long>(flags));
  clReleaseMemObject(a);
}

void task(Session& s) {
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  const auto data = pattern(4, 4);
  cl_mem a = s.buffer(16, data.data());
  clSetKernelArg(kernel, 0, sizeof(a), &a);
  say("task %s", error_name(clEnqueueTask(s.queue, kernel, 0, nullptr, nullptr)).c_str());
  say("after task %s", fingerprint(s.words(s.queue, a, 4)).c_str());
  clReleaseMemObject(a);
  clReleaseKernel(kernel);
}

}  // namespace

void run_buffers(Session& session) {
  copies_and_fills(session);
  waits_on_events(session);
  with_properties(session);
  task(session);
}

}  // namespace flexai::test
