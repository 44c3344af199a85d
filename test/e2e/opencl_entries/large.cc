// Data large enough to travel by other ways than small data does: whole, in boxes with gaps, as
// images, mapped and changed here and there, from several threads at once.
#include <cstring>
#include <thread>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 384 * 1024, kBytes = kWords * sizeof(cl_uint);

void say_content(Session& s, cl_mem buffer, const char* what) {
  say("%s content %s", what, fingerprint(s.words(s.queue, buffer, kWords)).c_str());
}

void whole(Session& s, cl_mem buffer) {
  const auto data = pattern(kWords, 21);
  say("write %s", error_name(clEnqueueWriteBuffer(s.queue, buffer, CL_TRUE, 0, kBytes, data.data(),
                                                  0, nullptr, nullptr))
                      .c_str());
  say_content(s, buffer, "written");
  // In order with kernels although nothing is waited for.
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  const auto other = pattern(kWords, 22);
  std::vector<cl_uint> first(kWords), second(kWords);
  const size_t size = kWords;
  cl_event events[3] = {};
  clSetKernelArg(kernel, 0, sizeof buffer, &buffer);
  clEnqueueWriteBuffer(s.queue, buffer, CL_FALSE, 0, kBytes, other.data(), 0, nullptr, &events[0]);
  clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, nullptr);
  clEnqueueReadBuffer(s.queue, buffer, CL_FALSE, 0, kBytes, first.data(), 0, nullptr, &events[1]);
  clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, 1, &events[1], nullptr);
  clEnqueueReadBuffer(s.queue, buffer, CL_FALSE, 4096, kBytes - 4096, second.data(), 0, nullptr,
                      &events[2]);
  say("wait %s", error_name(clWaitForEvents(3, events)).c_str());
  say("first %s second %s", fingerprint(first).c_str(), fingerprint(second).c_str());
  for (cl_event event : events) clReleaseEvent(event);
  clReleaseKernel(kernel);
}

void boxes(Session& s, cl_mem buffer) {
  // Rows of 1000 bytes: in the buffer 1024 apart, in the program 1100 and slices 200,200.
  const size_t buffer_origin[] = {16, 1, 0}, host_origin[] = {8, 2, 0}, region[] = {1000, 150, 4};
  std::vector<cl_uint> host = pattern(4 * 50050 + 1000, 23), back(host.size(), 5);
  say("write box %s",
      error_name(clEnqueueWriteBufferRect(s.queue, buffer, CL_FALSE, buffer_origin, host_origin,
                                          region, 1024, 1024 * 160, 1100, 200200, host.data(), 0,
                                          nullptr, nullptr))
          .c_str());
  say("read box %s", error_name(clEnqueueReadBufferRect(s.queue, buffer, CL_TRUE, buffer_origin,
                                                        host_origin, region, 1024, 1024 * 160, 1100,
                                                        200200, back.data(), 0, nullptr, nullptr))
                         .c_str());
  say("box %s", fingerprint(back).c_str());
  say_content(s, buffer, "with the box");
}

void mapped(Session& s, cl_mem buffer) {
  for (size_t changes : {size_t{0}, size_t{3}, kWords}) {
    cl_int error = CL_SUCCESS;
    auto* view = static_cast<cl_uint*>(
        clEnqueueMapBuffer(s.queue, buffer, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 4096,
                           kBytes - 4096, 0, nullptr, nullptr, &error));
    say("map %s", error_name(error).c_str());
    if (view == nullptr) return;
    say("sees %s", fingerprint(view, kBytes - 4096).c_str());
    for (size_t i = 0; i < changes; ++i) view[i * (kWords - 1024 - 1) / changes] += 77;
    cl_event unmapped = nullptr;
    say("unmap %s",
        error_name(clEnqueueUnmapMemObject(s.queue, buffer, view, 0, nullptr, &unmapped)).c_str());
    say("wait %s", error_name(clWaitForEvents(1, &unmapped)).c_str());
    clReleaseEvent(unmapped);
    say_content(s, buffer, "changed");
  }
  cl_int error = CL_SUCCESS;
  void* fresh = clEnqueueMapBuffer(s.queue, buffer, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0,
                                   kBytes, 0, nullptr, nullptr, &error);
  if (fresh == nullptr) return;
  std::memset(fresh, 9, kBytes);
  clEnqueueUnmapMemObject(s.queue, buffer, fresh, 0, nullptr, nullptr);
  say_content(s, buffer, "fresh");
}

void image(Session& s) {
  if (s.info<cl_bool>(CL_DEVICE_IMAGE_SUPPORT) == CL_FALSE) return;
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 500;
  desc.image_height = 300;
  cl_int error = CL_SUCCESS;
  cl_mem pixels = clCreateImage(s.context, CL_MEM_READ_WRITE, &format, &desc, nullptr, &error);
  say("image %s", error_name(error).c_str());
  if (pixels == nullptr) return;
  const size_t origin[] = {0, 0, 0}, region[] = {500, 300, 1};
  const auto data = pattern(512 * 300, 24);
  std::vector<cl_uint> back(510 * 300, 1);
  say("write image %s",
      error_name(clEnqueueWriteImage(s.queue, pixels, CL_FALSE, origin, region, 512 * 4, 0,
                                     data.data(), 0, nullptr, nullptr))
          .c_str());
  say("read image %s", error_name(clEnqueueReadImage(s.queue, pixels, CL_TRUE, origin, region,
                                                     510 * 4, 0, back.data(), 0, nullptr, nullptr))
                           .c_str());
  say("pixels %s", fingerprint(back).c_str());
  clReleaseMemObject(pixels);
}

void wrong(Session& s, cl_mem buffer) {
  std::vector<cl_uint> data(kWords + 1024);
  say("beyond the end %s %s",
      error_name(clEnqueueWriteBuffer(s.queue, buffer, CL_TRUE, 4, kBytes, data.data(), 0, nullptr,
                                      nullptr))
          .c_str(),
      error_name(clEnqueueReadBuffer(s.queue, buffer, CL_TRUE, 4, kBytes, data.data(), 0, nullptr,
                                     nullptr))
          .c_str());
  say("without a list %s", error_name(clEnqueueWriteBuffer(s.queue, buffer, CL_TRUE, 0, kBytes,
                                                           data.data(), 2, nullptr, nullptr))
                               .c_str());
}

// Pitches of the program's memory, which the card never sees.
void pitches(Session& s, cl_mem buffer) {
  const size_t zero[] = {0, 0, 0}, region[] = {100, 10, 2};
  std::vector<cl_uint> data(16 * 1024);
  const size_t wrong[][2] = {{99, 0}, {100, 999}, {100, 1050}, {0, 1000}, {0, 950}, {120, 1200}};
  for (const auto& [row, slice] : wrong) {
    say("box pitches %zu %zu: %s %s", row, slice,
        error_name(clEnqueueReadBufferRect(s.queue, buffer, CL_TRUE, zero, zero, region, 0, 0, row,
                                           slice, data.data(), 0, nullptr, nullptr))
            .c_str(),
        error_name(clEnqueueWriteBufferRect(s.queue, buffer, CL_TRUE, zero, zero, region, 0, 0, row,
                                            slice, data.data(), 0, nullptr, nullptr))
            .c_str());
  }
}

void image_pitches(Session& s) {
  if (s.info<cl_bool>(CL_DEVICE_IMAGE_SUPPORT) == CL_FALSE) return;
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  for (cl_mem_object_type type : {CL_MEM_OBJECT_IMAGE2D, CL_MEM_OBJECT_IMAGE3D}) {
    const bool deep = type == CL_MEM_OBJECT_IMAGE3D;
    cl_image_desc desc{};
    desc.image_type = type;
    desc.image_width = desc.image_height = 20;
    desc.image_depth = deep ? 4 : 1;
    cl_mem pixels = clCreateImage(s.context, CL_MEM_READ_WRITE, &format, &desc, nullptr, nullptr);
    if (pixels == nullptr) continue;
    const size_t zero[] = {0, 0, 0}, region[] = {20, 20, deep ? size_t{4} : size_t{1}};
    std::vector<cl_uint> data(8192);
    const size_t wrong[][2] = {{79, 0}, {80, 1599}, {80, 1600}, {0, 1600}, {84, 1600}, {84, 1681}};
    for (const auto& [row, slice] : wrong) {
      say("image %d pitches %zu %zu: %s %s", deep ? 3 : 2, row, slice,
          error_name(clEnqueueReadImage(s.queue, pixels, CL_TRUE, zero, region, row, slice,
                                        data.data(), 0, nullptr, nullptr))
              .c_str(),
          error_name(clEnqueueWriteImage(s.queue, pixels, CL_TRUE, zero, region, row, slice,
                                         data.data(), 0, nullptr, nullptr))
              .c_str());
    }
    clReleaseMemObject(pixels);
  }
}

void together(Session& s) {
  std::vector<std::thread> threads;
  std::vector<std::string> found(4);
  for (size_t n = 0; n < found.size(); ++n) {
    threads.emplace_back([&s, &found, n] {
      cl_mem buffer = s.buffer(kBytes);
      const auto data = pattern(kWords, static_cast<uint32_t>(30 + n));
      for (int i = 0; i < 4; ++i)
        clEnqueueWriteBuffer(s.queue, buffer, CL_FALSE, 0, kBytes, data.data(), 0, nullptr,
                             nullptr);
      found[n] = fingerprint(s.words(s.queue, buffer, kWords));
      clReleaseMemObject(buffer);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& each : found) say("thread %s", each.c_str());
}

}  // namespace

void run_large(Session& session) {
  cl_mem buffer = session.buffer(kBytes);
  if (buffer == nullptr) return;
  whole(session, buffer);
  boxes(session, buffer);
  mapped(session, buffer);
  image(session);
  wrong(session, buffer);
  pitches(session, buffer);
  image_pitches(session);
  together(session);
  clReleaseMemObject(buffer);
}

}  // namespace flexai::test
