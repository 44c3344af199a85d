// Program twins: the programs that a caller made from source, and behind some of them one made from
// binaries that a store had. What the layer of program_cache.h is made with.
// Threads: any; the mutex is never held across a call of the driver.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "remote/opencl/worker/program_binaries.h"
#include "remote/opencl/worker/program_cache.h"
#include "remote/opencl/worker/program_keeper.h"

namespace flexai::remote::opencl {

class ProgramTwins {
 public:
  ProgramTwins(const driver::opencl::Table& table, std::shared_ptr<ContentStore> store,
               ProgramCacheTimes times)
      : driver(table), store_(store), worth_(times.worth), keeper_(table, store, times.quiet) {}

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
  void finish(base::Nanos deadline) { keeper_.finish(deadline); }

  const driver::opencl::Table driver;

 private:
  // A program made from source.
  struct Known {
    cl_context context = nullptr;
    std::vector<cl_device_id> devices;
    wire::Digest source{};
    int references = 1;  // of the caller's
    bool building = false;
    cl_program twin = nullptr;  // made from binaries; or null
    BuiltProgram said;          // of the build then; no binaries
  };
  bool has_kernels(cl_program twin);
  void sweep();
  std::optional<Known> begin(cl_program program, cl_uint count, const cl_device_id* devices);
  cl_int build_known(cl_program program, const Known& known, const char* options);
  bool find(cl_program program, const Known& known, const wire::Digest& key, const char* options);
  void keep(cl_program program, const Known& known, const wire::Digest& key, const char* options);
  void put_twin(cl_program program, cl_program twin, BuiltProgram said);
  std::string description(const std::vector<cl_device_id>& devices);

  const std::shared_ptr<ContentStore> store_;
  const base::Nanos worth_;
  std::mutex mutex_;
  std::map<cl_program, Known> known_;
  std::map<cl_program, cl_program> twin_of_;
  std::vector<cl_program> left_;  // the caller has released them, kernels of them have not
  std::map<std::vector<cl_device_id>, std::string> descriptions_;
  ProgramCacheCounts counts_;
  ProgramKeeper keeper_;  // last: its thread uses the others
};

}  // namespace flexai::remote::opencl
