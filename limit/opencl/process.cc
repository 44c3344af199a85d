#include "limit/opencl/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "driver/opencl/identity.h"
#include "limit/opencl/queue.h"

namespace flexai::limit::opencl {

using base::MutexLock;

Process& Process::get() {
  static Process* process = new Process();
  return *process;
}

const std::vector<std::unique_ptr<Tenant>>& Process::tenants() {
  if (ready_.load(std::memory_order_acquire)) return tenants_;
  // Discovery calls the driver; the lock only keeps a second first caller waiting, and drivers do
  // not call back here.
  MutexLock lock(mutex_);
  if (!ready_.load(std::memory_order_relaxed)) {
    discover();
    ready_.store(true, std::memory_order_release);
  }
  return tenants_;
}

void Process::discover() {
  const char* socket = getenv(kEnvAttach);
  const char* grant = getenv(kEnvGrant);
  if (socket == nullptr || grant == nullptr) {
    say("flexai: this program was not started by `flexai run`; it sees no cards");
    return;
  }
  auto attached = Tenant::attach_all({socket, grant, "opencl"});
  if (!attached.ok()) {
    say("flexai: no slice for this program: " + attached.error().message);
    return;
  }
  tenants_ = std::move(*attached);
  for (auto& tenant : tenants_)
    tenant->set_harvest([t = tenant.get()](bool start) { return Queues::get().harvest(t, start); });

  cl_uint count = 0;
  if (next_.clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS || count == 0) return;
  std::vector<cl_platform_id> all(count);
  if (next_.clGetPlatformIDs(count, all.data(), nullptr) != CL_SUCCESS) return;
  for (cl_platform_id platform : all) {
    cl_uint n = 0;
    if (next_.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &n) != CL_SUCCESS || n == 0)
      continue;
    std::vector<cl_device_id> devices(n);
    if (next_.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, devices.data(), nullptr) !=
        CL_SUCCESS)
      continue;
    bool any = false;
    for (cl_device_id device : devices) {
      std::string key = driver::opencl::device_key(next_, platform, device);
      for (auto& tenant : tenants_) {
        if (tenant->card_key() != key) continue;
        devices_[device] = tenant.get();
        any = true;
        break;
      }
    }
    if (!any) continue;
    platforms_.push_back(platform);
    if (extension_platform_ == nullptr && next_.clGetExtensionFunctionAddressForPlatform(
                                              platform, "clCreateCommandBufferKHR") != nullptr) {
      driver::opencl::load_extensions(&next_, platform);
      extension_platform_ = platform;
    }
  }
}

Tenant* Process::tenant_of(cl_device_id device) {
  tenants();
  for (int depth = 0; device != nullptr && depth < 8; ++depth) {
    auto it = devices_.find(device);
    if (it != devices_.end()) return it->second;
    cl_device_id parent = nullptr;
    if (next_.clGetDeviceInfo(device, CL_DEVICE_PARENT_DEVICE, sizeof parent, &parent, nullptr) !=
        CL_SUCCESS)
      return nullptr;
    device = parent;
  }
  return nullptr;
}

std::vector<Tenant*> Process::tenants_of(cl_context context) {
  std::vector<Tenant*> result;
  size_t size = 0;
  if (next_.clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, nullptr, &size) != CL_SUCCESS)
    return result;
  std::vector<cl_device_id> devices(size / sizeof(cl_device_id));
  if (next_.clGetContextInfo(context, CL_CONTEXT_DEVICES, size, devices.data(), nullptr) !=
      CL_SUCCESS)
    return result;
  for (cl_device_id device : devices) {
    Tenant* tenant = tenant_of(device);
    if (tenant != nullptr && std::find(result.begin(), result.end(), tenant) == result.end())
      result.push_back(tenant);
  }
  return result;
}

std::vector<cl_platform_id> Process::platforms() {
  tenants();
  return platforms_;
}

std::vector<cl_device_id> Process::granted(cl_platform_id platform, cl_device_type type) {
  tenants();
  cl_uint n = 0;
  std::vector<cl_device_id> result;
  if (next_.clGetDeviceIDs(platform, type, 0, nullptr, &n) != CL_SUCCESS || n == 0) return result;
  std::vector<cl_device_id> devices(n);
  if (next_.clGetDeviceIDs(platform, type, n, devices.data(), nullptr) != CL_SUCCESS) return result;
  for (cl_device_id device : devices)
    if (devices_.count(device) != 0) result.push_back(device);
  return result;
}

void Process::say(const std::string& line) {
  Nanos now = base::monotonic_now(), last = said_at_.load();
  if (last != 0 && now - last < base::kSecond) return;
  if (!said_at_.compare_exchange_strong(last, now)) return;
  const char* where = getenv("FLEXAI_LOG");
  if (where != nullptr && strcmp(where, "off") == 0) return;
  int fd = STDERR_FILENO;
  bool file = where != nullptr && *where != 0 && strcmp(where, "stderr") != 0;
  if (file) fd = ::open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::string text = line + "\n";
  [[maybe_unused]] ssize_t n = ::write(fd, text.data(), text.size());
  if (file && fd >= 0) ::close(fd);
}

}  // namespace flexai::limit::opencl
