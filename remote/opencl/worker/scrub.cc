#include "remote/opencl/worker/scrub.h"

#include <algorithm>
#include <map>
#include <vector>

namespace flexai::remote::opencl {

using driver::opencl::Table;

namespace {

bool is_scrubbed(const Table& driver, cl_device_id device, Scrubbed where) {
  cl_device_type type = 0;
  driver.clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, nullptr);
  return where == Scrubbed::kAllDevices || (type & CL_DEVICE_TYPE_CPU) == 0;
}

bool is_scrubbed(const Table& driver, cl_command_queue queue, Scrubbed where) {
  cl_device_id device = nullptr;
  driver.clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, nullptr);
  return is_scrubbed(driver, device, where);
}

// One queue for each device of a context.
class Queues {
 public:
  Queues(const Table& driver, Scrubbed where) : driver_(driver), where_(where) {}
  ~Queues() {
    for (auto& [context, queues] : queues_)
      for (cl_command_queue queue : queues) driver_.clReleaseCommandQueue(queue);
  }
  Queues(const Queues&) = delete;
  Queues& operator=(const Queues&) = delete;

  const std::vector<cl_command_queue>& of(cl_context context) {
    auto [at, fresh] = queues_.try_emplace(context);
    if (fresh) at->second = make(context);
    return at->second;
  }
  bool finish() {
    bool done = true;
    for (auto& [context, queues] : queues_)
      for (cl_command_queue queue : queues) done &= driver_.clFinish(queue) == CL_SUCCESS;
    return done;
  }

 private:
  std::vector<cl_command_queue> make(cl_context context) const {
    size_t bytes = 0;
    driver_.clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, nullptr, &bytes);
    std::vector<cl_device_id> devices(bytes / sizeof(cl_device_id));
    driver_.clGetContextInfo(context, CL_CONTEXT_DEVICES, bytes, devices.data(), nullptr);
    std::vector<cl_command_queue> queues;
    for (cl_device_id device : devices) {
      if (!is_scrubbed(driver_, device, where_)) continue;
      cl_int code = CL_SUCCESS;
      cl_command_queue queue = driver_.clCreateCommandQueue(context, device, 0, &code);
      if (code == CL_SUCCESS) queues.push_back(queue);
    }
    return queues;
  }

  const Table& driver_;
  const Scrubbed where_;
  std::map<cl_context, std::vector<cl_command_queue>> queues_;
};

template <typename T>
T info(const Table& driver, cl_mem object, cl_mem_info what) {
  T value{};
  driver.clGetMemObjectInfo(object, what, sizeof value, &value, nullptr);
  return value;
}

cl_int fill_image(const Table& driver, cl_command_queue queue, cl_mem image, bool layers_are_rows) {
  size_t width = 0, height = 0, depth = 0, layers = 0;
  driver.clGetImageInfo(image, CL_IMAGE_WIDTH, sizeof width, &width, nullptr);
  driver.clGetImageInfo(image, CL_IMAGE_HEIGHT, sizeof height, &height, nullptr);
  driver.clGetImageInfo(image, CL_IMAGE_DEPTH, sizeof depth, &depth, nullptr);
  driver.clGetImageInfo(image, CL_IMAGE_ARRAY_SIZE, sizeof layers, &layers, nullptr);
  const size_t one = 1, origin[3] = {};
  const size_t rows = layers_are_rows ? layers : height;
  const size_t slices = layers_are_rows ? one : std::max(depth, layers);
  const size_t region[3] = {width, std::max(rows, one), std::max(slices, one)};
  const cl_uint black[4] = {};
  return driver.clEnqueueFillImage(queue, image, black, origin, region, 0, nullptr, nullptr);
}

cl_int fill(const Table& driver, cl_command_queue queue, cl_mem object) {
  const auto type = info<cl_mem_object_type>(driver, object, CL_MEM_TYPE);
  if (type == CL_MEM_OBJECT_PIPE) return CL_SUCCESS;
  if (type != CL_MEM_OBJECT_BUFFER)
    return fill_image(driver, queue, object, type == CL_MEM_OBJECT_IMAGE1D_ARRAY);
  const cl_uchar zero = 0;
  return driver.clEnqueueFillBuffer(queue, object, &zero, sizeof zero, 0,
                                    info<size_t>(driver, object, CL_MEM_SIZE), 0, nullptr, nullptr);
}

}  // namespace

size_t scrub(const Table& driver, std::span<const cl_command_queue> queues,
             std::span<const cl_mem> objects, Scrubbed where) {
  for (cl_command_queue queue : queues)
    if (is_scrubbed(driver, queue, where)) driver.clFinish(queue);
  Queues own(driver, where);
  size_t left = 0;
  for (cl_mem object : objects) {
    bool done = true;
    for (cl_command_queue queue : own.of(info<cl_context>(driver, object, CL_MEM_CONTEXT)))
      done &= fill(driver, queue, object) == CL_SUCCESS;
    left += !done;
  }
  return own.finish() ? left : objects.size();
}

}  // namespace flexai::remote::opencl
