#include "remote/opencl/worker/program_binaries.h"

#include <initializer_list>

#include "remote/content_store.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using driver::opencl::Table;

namespace {

constexpr size_t kMost = ContentStore::kMostEntry;

// What a clGet*Info says: `ask(size, value, size_ret)`.
struct Said {
  cl_int code = CL_SUCCESS;
  std::vector<std::byte> bytes;
  bool operator==(const Said&) const = default;
};

template <typename Ask>
Said listen(const Ask& ask) {
  Said said;
  size_t size = 0;
  said.code = ask(size_t{0}, nullptr, &size);
  if (said.code != CL_SUCCESS || size == 0) return said;
  if (size > kMost) return {CL_OUT_OF_HOST_MEMORY, {}};
  said.bytes.resize(size);
  said.code = ask(size, said.bytes.data(), nullptr);
  return said;
}

std::string text_in(const Said& said) {
  std::string text(wire::text_of(said.bytes));
  return text.substr(0, text.find('\0'));
}

bool same_build(const Table& table, cl_program one, cl_program other, cl_device_id device) {
  for (cl_program_build_info what : std::initializer_list<cl_program_build_info>{
           CL_PROGRAM_BUILD_STATUS, CL_PROGRAM_BUILD_OPTIONS, CL_PROGRAM_BINARY_TYPE,
           CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE}) {
    const auto about = [&](cl_program program) {
      return listen([&](size_t size, void* value, size_t* ret) {
        return table.clGetProgramBuildInfo(program, device, what, size, value, ret);
      });
    };
    if (about(one) != about(other)) return false;
  }
  return true;
}

Said about_program(const Table& table, cl_program program, cl_program_info what) {
  return listen([&](size_t size, void* value, size_t* ret) {
    return table.clGetProgramInfo(program, what, size, value, ret);
  });
}

Said about_kernel(const Table& table, cl_kernel kernel, cl_kernel_info what) {
  return listen([&](size_t size, void* value, size_t* ret) {
    return table.clGetKernelInfo(kernel, what, size, value, ret);
  });
}

bool same_arguments(const Table& table, cl_kernel one, cl_kernel other) {
  const auto count_of = [&](cl_kernel kernel) {
    cl_uint count = 0;
    table.clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof count, &count, nullptr);
    return count;
  };
  const cl_uint count = count_of(one);
  if (count != count_of(other)) return false;
  for (cl_uint i = 0; i < count; ++i) {
    for (cl_kernel_arg_info what : std::initializer_list<cl_kernel_arg_info>{
             CL_KERNEL_ARG_ADDRESS_QUALIFIER, CL_KERNEL_ARG_ACCESS_QUALIFIER,
             CL_KERNEL_ARG_TYPE_NAME, CL_KERNEL_ARG_TYPE_QUALIFIER, CL_KERNEL_ARG_NAME}) {
      const auto about = [&](cl_kernel kernel) {
        return listen([&](size_t size, void* value, size_t* ret) {
          return table.clGetKernelArgInfo(kernel, i, what, size, value, ret);
        });
      };
      if (about(one) != about(other)) return false;
    }
  }
  return true;
}

bool same_kernels(const Table& table, cl_kernel one, cl_kernel other,
                  const std::vector<cl_device_id>& devices) {
  for (cl_kernel_info what :
       std::initializer_list<cl_kernel_info>{CL_KERNEL_FUNCTION_NAME, CL_KERNEL_NUM_ARGS})
    if (about_kernel(table, one, what) != about_kernel(table, other, what)) return false;
  for (cl_device_id device : devices) {
    for (cl_kernel_work_group_info what : std::initializer_list<cl_kernel_work_group_info>{
             CL_KERNEL_WORK_GROUP_SIZE, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, CL_KERNEL_LOCAL_MEM_SIZE,
             CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, CL_KERNEL_PRIVATE_MEM_SIZE}) {
      const auto about = [&](cl_kernel kernel) {
        return listen([&](size_t size, void* value, size_t* ret) {
          return table.clGetKernelWorkGroupInfo(kernel, device, what, size, value, ret);
        });
      };
      if (about(one) != about(other)) return false;
    }
  }
  return same_arguments(table, one, other);
}

std::vector<std::string> kernel_names(const Table& table, cl_program program) {
  std::string text = text_in(about_program(table, program, CL_PROGRAM_KERNEL_NAMES));
  std::vector<std::string> names;
  while (!text.empty()) {
    names.push_back(text.substr(0, text.find(';')));
    text.erase(0, std::min(text.size(), names.back().size() + 1));
  }
  return names;
}

// A kernel of a program, for a moment.
class Sample {
 public:
  Sample(const Table& table, cl_program program, const std::string& name)
      : table_(table), kernel_(table.clCreateKernel(program, name.c_str(), nullptr)) {}
  ~Sample() {
    if (kernel_ != nullptr) table_.clReleaseKernel(kernel_);
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
  cl_kernel get() const { return kernel_; }

 private:
  const Table& table_;
  const cl_kernel kernel_;
};

}  // namespace

wire::Bytes encode(const BuiltProgram& built, wire::Writer& writer) {
  writer.u32(static_cast<uint32_t>(built.binaries.size()));
  for (size_t i = 0; i < built.binaries.size(); ++i) {
    writer.text(built.binaries[i]);
    writer.text(built.logs[i]);
  }
  writer.u32(static_cast<uint32_t>(built.attributes.size()));
  for (const auto& [name, attributes] : built.attributes) {
    writer.text(name);
    writer.text(attributes);
  }
  return writer.bytes();
}

base::Result<BuiltProgram> decode_built(wire::Bytes bytes, size_t devices) {
  wire::Reader reader(bytes);
  if (reader.u32("devices") != devices) reader.refuse("devices", "are others");
  BuiltProgram built;
  for (size_t i = 0; i < devices && reader.ok(); ++i) {
    built.binaries.emplace_back(reader.text("binary", kMost));
    built.logs.emplace_back(reader.text("log", kMost));
  }
  for (uint32_t kernels = reader.u32("kernels"); kernels != 0 && reader.ok(); --kernels) {
    std::string name(reader.text("name", kMost));
    built.attributes[std::move(name)] = reader.text("attributes", kMost);
  }
  FLEXAI_TRY(reader.finish().with_context("a program that was kept"));
  return built;
}

std::string build_log(const Table& table, cl_program program, cl_device_id device) {
  return text_in(listen([&](size_t size, void* value, size_t* ret) {
    return table.clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, value, ret);
  }));
}

std::optional<BuiltProgram> take_built(const Table& table, cl_program program,
                                       const std::vector<cl_device_id>& devices) {
  std::vector<size_t> sizes(devices.size());
  if (table.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizes.size() * sizeof(size_t),
                             sizes.data(), nullptr) != CL_SUCCESS)
    return std::nullopt;
  BuiltProgram built;
  size_t sum = 0;
  for (size_t size : sizes) {
    if (size == 0 || size > kMost || (sum += size) > kMost) return std::nullopt;
    built.binaries.emplace_back(size, '\0');
  }
  std::vector<char*> places;
  for (std::string& binary : built.binaries) places.push_back(binary.data());
  if (table.clGetProgramInfo(program, CL_PROGRAM_BINARIES, places.size() * sizeof(char*),
                             places.data(), nullptr) != CL_SUCCESS)
    return std::nullopt;
  for (cl_device_id device : devices) built.logs.push_back(build_log(table, program, device));
  for (const std::string& name : kernel_names(table, program)) {
    const Sample kernel(table, program, name);
    if (kernel.get() == nullptr) return std::nullopt;
    std::string text = text_in(about_kernel(table, kernel.get(), CL_KERNEL_ATTRIBUTES));
    if (!text.empty()) built.attributes[name] = std::move(text);
  }
  return built;
}

cl_program make_built(const Table& table, cl_context context,
                      const std::vector<cl_device_id>& devices, const BuiltProgram& built,
                      const char* options) {
  std::vector<size_t> sizes;
  std::vector<const unsigned char*> places;
  for (const std::string& binary : built.binaries) {
    sizes.push_back(binary.size());
    places.push_back(reinterpret_cast<const unsigned char*>(binary.data()));
  }
  const auto count = static_cast<cl_uint>(devices.size());
  cl_int code = CL_SUCCESS;
  const cl_program made = table.clCreateProgramWithBinary(
      context, count, devices.data(), sizes.data(), places.data(), nullptr, &code);
  if (made == nullptr || code != CL_SUCCESS) return nullptr;
  if (table.clBuildProgram(made, count, devices.data(), options, nullptr, nullptr) == CL_SUCCESS)
    return made;
  table.clReleaseProgram(made);
  return nullptr;
}

bool same_program(const Table& table, cl_program one, cl_program other,
                  const std::vector<cl_device_id>& devices) {
  for (cl_device_id device : devices)
    if (!same_build(table, one, other, device)) return false;
  for (cl_program_info what : std::initializer_list<cl_program_info>{
           CL_PROGRAM_NUM_KERNELS, CL_PROGRAM_KERNEL_NAMES, CL_PROGRAM_SCOPE_GLOBAL_CTORS_PRESENT,
           CL_PROGRAM_SCOPE_GLOBAL_DTORS_PRESENT})
    if (about_program(table, one, what) != about_program(table, other, what)) return false;
  for (const std::string& name : kernel_names(table, one)) {
    const Sample first(table, one, name), second(table, other, name);
    if (first.get() == nullptr || second.get() == nullptr ||
        !same_kernels(table, first.get(), second.get(), devices))
      return false;
  }
  return true;
}

}  // namespace flexai::remote::opencl
