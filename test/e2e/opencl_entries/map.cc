// Mapping buffers of every kind of host memory.
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 1024, kBytes = kWords * sizeof(cl_uint);

cl_uint map_count(cl_mem buffer) {
  cl_uint count = 99;
  clGetMemObjectInfo(buffer, CL_MEM_MAP_COUNT, sizeof(count), &count, nullptr);
  return count;
}

// PoCL counts an unmapping a moment after its command has ended.
void say_count(cl_mem buffer, cl_uint expected, const char* what) {
  for (int i = 0; i < 1000 && map_count(buffer) != expected; ++i) usleep(1000);
  say("%s count %u", what, map_count(buffer));
}

void blocking(Session& s, cl_mem buffer, const char* what) {
  cl_int error = CL_SUCCESS;
  auto* all = static_cast<cl_uint*>(clEnqueueMapBuffer(s.queue, buffer, CL_TRUE,
                                                       CL_MAP_WRITE_INVALIDATE_REGION, 0, kBytes, 0,
                                                       nullptr, nullptr, &error));
  say("%s map %s", what, error_name(error).c_str());
  if (all == nullptr) return;
  const auto data = pattern(kWords, 8);
  std::memcpy(all, data.data(), kBytes);
  say("%s unmap %s", what,
      error_name(clEnqueueUnmapMemObject(s.queue, buffer, all, 0, nullptr, nullptr)).c_str());
  auto* part = static_cast<cl_uint*>(clEnqueueMapBuffer(s.queue, buffer, CL_TRUE, CL_MAP_READ, 1024,
                                                        512, 0, nullptr, nullptr, &error));
  say("%s part %s %s", what, error_name(error).c_str(),
      part != nullptr ? fingerprint(part, 512).c_str() : "");
  say_count(buffer, 1, what);
  if (part != nullptr) clEnqueueUnmapMemObject(s.queue, buffer, part, 0, nullptr, nullptr);
  clFinish(s.queue);
  say_count(buffer, 0, what);
  say("%s content %s", what, fingerprint(s.words(s.queue, buffer, kWords)).c_str());
}

void with_events(Session& s) {
  cl_mem buffer = s.buffer(kBytes);
  const cl_uint seven = 7;
  cl_event filled = nullptr, mapped = nullptr, unmapped = nullptr;
  cl_int error = CL_SUCCESS;
  clEnqueueFillBuffer(s.queue, buffer, &seven, 4, 0, kBytes, 0, nullptr, &filled);
  auto* view = static_cast<cl_uint*>(clEnqueueMapBuffer(s.queue, buffer, CL_FALSE,
                                                        CL_MAP_READ | CL_MAP_WRITE, 0, kBytes, 1,
                                                        &filled, &mapped, &error));
  say("non-blocking %s", error_name(error).c_str());
  if (view != nullptr) {
    clWaitForEvents(1, &mapped);
    say("sees %u %u", view[0], view[kWords - 1]);
    std::fill(view, view + kWords, 9u);
    clEnqueueUnmapMemObject(s.queue, buffer, view, 0, nullptr, &unmapped);
    clWaitForEvents(1, &unmapped);
    say("content %s", fingerprint(s.words(s.queue, buffer, kWords)).c_str());
    clReleaseEvent(unmapped);
    clReleaseEvent(mapped);
  }
  clReleaseEvent(filled);
  clReleaseMemObject(buffer);
}

void wrong(Session& s) {
  cl_mem buffer = s.buffer(kBytes);
  cl_int error = CL_SUCCESS;
  clEnqueueMapBuffer(s.queue, buffer, CL_TRUE, CL_MAP_READ, kBytes, 64, 0, nullptr, nullptr,
                     &error);
  say("beyond the end %s", error_name(error).c_str());
  int nothing = 0;
  say("unmap of nothing %s",
      error_name(clEnqueueUnmapMemObject(s.queue, buffer, &nothing, 0, nullptr, nullptr)).c_str());
  clReleaseMemObject(buffer);
}

}  // namespace

void run_map(Session& session) {
  cl_int error = CL_SUCCESS;
  cl_mem plain = session.buffer(kBytes);
  blocking(session, plain, "plain");
  clReleaseMemObject(plain);
  cl_mem pinned = clCreateBuffer(session.context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, kBytes,
                                 nullptr, &error);
  say("alloc host ptr %s", error_name(error).c_str());
  blocking(session, pinned, "pinned");
  clReleaseMemObject(pinned);
  std::vector<cl_uint> host(kWords, 1);
  cl_mem own = clCreateBuffer(session.context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, kBytes,
                              host.data(), &error);
  say("use host ptr %s", error_name(error).c_str());
  blocking(session, own, "own");
  clReleaseMemObject(own);
  with_events(session);
  wrong(session);
}

}  // namespace flexai::test
