// Programs made from what was built before, with a real driver. Two caches one after the other
// stand for two sessions.
#include "remote/opencl/worker/program_cache.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"
#include "remote/opencl/worker/granted.h"
#include "remote/opencl/worker/program_binaries.h"

namespace flexai::remote::opencl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSource =
    "#warning careful\n"
    "constant int table[2] = {3, 4};\n"
    "kernel __attribute__((reqd_work_group_size(4, 1, 1))) void add(global int* a, const int n) {"
    " a[get_global_id(0)] += n * table[X]; }\n"
    "kernel void set(global int* out, read_only image2d_t image, sampler_t how) {"
    " out[0] = (int)read_imagef(image, how, (int2)(0, 0)).x; }\n";
constexpr const char* kOptions = "-DX=1 -cl-kernel-arg-info";

class ProgramCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(place_.empty());
    auto found = grant("/etc/OpenCL/vendors/pocl.icd");
    if (!found.ok()) GTEST_SKIP() << "no driver";
    driver_ = found->table;
    device_ = found->devices[0];
    context_ = driver_.clCreateContext(nullptr, 1, &device_, nullptr, nullptr, nullptr);
    ASSERT_NE(context_, nullptr);
    next_session();
  }
  void TearDown() override {
    if (context_ != nullptr) driver_.clReleaseContext(context_);
  }
  void next_session() {
    auto store = ContentStore::open(place_ + "/programs", 64u << 20);
    ASSERT_TRUE(store.ok());
    table_ = with_program_cache(driver_, std::move(*store), {0, 0});
  }
  cl_program source(const char* text = kSource) {
    return table_.clCreateProgramWithSource(context_, 1, &text, nullptr, nullptr);
  }
  cl_program build(const char* text = kSource, const char* options = kOptions) {
    const cl_program program = source(text);
    EXPECT_EQ(table_.clBuildProgram(program, 0, nullptr, options, nullptr, nullptr), CL_SUCCESS);
    finish_program_cache(base::monotonic_now() + 60 * base::kSecond);
    return program;
  }
  std::string text(cl_program program, cl_program_info what) {
    char chars[4096] = {};
    EXPECT_EQ(table_.clGetProgramInfo(program, what, sizeof chars, chars, nullptr), CL_SUCCESS);
    return chars;
  }
  size_t number(cl_program program, cl_program_info what) {
    size_t value = 0;
    EXPECT_EQ(table_.clGetProgramInfo(program, what, sizeof value, &value, nullptr), CL_SUCCESS);
    return value;
  }
  std::string built(cl_program program, cl_program_build_info what) {
    char chars[8192] = {};
    EXPECT_EQ(table_.clGetProgramBuildInfo(program, device_, what, sizeof chars, chars, nullptr),
              CL_SUCCESS);
    return chars;
  }
  static std::string attributes(const Table& table, cl_kernel kernel) {
    char chars[1024] = {};
    size_t size = 0;
    EXPECT_EQ(table.clGetKernelInfo(kernel, CL_KERNEL_ATTRIBUTES, sizeof chars, chars, &size),
              CL_SUCCESS);
    EXPECT_EQ(size, strlen(chars) + 1);
    return chars;
  }
  // What four additions of 5 to nothing give.
  int run(cl_program program) {
    cl_int code = CL_SUCCESS;
    const cl_command_queue queue = table_.clCreateCommandQueue(context_, device_, 0, &code);
    const cl_kernel kernel = table_.clCreateKernel(program, "add", &code);
    EXPECT_EQ(code, CL_SUCCESS);
    int numbers[4] = {}, five = 5;
    const cl_mem buffer =
        table_.clCreateBuffer(context_, CL_MEM_COPY_HOST_PTR, sizeof numbers, numbers, nullptr);
    const size_t four = 4;
    table_.clSetKernelArg(kernel, 0, sizeof buffer, &buffer);
    table_.clSetKernelArg(kernel, 1, sizeof five, &five);
    EXPECT_EQ(
        table_.clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &four, &four, 0, nullptr, nullptr),
        CL_SUCCESS);
    table_.clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof numbers, numbers, 0, nullptr,
                               nullptr);
    table_.clReleaseMemObject(buffer);
    table_.clReleaseKernel(kernel);
    table_.clReleaseCommandQueue(queue);
    return numbers[0] == numbers[3] ? numbers[0] : -1;
  }
  std::vector<std::string> entries() {
    std::vector<std::string> all;
    for (const auto& each : fs::directory_iterator(place_ + "/programs"))
      all.push_back(each.path().string());
    return all;
  }
  static ProgramCacheCounts counts() { return program_cache_counts(); }

  base::TemporaryFolder temporary_;
  const std::string place_ = temporary_.path();
  Table driver_, table_;
  cl_device_id device_ = nullptr;
  cl_context context_ = nullptr;
};

TEST_F(ProgramCacheTest, TheNextSessionDoesNotCompile) {
  const cl_program first = build();
  EXPECT_EQ(counts().compiled, 1u);
  ASSERT_EQ(counts().kept, 1u);
  EXPECT_EQ(run(first), 20);
  const std::string log = built(first, CL_PROGRAM_BUILD_LOG);
  EXPECT_NE(log, "");
  table_.clReleaseProgram(first);
  next_session();
  const cl_program second = build();
  EXPECT_EQ(counts().compiled, 0u);
  EXPECT_EQ(counts().found, 1u);
  EXPECT_EQ(run(second), 20);
  EXPECT_EQ(built(second, CL_PROGRAM_BUILD_LOG), log);
  EXPECT_EQ(text(second, CL_PROGRAM_SOURCE), kSource);
  table_.clReleaseProgram(second);
}

TEST_F(ProgramCacheTest, WhoeverAsksSeesNoDifference) {
  table_.clReleaseProgram(build());
  next_session();
  const cl_program kept = build();
  ASSERT_EQ(counts().found, 1u);
  const char* source = kSource;
  const cl_program native =
      driver_.clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
  ASSERT_EQ(driver_.clBuildProgram(native, 0, nullptr, kOptions, nullptr, nullptr), CL_SUCCESS);
  EXPECT_TRUE(same_program(table_, kept, native, {device_}));
  for (cl_program_info what : {CL_PROGRAM_SOURCE, CL_PROGRAM_KERNEL_NAMES})
    EXPECT_EQ(text(kept, what), text(native, what));
  for (cl_program_info what :
       {CL_PROGRAM_REFERENCE_COUNT, CL_PROGRAM_NUM_DEVICES, CL_PROGRAM_NUM_KERNELS})
    EXPECT_EQ(number(kept, what), number(native, what));
  EXPECT_EQ(built(kept, CL_PROGRAM_BUILD_OPTIONS), kOptions);
  const cl_kernel kernel = table_.clCreateKernel(kept, "set", nullptr);
  const cl_kernel other = driver_.clCreateKernel(native, "set", nullptr);
  EXPECT_EQ(number(kept, CL_PROGRAM_REFERENCE_COUNT), number(native, CL_PROGRAM_REFERENCE_COUNT));
  cl_program of = nullptr;
  ASSERT_EQ(table_.clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof of, &of, nullptr), CL_SUCCESS);
  EXPECT_EQ(of, kept);
  for (const char* name : {"add", "set"}) {
    const cl_kernel ours = table_.clCreateKernel(kept, name, nullptr);
    const cl_kernel theirs = driver_.clCreateKernel(native, name, nullptr);
    EXPECT_EQ(attributes(table_, ours), attributes(driver_, theirs)) << name;
    driver_.clReleaseKernel(theirs);
    table_.clReleaseKernel(ours);
  }
  const cl_int while_used = driver_.clBuildProgram(native, 0, nullptr, "", nullptr, nullptr);
  EXPECT_EQ(table_.clBuildProgram(kept, 0, nullptr, "", nullptr, nullptr), while_used);
  EXPECT_EQ(text(kept, CL_PROGRAM_KERNEL_NAMES), text(native, CL_PROGRAM_KERNEL_NAMES));
  char small[3];
  EXPECT_EQ(table_.clGetProgramBuildInfo(kept, device_, CL_PROGRAM_BUILD_LOG, sizeof small, small,
                                         nullptr),
            driver_.clGetProgramBuildInfo(native, device_, CL_PROGRAM_BUILD_LOG, sizeof small,
                                          small, nullptr));
  driver_.clReleaseKernel(other);
  driver_.clReleaseProgram(native);
  table_.clReleaseKernel(kernel);
  table_.clReleaseProgram(kept);
}

TEST_F(ProgramCacheTest, KernelsOutliveTheirProgram) {
  table_.clReleaseProgram(build());
  next_session();
  const cl_program program = build();
  ASSERT_EQ(counts().found, 1u);
  const cl_kernel kernel = table_.clCreateKernel(program, "add", nullptr);
  EXPECT_EQ(table_.clReleaseProgram(program), CL_SUCCESS);
  const cl_program another = build("kernel void other(global int* a) { *a = 1; }", "");
  EXPECT_NE(attributes(table_, kernel), "");
  cl_program of = nullptr;
  ASSERT_EQ(table_.clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof of, &of, nullptr), CL_SUCCESS);
  EXPECT_EQ(of, program);
  EXPECT_EQ(text(of, CL_PROGRAM_SOURCE), kSource);
  const auto references = [&] {
    cl_uint count = 0;
    driver_.clGetContextInfo(context_, CL_CONTEXT_REFERENCE_COUNT, sizeof count, &count, nullptr);
    return count;
  };
  const cl_uint before = references();
  EXPECT_EQ(table_.clReleaseKernel(kernel), CL_SUCCESS);
  EXPECT_EQ(table_.clReleaseProgram(another), CL_SUCCESS);
  EXPECT_EQ(references(), before - 3);  // of `another`, and of both that stood for `program`
}

TEST_F(ProgramCacheTest, BuiltAgainOtherwise) {
  table_.clReleaseProgram(build());
  next_session();
  const cl_program program = build();
  ASSERT_EQ(counts().found, 1u);
  ASSERT_EQ(table_.clBuildProgram(program, 0, nullptr, "-DX=0", nullptr, nullptr), CL_SUCCESS);
  EXPECT_EQ(counts().compiled, 1u);
  EXPECT_EQ(run(program), 15);
  EXPECT_NE(table_.clBuildProgram(program, 0, nullptr, "-DX=nothing", nullptr, nullptr),
            CL_SUCCESS);
  cl_int code = CL_SUCCESS;
  EXPECT_EQ(table_.clCreateKernel(program, "add", &code), nullptr);
  EXPECT_EQ(code, CL_INVALID_PROGRAM_EXECUTABLE);
  ASSERT_EQ(table_.clBuildProgram(program, 0, nullptr, kOptions, nullptr, nullptr), CL_SUCCESS);
  EXPECT_EQ(counts().found, 2u);
  EXPECT_EQ(run(program), 20);
  ASSERT_EQ(
      table_.clCompileProgram(program, 0, nullptr, "-DX=0", 0, nullptr, nullptr, nullptr, nullptr),
      CL_SUCCESS);
  cl_program linked =
      table_.clLinkProgram(context_, 1, &device_, "", 1, &program, nullptr, nullptr, &code);
  ASSERT_EQ(code, CL_SUCCESS);
  EXPECT_EQ(run(linked), 15);
  table_.clReleaseProgram(linked);
  table_.clReleaseProgram(program);
}

TEST_F(ProgramCacheTest, WhatFailsIsNotKept) {
  const cl_program wrong = source("kernel void add(global int* a) { *a = nothing; }");
  EXPECT_EQ(table_.clBuildProgram(wrong, 0, nullptr, "", nullptr, nullptr),
            CL_BUILD_PROGRAM_FAILURE);
  EXPECT_NE(built(wrong, CL_PROGRAM_BUILD_LOG).find("nothing"), std::string::npos);
  EXPECT_TRUE(entries().empty());
  table_.clReleaseProgram(wrong);
}

TEST_F(ProgramCacheTest, WhatDependsOnFilesIsCompiled) {
  std::ofstream(place_ + "/x.h") << "#define VALUE 1\n";
  const char* text =
      "#include \"x.h\"\nkernel void add(global int* a, int n) { a[get_global_id(0)] = VALUE; }";
  const std::string options = "-I" + place_;
  const cl_program first = build(text, options.c_str());
  EXPECT_EQ(run(first), 1);
  std::ofstream(place_ + "/x.h") << "#define VALUE 2\n";
  const cl_program second = build(text, options.c_str());
  EXPECT_EQ(run(second), 2);
  EXPECT_TRUE(entries().empty());
  table_.clReleaseProgram(first);
  table_.clReleaseProgram(second);
}

TEST_F(ProgramCacheTest, WhatHasGoneBadIsCompiledAgain) {
  table_.clReleaseProgram(build());
  ASSERT_EQ(entries().size(), 1u);
  const std::string path = entries()[0];
  fs::resize_file(path, fs::file_size(path) - 1);
  next_session();
  const cl_program again = build();
  EXPECT_EQ(counts().compiled, 1u);
  EXPECT_EQ(counts().kept, 1u);
  EXPECT_EQ(run(again), 20);
  table_.clReleaseProgram(again);
}

// Whole, but nothing that the driver takes for a program; and what is no program at all.
TEST_F(ProgramCacheTest, WhatIsNoProgramIsCompiledAgain) {
  table_.clReleaseProgram(build());
  const std::string name = fs::path(entries()[0]).filename();
  wire::Digest key{};
  for (size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<std::byte>(std::stoul(name.substr(2 * i, 2), nullptr, 16));
  wire::Writer strange;
  encode({{std::string(1000, 'x')}, {""}, {}}, strange);
  for (wire::Bytes bytes : {strange.bytes(), wire::bytes_of("nothing"), wire::Bytes()}) {
    auto store = ContentStore::open(place_ + "/programs", 64u << 20).value();
    ASSERT_TRUE(store->keep(key, bytes).ok());
    next_session();
    const cl_program again = build();
    EXPECT_EQ(counts().compiled, 1u);
    EXPECT_EQ(run(again), 20);
    table_.clReleaseProgram(again);
  }
}

TEST_F(ProgramCacheTest, WhereNothingCanBeKept) {
  fs::remove_all(place_ + "/programs");
  const cl_program program = build();
  EXPECT_EQ(counts().compiled, 1u);
  EXPECT_EQ(counts().kept, 0u);
  EXPECT_EQ(run(program), 20);
  table_.clReleaseProgram(program);
}

TEST_F(ProgramCacheTest, OnlyWhatTookLong) {
  table_ = with_program_cache(driver_, ContentStore::open(place_ + "/programs", 64u << 20).value(),
                              {3600 * base::kSecond, 0});
  table_.clReleaseProgram(build());
  EXPECT_TRUE(entries().empty());
}

}  // namespace
}  // namespace flexai::remote::opencl
