#include "remote/opencl/worker/program_twins.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "remote/opencl/worker/program_key.h"

namespace flexai::remote::opencl {

using base::Nanos;
using wire::Digest;

void ProgramTwins::made(cl_program program, cl_context context, cl_uint count, const char** strings,
                        const size_t* lengths) {
  std::string source;
  for (cl_uint i = 0; i < count; ++i) {
    const bool counted = lengths != nullptr && lengths[i] != 0;
    source += counted ? std::string_view(strings[i], lengths[i]) : std::string_view(strings[i]);
  }
  if (depends_on_more(source, "")) return;
  size_t bytes = 0;
  if (driver.clGetProgramInfo(program, CL_PROGRAM_DEVICES, 0, nullptr, &bytes) != CL_SUCCESS)
    return;
  Known known;
  known.context = context;
  known.devices.resize(bytes / sizeof(cl_device_id));
  if (known.devices.empty() || driver.clGetProgramInfo(program, CL_PROGRAM_DEVICES, bytes,
                                                       known.devices.data(), nullptr) != CL_SUCCESS)
    return;
  auto digest = wire::digest_of(wire::bytes_of(source));
  if (!digest.ok()) return;
  known.source = *digest;
  std::lock_guard lock(mutex_);
  known_[program] = std::move(known);
}

void ProgramTwins::retained(cl_program program) {
  std::lock_guard lock(mutex_);
  if (auto it = known_.find(program); it != known_.end()) ++it->second.references;
}

bool ProgramTwins::has_kernels(cl_program twin) {
  cl_uint references = 1;
  driver.clGetProgramInfo(twin, CL_PROGRAM_REFERENCE_COUNT, sizeof references, &references,
                          nullptr);
  return references > 1;
}

// Kernels keep their program, which one can be asked for: so both stay as long as the twin has any.
cl_int ProgramTwins::release(cl_program program) {
  bool last = false;
  {
    std::lock_guard lock(mutex_);
    auto it = known_.find(program);
    last = it != known_.end() && --it->second.references == 0;
    if (last && it->second.twin != nullptr) left_.push_back(program);
    if (last && it->second.twin == nullptr) known_.erase(it);
    last = last && !left_.empty() && left_.back() == program;
  }
  const cl_int code = last ? CL_SUCCESS : driver.clReleaseProgram(program);
  sweep();
  return code;
}

void ProgramTwins::sweep() {
  std::vector<std::pair<cl_program, cl_program>> left;
  {
    std::lock_guard lock(mutex_);
    for (cl_program program : left_) left.emplace_back(program, known_[program].twin);
  }
  for (const auto& [program, twin] : left) {
    if (has_kernels(twin)) continue;
    {
      std::lock_guard lock(mutex_);
      if (std::erase(left_, program) == 0) continue;  // another thread was faster
      twin_of_.erase(twin);
      known_.erase(program);
    }
    driver.clReleaseProgram(twin);
    driver.clReleaseProgram(program);
  }
}

cl_program ProgramTwins::real(cl_program program) {
  std::lock_guard lock(mutex_);
  auto it = known_.find(program);
  return it != known_.end() && it->second.twin != nullptr ? it->second.twin : program;
}

cl_program ProgramTwins::shown(cl_program program) {
  std::lock_guard lock(mutex_);
  auto it = twin_of_.find(program);
  return it != twin_of_.end() ? it->second : program;
}

std::optional<std::string> ProgramTwins::log_of(cl_program program, cl_device_id device) {
  std::lock_guard lock(mutex_);
  auto it = known_.find(program);
  if (it == known_.end() || it->second.twin == nullptr) return std::nullopt;
  const auto& devices = it->second.devices;
  const auto at = std::find(devices.begin(), devices.end(), device);
  if (at == devices.end()) return std::nullopt;
  return it->second.said.logs[static_cast<size_t>(at - devices.begin())];
}

std::optional<std::string> ProgramTwins::attributes_of(cl_kernel kernel) {
  cl_program program = nullptr;
  char name[1024] = {};
  if (driver.clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof program, &program, nullptr) !=
          CL_SUCCESS ||
      driver.clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, nullptr) !=
          CL_SUCCESS)
    return std::nullopt;
  std::lock_guard lock(mutex_);
  const auto twin = twin_of_.find(program);
  if (twin == twin_of_.end()) return std::nullopt;
  const auto& all = known_[twin->second].said.attributes;
  const auto found = all.find(name);
  if (found == all.end()) return std::nullopt;
  return found->second;
}

ProgramCacheCounts ProgramTwins::counts() {
  std::lock_guard lock(mutex_);
  ProgramCacheCounts counts = counts_;
  counts.kept = keeper_.kept();
  return counts;
}

std::string ProgramTwins::description(const std::vector<cl_device_id>& devices) {
  {
    std::lock_guard lock(mutex_);
    if (auto it = descriptions_.find(devices); it != descriptions_.end()) return it->second;
  }
  std::string text = driver_description(driver, devices);
  std::lock_guard lock(mutex_);
  return descriptions_[devices] = std::move(text);
}

// A driver does not build a program of which there are kernels; each holds a reference.
bool ProgramTwins::leave_twin(cl_program program) {
  const cl_program twin = real(program);
  if (twin == program) return true;
  if (has_kernels(twin)) return false;
  put_twin(program, nullptr, {});
  return true;
}

void ProgramTwins::put_twin(cl_program program, cl_program twin, BuiltProgram said) {
  cl_program before = nullptr;
  {
    std::lock_guard lock(mutex_);
    auto it = known_.find(program);
    if (it != known_.end()) {
      before = std::exchange(it->second.twin, twin);
      it->second.said = std::move(said);
      twin_of_.erase(before);
      if (twin != nullptr) twin_of_[twin] = program;
    }
  }
  if (before != nullptr) driver.clReleaseProgram(before);
}

// What is known of the program, if this build is one for us; nobody else builds it until it is
// done.
std::optional<ProgramTwins::Known> ProgramTwins::begin(cl_program program, cl_uint count,
                                                       const cl_device_id* devices) {
  std::lock_guard lock(mutex_);
  auto it = known_.find(program);
  if (it == known_.end() || it->second.building) return std::nullopt;
  const auto& own = it->second.devices;
  if ((count == 0) != (devices == nullptr)) return std::nullopt;
  if (count != 0 && !std::equal(own.begin(), own.end(), devices, devices + count))
    return std::nullopt;
  it->second.building = true;
  return it->second;
}

cl_int ProgramTwins::build(cl_program program, cl_uint count, const cl_device_id* devices,
                           const char* options) {
  if (!leave_twin(program)) return CL_INVALID_OPERATION;
  const bool plain = options == nullptr || !depends_on_more("", options);
  const auto known = plain ? begin(program, count, devices) : std::nullopt;
  if (!known) return driver.clBuildProgram(program, count, devices, options, nullptr, nullptr);
  const cl_int code = build_known(program, *known, options);
  std::lock_guard lock(mutex_);
  if (auto it = known_.find(program); it != known_.end()) it->second.building = false;
  return code;
}

cl_int ProgramTwins::build_known(cl_program program, const Known& known, const char* options) {
  const auto key =
      program_key(description(known.devices), known.source, options == nullptr ? "" : options);
  if (key.ok() && find(program, known, *key, options)) return CL_SUCCESS;
  const Nanos begun = base::monotonic_now();
  keeper_.build_begins();
  const cl_int code = driver.clBuildProgram(program, static_cast<cl_uint>(known.devices.size()),
                                            known.devices.data(), options, nullptr, nullptr);
  keeper_.build_ends();
  const Nanos took = base::monotonic_now() - begun;
  if (code != CL_SUCCESS) return code;
  {
    std::lock_guard lock(mutex_);
    ++counts_.compiled;
  }
  if (key.ok() && took >= worth_) keep(program, known, *key, options);
  return code;
}

bool ProgramTwins::find(cl_program program, const Known& known, const Digest& key,
                        const char* options) {
  const auto bytes = store_->find(key);
  if (!bytes) return false;
  auto built = decode_built(*bytes, known.devices.size());
  const cl_program twin =
      built.ok() ? make_built(driver, known.context, known.devices, *built, options) : nullptr;
  if (twin == nullptr) {
    base::log(base::Level::kWarn, "worker", "a program that was kept is compiled again",
              {{"why", built.ok() ? "the driver does not take it" : built.error().message}});
    store_->drop(key);
    return false;
  }
  built->binaries.clear();
  put_twin(program, twin, std::move(*built));
  std::lock_guard lock(mutex_);
  ++counts_.found;
  return true;
}

void ProgramTwins::keep(cl_program program, const Known& known, const Digest& key,
                        const char* options) {
  size_t size = 0;
  if (driver.clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, nullptr, &size) != CL_SUCCESS) return;
  std::string source(size, '\0');
  if (size == 0 || driver.clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, source.data(),
                                           nullptr) != CL_SUCCESS)
    return;
  source.pop_back();  // its end
  keeper_.post(
      {key, known.context, known.devices, std::move(source), options == nullptr ? "" : options});
}

}  // namespace flexai::remote::opencl
