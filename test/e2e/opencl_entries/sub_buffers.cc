// Sub-buffers share their parent's bytes.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {

void run_sub_buffers(Session& session) {
  const size_t align = session.info<cl_uint>(CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
  const size_t part = align < 1024 ? 1024 : align;
  const size_t words = 4 * part / sizeof(cl_uint);
  const auto data = pattern(words, 13);
  cl_mem parent = session.buffer(4 * part, data.data());
  cl_int error = CL_SUCCESS;
  const cl_buffer_region second{part, part};
  cl_mem sub =
      clCreateSubBuffer(parent, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &second, &error);
  say("create %s", error_name(error).c_str());
  if (sub == nullptr) return;
  size_t offset = 0;
  cl_mem of = nullptr;
  clGetMemObjectInfo(sub, CL_MEM_OFFSET, sizeof(offset), &offset, nullptr);
  clGetMemObjectInfo(sub, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(of), &of, nullptr);
  say("offset %s, of its parent %s", offset == part ? "right" : "wrong",
      of == parent ? "yes" : "no");
  const cl_uint fill = 0x11111111;
  clEnqueueFillBuffer(session.queue, sub, &fill, 4, 0, part, 0, nullptr, nullptr);
  const auto now = session.words(session.queue, parent, words);
  const size_t first = part / sizeof(cl_uint);
  say("before %s inside %s after %s", now[first - 1] == data[first - 1] ? "kept" : "changed",
      now[first] == fill && now[2 * first - 1] == fill ? "filled" : "wrong",
      now[2 * first] == data[2 * first] ? "kept" : "changed");
  clCreateSubBuffer(sub, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &second, &error);
  say("nested %s", error_name(error).c_str());
  const cl_buffer_region beyond{3 * part, 2 * part}, none{0, 0};
  clCreateSubBuffer(parent, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &beyond, &error);
  say("beyond %s", error_name(error).c_str());
  clCreateSubBuffer(parent, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &none, &error);
  say("empty %s", error_name(error).c_str());
  clReleaseMemObject(parent);  // the sub-buffer keeps it
  say("orphan %s", fingerprint(session.words(session.queue, sub, first)).c_str());
  clReleaseMemObject(sub);
}

}  // namespace flexai::test
