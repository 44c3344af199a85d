// Sub-devices: parts of the card; they share its budget.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

void use(Session& s, cl_device_id part, int number) {
  cl_int error = CL_SUCCESS;
  Session own = s;
  own.device = part;
  own.context = clCreateContext(nullptr, 1, &part, nullptr, nullptr, &error);
  if (error != CL_SUCCESS) return say("part %d context %s", number, error_name(error).c_str());
  own.queue = clCreateCommandQueue(own.context, part, 0, &error);
  say("part %d queue %s", number, error_name(error).c_str());
  cl_kernel kernel = own.kernel(kAdvanceSource, "advance");
  const auto data = pattern(256, 14);
  cl_mem buffer = own.buffer(1024, data.data());
  const size_t size = 256;
  if (kernel != nullptr && own.queue != nullptr) {
    clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
    clEnqueueNDRangeKernel(own.queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, nullptr);
    say("part %d content %s", number, fingerprint(own.words(own.queue, buffer, 256)).c_str());
    clReleaseKernel(kernel);
  }
  cl_device_id parent = nullptr;
  clGetDeviceInfo(part, CL_DEVICE_PARENT_DEVICE, sizeof(parent), &parent, nullptr);
  say("part %d parent %s", number, parent == s.device ? "right" : "wrong");
  clReleaseMemObject(buffer);
  if (own.queue != nullptr) clReleaseCommandQueue(own.queue);
  clReleaseContext(own.context);
}

}  // namespace

void run_sub_devices(Session& session) {
  const auto units = session.info<cl_uint>(CL_DEVICE_MAX_COMPUTE_UNITS);
  const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
  cl_uint count = 0;
  const cl_int error = clCreateSubDevices(session.device, equally, 0, nullptr, &count);
  say("partition %s", error_name(error).c_str());
  if (error == CL_SUCCESS && count > 0) {
    std::vector<cl_device_id> parts(count);
    say("create %s",
        error_name(clCreateSubDevices(session.device, equally, count, parts.data(), nullptr))
            .c_str());
    say("one a unit %s", count == units ? "yes" : "no");
    use(session, parts[0], 0);
    if (count > 1) use(session, parts[1], 1);
    say("retain %s", error_name(clRetainDevice(parts[0])).c_str());
    clReleaseDevice(parts[0]);
    for (cl_device_id part : parts) clReleaseDevice(part);
  }
  const cl_device_partition_property wrong[] = {0x7777, 1, 0};
  cl_device_id none = nullptr;
  say("wrong %s", clCreateSubDevices(session.device, wrong, 1, &none, nullptr) == CL_SUCCESS
                      ? "made"
                      : "refused");
}

}  // namespace flexai::test
