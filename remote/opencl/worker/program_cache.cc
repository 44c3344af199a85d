#include "remote/opencl/worker/program_cache.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "remote/opencl/worker/program_binaries.h"
#include "remote/opencl/worker/program_keeper.h"
#include "remote/opencl/worker/program_key.h"

namespace flexai::remote::opencl {

using base::Nanos;
using driver::opencl::ProgramNotify;
using driver::opencl::Table;
using wire::Digest;

namespace {

// A program made from source.
struct Known {
  cl_context context = nullptr;
  std::vector<cl_device_id> devices;
  Digest source{};
  int references = 1;  // of the caller's
  bool building = false;
  cl_program twin = nullptr;  // made from binaries; or null
  BuiltProgram said;          // of the build then; no binaries
};

class Cache {
 public:
  Cache(const Table& driver, std::shared_ptr<ContentStore> store, ProgramCacheTimes times)
      : driver(driver), store_(store), worth_(times.worth), keeper_(driver, store, times.quiet) {}

  void made(cl_program program, cl_context context, cl_uint count, const char** strings,
            const size_t* lengths);
  void retained(cl_program program);
  cl_int release(cl_program program);
  cl_int build(cl_program program, cl_uint count, const cl_device_id* devices, const char* options);
  // Before something else is made of the program. False: kernels of it are in use.
  bool leave_twin(cl_program program);
  cl_program real(cl_program program);
  cl_program shown(cl_program program);
  std::optional<std::string> log_of(cl_program program, cl_device_id device);
  std::optional<std::string> attributes_of(cl_kernel kernel);
  ProgramCacheCounts counts();
  void finish(Nanos deadline) { keeper_.finish(deadline); }

  const Table driver;

 private:
  bool has_kernels(cl_program twin);
  void sweep();
  std::optional<Known> begin(cl_program program, cl_uint count, const cl_device_id* devices);
  cl_int build_known(cl_program program, const Known& known, const char* options);
  bool find(cl_program program, const Known& known, const Digest& key, const char* options);
  void keep(cl_program program, const Known& known, const Digest& key, const char* options);
  void put_twin(cl_program program, cl_program twin, BuiltProgram said);
  std::string description(const std::vector<cl_device_id>& devices);

  const std::shared_ptr<ContentStore> store_;
  const Nanos worth_;
  std::mutex mutex_;
  std::map<cl_program, Known> known_;
  std::map<cl_program, cl_program> twin_of_;
  std::vector<cl_program> left_;  // the caller has released them, kernels of them have not
  std::map<std::vector<cl_device_id>, std::string> descriptions_;
  ProgramCacheCounts counts_;
  ProgramKeeper keeper_;  // last: its thread uses the others
};

std::unique_ptr<Cache> g_cache;

void Cache::made(cl_program program, cl_context context, cl_uint count, const char** strings,
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

void Cache::retained(cl_program program) {
  std::lock_guard lock(mutex_);
  if (auto it = known_.find(program); it != known_.end()) ++it->second.references;
}

bool Cache::has_kernels(cl_program twin) {
  cl_uint references = 1;
  driver.clGetProgramInfo(twin, CL_PROGRAM_REFERENCE_COUNT, sizeof references, &references,
                          nullptr);
  return references > 1;
}

// Kernels keep their program, which one can be asked for: so both stay as long as the twin has any.
cl_int Cache::release(cl_program program) {
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

void Cache::sweep() {
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

cl_program Cache::real(cl_program program) {
  std::lock_guard lock(mutex_);
  auto it = known_.find(program);
  return it != known_.end() && it->second.twin != nullptr ? it->second.twin : program;
}

cl_program Cache::shown(cl_program program) {
  std::lock_guard lock(mutex_);
  auto it = twin_of_.find(program);
  return it != twin_of_.end() ? it->second : program;
}

std::optional<std::string> Cache::log_of(cl_program program, cl_device_id device) {
  std::lock_guard lock(mutex_);
  auto it = known_.find(program);
  if (it == known_.end() || it->second.twin == nullptr) return std::nullopt;
  const auto& devices = it->second.devices;
  const auto at = std::find(devices.begin(), devices.end(), device);
  if (at == devices.end()) return std::nullopt;
  return it->second.said.logs[static_cast<size_t>(at - devices.begin())];
}

std::optional<std::string> Cache::attributes_of(cl_kernel kernel) {
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

ProgramCacheCounts Cache::counts() {
  std::lock_guard lock(mutex_);
  ProgramCacheCounts counts = counts_;
  counts.kept = keeper_.kept();
  return counts;
}

std::string Cache::description(const std::vector<cl_device_id>& devices) {
  {
    std::lock_guard lock(mutex_);
    if (auto it = descriptions_.find(devices); it != descriptions_.end()) return it->second;
  }
  std::string text = driver_description(driver, devices);
  std::lock_guard lock(mutex_);
  return descriptions_[devices] = std::move(text);
}

// A driver does not build a program of which there are kernels; each holds a reference.
bool Cache::leave_twin(cl_program program) {
  const cl_program twin = real(program);
  if (twin == program) return true;
  if (has_kernels(twin)) return false;
  put_twin(program, nullptr, {});
  return true;
}

void Cache::put_twin(cl_program program, cl_program twin, BuiltProgram said) {
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
std::optional<Known> Cache::begin(cl_program program, cl_uint count, const cl_device_id* devices) {
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

cl_int Cache::build(cl_program program, cl_uint count, const cl_device_id* devices,
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

cl_int Cache::build_known(cl_program program, const Known& known, const char* options) {
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

bool Cache::find(cl_program program, const Known& known, const Digest& key, const char* options) {
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

void Cache::keep(cl_program program, const Known& known, const Digest& key, const char* options) {
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

cl_program CL_API_CALL cached_clCreateProgramWithSource(cl_context context, cl_uint count,
                                                        const char** strings, const size_t* lengths,
                                                        cl_int* code) {
  const cl_program made =
      g_cache->driver.clCreateProgramWithSource(context, count, strings, lengths, code);
  if (made != nullptr) g_cache->made(made, context, count, strings, lengths);
  return made;
}

cl_int CL_API_CALL cached_clRetainProgram(cl_program program) {
  const cl_int code = g_cache->driver.clRetainProgram(program);
  if (code == CL_SUCCESS) g_cache->retained(program);
  return code;
}

cl_int CL_API_CALL cached_clReleaseProgram(cl_program program) { return g_cache->release(program); }

cl_int CL_API_CALL cached_clBuildProgram(cl_program program, cl_uint count,
                                         const cl_device_id* devices, const char* options,
                                         ProgramNotify notify, void* data) {
  if (notify == nullptr && data == nullptr) return g_cache->build(program, count, devices, options);
  if (!g_cache->leave_twin(program)) return CL_INVALID_OPERATION;
  return g_cache->driver.clBuildProgram(program, count, devices, options, notify, data);
}

cl_int CL_API_CALL cached_clCompileProgram(cl_program program, cl_uint count,
                                           const cl_device_id* devices, const char* options,
                                           cl_uint headers, const cl_program* header_list,
                                           const char** names, ProgramNotify notify, void* data) {
  if (!g_cache->leave_twin(program)) return CL_INVALID_OPERATION;
  return g_cache->driver.clCompileProgram(program, count, devices, options, headers, header_list,
                                          names, notify, data);
}

cl_program CL_API_CALL cached_clLinkProgram(cl_context context, cl_uint count,
                                            const cl_device_id* devices, const char* options,
                                            cl_uint inputs, const cl_program* input_list,
                                            ProgramNotify notify, void* data, cl_int* code) {
  std::vector<cl_program> real(inputs + size_t{1});
  for (cl_uint i = 0; input_list != nullptr && i < inputs; ++i)
    real[i] = g_cache->real(input_list[i]);
  return g_cache->driver.clLinkProgram(context, count, devices, options, inputs,
                                       input_list == nullptr ? nullptr : real.data(), notify, data,
                                       code);
}

cl_kernel CL_API_CALL cached_clCreateKernel(cl_program program, const char* name, cl_int* code) {
  return g_cache->driver.clCreateKernel(g_cache->real(program), name, code);
}

cl_int CL_API_CALL cached_clCreateKernelsInProgram(cl_program program, cl_uint count,
                                                   cl_kernel* kernels, cl_uint* made) {
  return g_cache->driver.clCreateKernelsInProgram(g_cache->real(program), count, kernels, made);
}

cl_int CL_API_CALL cached_clGetProgramInfo(cl_program program, cl_program_info what, size_t size,
                                           void* value, size_t* size_ret) {
  const Table& driver = g_cache->driver;
  const cl_program real = g_cache->real(program);
  if (what == CL_PROGRAM_SOURCE || what == CL_PROGRAM_IL)
    return driver.clGetProgramInfo(program, what, size, value, size_ret);
  if (what != CL_PROGRAM_REFERENCE_COUNT)
    return driver.clGetProgramInfo(real, what, size, value, size_ret);
  const cl_int code = driver.clGetProgramInfo(program, what, size, value, size_ret);
  cl_uint kernels = 0;  // hold the twin; one reference of it is ours
  if (code != CL_SUCCESS || value == nullptr || real == program ||
      driver.clGetProgramInfo(real, what, sizeof kernels, &kernels, nullptr) != CL_SUCCESS)
    return code;
  *static_cast<cl_uint*>(value) += kernels - 1;
  return code;
}

// Only programs that were built are asked: some drivers abort on others.
cl_int CL_API_CALL cached_clSetProgramSpecializationConstant(cl_program program, cl_uint id,
                                                             size_t size, const void* value) {
  return g_cache->driver.clSetProgramSpecializationConstant(g_cache->real(program), id, size,
                                                            value);
}

cl_int give(const std::string& text, size_t size, void* value, size_t* size_ret) {
  const size_t needed = text.size() + 1;
  if (value != nullptr && size < needed) return CL_INVALID_VALUE;
  if (value != nullptr) std::copy_n(text.c_str(), needed, static_cast<char*>(value));
  if (size_ret != nullptr) *size_ret = needed;
  return CL_SUCCESS;
}

cl_int CL_API_CALL cached_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                                                cl_program_build_info what, size_t size,
                                                void* value, size_t* size_ret) {
  const auto log = what == CL_PROGRAM_BUILD_LOG ? g_cache->log_of(program, device) : std::nullopt;
  if (!log)
    return g_cache->driver.clGetProgramBuildInfo(g_cache->real(program), device, what, size, value,
                                                 size_ret);
  return give(*log, size, value, size_ret);
}

cl_int CL_API_CALL cached_clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t size,
                                          void* value, size_t* size_ret) {
  if (what == CL_KERNEL_ATTRIBUTES)
    if (const auto text = g_cache->attributes_of(kernel)) return give(*text, size, value, size_ret);
  const cl_int code = g_cache->driver.clGetKernelInfo(kernel, what, size, value, size_ret);
  if (code == CL_SUCCESS && what == CL_KERNEL_PROGRAM && value != nullptr)
    *static_cast<cl_program*>(value) = g_cache->shown(*static_cast<cl_program*>(value));
  return code;
}

}  // namespace

Table with_program_cache(const Table& driver, std::shared_ptr<ContentStore> store,
                         ProgramCacheTimes times) {
  g_cache = std::make_unique<Cache>(driver, std::move(store), times);
  Table table = driver;
  table.clCreateProgramWithSource = cached_clCreateProgramWithSource;
  table.clRetainProgram = cached_clRetainProgram;
  table.clReleaseProgram = cached_clReleaseProgram;
  table.clBuildProgram = cached_clBuildProgram;
  if (driver.clCompileProgram != nullptr) table.clCompileProgram = cached_clCompileProgram;
  if (driver.clLinkProgram != nullptr) table.clLinkProgram = cached_clLinkProgram;
  if (driver.clSetProgramSpecializationConstant != nullptr)
    table.clSetProgramSpecializationConstant = cached_clSetProgramSpecializationConstant;
  table.clCreateKernel = cached_clCreateKernel;
  table.clCreateKernelsInProgram = cached_clCreateKernelsInProgram;
  table.clGetProgramInfo = cached_clGetProgramInfo;
  table.clGetProgramBuildInfo = cached_clGetProgramBuildInfo;
  table.clGetKernelInfo = cached_clGetKernelInfo;
  return table;
}

void finish_program_cache(Nanos deadline) {
  if (g_cache != nullptr) g_cache->finish(deadline);
}

ProgramCacheCounts program_cache_counts() {
  return g_cache == nullptr ? ProgramCacheCounts{} : g_cache->counts();
}

}  // namespace flexai::remote::opencl
