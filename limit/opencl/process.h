// Process: what the OpenCL layer knows in one process: the next Table, its slices (one Tenant a
// card) and which device belongs to which. Built on first use, never destroyed (programs call
// OpenCL from exit handlers). Threads: any. No lock is held across a driver call.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "driver/opencl/table.h"
#include "limit/cost.h"
#include "limit/tenant.h"

namespace flexai::limit::opencl {

using driver::opencl::Table;

class Process {
 public:
  // The one instance; `next` is set once by the shim before any call arrives.
  static Process& get();
  void set_next(const Table& next) { next_ = next; }
  const Table& next() const { return next_; }

  // Attaches at the first call. Without an agent or a grant there are no slices and so no devices:
  // the layer never lets anything run unlimited.
  const std::vector<std::unique_ptr<Tenant>>& tenants();

  // The slice of a device or of the card that a sub-device is part of; nullptr = not granted.
  Tenant* tenant_of(cl_device_id device);
  // The slices behind a context's devices, each once.
  std::vector<Tenant*> tenants_of(cl_context context);
  // The granted devices of a platform, in the driver's order.
  std::vector<cl_device_id> granted(cl_platform_id platform, cl_device_type type);
  std::vector<cl_platform_id> platforms();

  // The one platform whose extension functions `next()` holds; another vendor's are refused.
  cl_platform_id extension_platform() const { return extension_platform_; }

  CostTable& costs() { return costs_; }
  // More than one card: events may then cross from one to the other.
  bool several_cards() { return tenants().size() > 1; }

  // One line for the person at the terminal; FLEXAI_LOG=off|stderr|FILE, default stderr; each kind
  // at most once a second.
  void say(const std::string& line);

 private:
  Process() = default;
  void discover() FLEXAI_REQUIRES(mutex_);

  Table next_{};
  CostTable costs_;
  base::Mutex mutex_;
  std::atomic<bool> ready_{false};
  std::vector<std::unique_ptr<Tenant>> tenants_;       // fixed once ready_
  std::vector<cl_platform_id> platforms_;              // fixed once ready_
  std::unordered_map<cl_device_id, Tenant*> devices_;  // fixed once ready_
  cl_platform_id extension_platform_ = nullptr;        // fixed once ready_
  std::atomic<Nanos> said_at_{0};
};

}  // namespace flexai::limit::opencl
