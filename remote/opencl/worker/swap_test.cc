// Memory that leaves a card and comes back, with a real driver.
#include "remote/opencl/worker/swap.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <thread>

#include "remote/opencl/serve.h"
#include "remote/opencl/worker/granted.h"
#include "wire/session_fixture.h"

namespace flexai::remote::opencl {
namespace {

using base::kSecond;
using base::monotonic_now;
using testing::HasSubstr;

constexpr const char* kSource =
    "kernel void add(global int* a, int n) { a[get_global_id(0)] += n; }"
    "kernel void sum(global const int* a, global int* out) { out[0] += a[get_global_id(0)]; }";
constexpr size_t kCount = 1024;

// A worker's objects as calls of a client would have made them.
class SwapTest : public testing::Test {
 protected:
  void SetUp() override {
    auto client = wire::Session::connect(host_.connector(), wire::test_options());
    ASSERT_TRUE(client.ok());
    client_ = std::move(client).value();
    session_ = host_.session();
    auto granted = grant("/etc/OpenCL/vendors/pocl.icd");
    if (!granted.ok()) GTEST_SKIP() << granted.error().message;
    device_ = granted->devices[0];
    worker_ = Worker::make(*session_, std::move(*granted)).value();
    swap_ = std::make_unique<Swap>(*worker_);
    context_ = table().clCreateContext(nullptr, 1, &device_, nullptr, nullptr, nullptr);
    queue_ = table().clCreateCommandQueue(context_, device_, 0, nullptr);
    add(kContext, context_);
    queue_id_ = add(kCommandQueue, queue_);
    const char* source = kSource;
    program_ = table().clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
    ASSERT_EQ(table().clBuildProgram(program_, 0, nullptr, "", nullptr, nullptr), CL_SUCCESS);
    add(kProgram, program_);
  }
  void TearDown() override {
    swap_.reset();
    if (client_ != nullptr) client_->close(monotonic_now() + kSecond);
    worker_.reset();
  }

  const Table& table() { return worker_->table(); }
  ObjectId add(Kind kind, void* object) {
    const ObjectId id = make_id(++last_, 1);
    EXPECT_TRUE(worker_->handles().add(id, kind, object).ok());
    return id;
  }
  cl_mem mem(ObjectId id) { return static_cast<cl_mem>(worker_->handles().find(id, kMem)->object); }
  ObjectId buffer(cl_mem_flags flags = CL_MEM_READ_WRITE) {
    std::vector<int> numbers(kCount);
    std::iota(numbers.begin(), numbers.end(), 1);
    return add(kMem, table().clCreateBuffer(context_, flags | CL_MEM_COPY_HOST_PTR,
                                            kCount * sizeof(int), numbers.data(), nullptr));
  }
  ObjectId kernel(const char* name, std::vector<ObjectId> arguments) {
    cl_kernel made = table().clCreateKernel(program_, name, nullptr);
    const ObjectId id = add(kKernel, made);
    for (cl_uint i = 0; i < arguments.size(); ++i) {
      const cl_mem object = mem(arguments[i]);
      EXPECT_EQ(table().clSetKernelArg(made, i, sizeof object, &object), CL_SUCCESS);
      worker_->arguments()[id][i] = {kMem, arguments[i], 0, true, {}};
    }
    return id;
  }
  void launch(ObjectId id) {
    const size_t count = kCount;
    EXPECT_EQ(table().clEnqueueNDRangeKernel(
                  queue_, static_cast<cl_kernel>(worker_->handles().find(id, kKernel)->object), 1,
                  nullptr, &count, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    EXPECT_EQ(table().clFinish(queue_), CL_SUCCESS);
  }
  std::vector<int> read(ObjectId id) {
    std::vector<int> numbers(kCount);
    EXPECT_EQ(table().clEnqueueReadBuffer(queue_, mem(id), CL_TRUE, 0, kCount * sizeof(int),
                                          numbers.data(), 0, nullptr, nullptr),
              CL_SUCCESS);
    return numbers;
  }
  // Counts what the driver lets go of.
  void watch(ObjectId id) {
    table().clSetMemObjectDestructorCallback(
        mem(id), [](cl_mem, void* count) { ++*static_cast<int*>(count); }, &freed_);
  }
  base::Result<size_t> out(base::Fd file = {}) {
    return swap_->out(std::move(file), monotonic_now() + 10 * kSecond);
  }

  wire::TestHost host_;
  std::shared_ptr<wire::Session> client_, session_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Swap> swap_;
  cl_device_id device_ = nullptr;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_program program_ = nullptr;
  ObjectId queue_id_ = 0;
  uint32_t last_ = 0;
  int freed_ = 0;
};

TEST_F(SwapTest, BuffersGoAndComeWithTheirBytesAndKernelsFindThem) {
  const ObjectId a = buffer(), b = buffer();
  const ObjectId kernel_id = kernel("add", {a});
  const int n = 5;
  table().clSetKernelArg(
      static_cast<cl_kernel>(worker_->handles().find(kernel_id, kKernel)->object), 1, sizeof n, &n);
  watch(a);
  watch(b);
  for (int round = 0; round < 2; ++round) {
    auto went = out();
    ASSERT_TRUE(went.ok()) << went.error().message;
    EXPECT_EQ(*went, 2 * kCount * sizeof(int));
    EXPECT_EQ(freed_, 2) << "the card still has them";
    EXPECT_EQ(worker_->handles().find(a, kMem)->object, nullptr);
    auto came = swap_->in();
    ASSERT_TRUE(came.ok()) << came.error().message;
    freed_ = 0;
    watch(a);
    watch(b);
    launch(kernel_id);
    EXPECT_EQ(read(a)[7], 8 + 5 * (round + 1));
    EXPECT_EQ(read(b)[7], 8);
  }
}

TEST_F(SwapTest, ThroughAFile) {
  char name[] = "/tmp/flexai-swap-XXXXXX";
  base::Fd file(::mkstemp(name));
  ::unlink(name);
  const ObjectId a = buffer();
  ASSERT_TRUE(out(file.duplicate().value()).ok());
  int number = 0;
  EXPECT_EQ(::pread(file.get(), &number, sizeof number, 4 * sizeof number), sizeof number);
  EXPECT_EQ(number, 5);
  ASSERT_TRUE(swap_->in().ok());
  EXPECT_EQ(read(a)[4], 5);
}

TEST_F(SwapTest, PartsStayParts) {
  const ObjectId whole = buffer();
  cl_buffer_region region{2048, 1024};
  const ObjectId part =
      add(kMem, table().clCreateSubBuffer(mem(whole), CL_MEM_READ_WRITE,
                                          CL_BUFFER_CREATE_TYPE_REGION, &region, nullptr));
  auto went = out();
  ASSERT_TRUE(went.ok()) << went.error().message;
  EXPECT_EQ(*went, kCount * sizeof(int)) << "its bytes are the whole's";
  ASSERT_TRUE(swap_->in().ok());
  const int seven = 7;
  table().clEnqueueWriteBuffer(queue_, mem(part), CL_TRUE, 0, sizeof seven, &seven, 0, nullptr,
                               nullptr);
  EXPECT_EQ(read(whole)[2048 / sizeof(int)], 7);
  EXPECT_EQ(read(whole)[2048 / sizeof(int) - 1], 2048 / sizeof(int));
}

TEST_F(SwapTest, WhatTheHostMayNotReadGoesToo) {
  const ObjectId a = buffer(CL_MEM_READ_WRITE | CL_MEM_HOST_NO_ACCESS);
  const ObjectId sum =
      add(kMem, table().clCreateBuffer(context_, CL_MEM_READ_WRITE, kCount * 4, nullptr, nullptr));
  auto went = out();
  ASSERT_TRUE(went.ok()) << went.error().message;
  ASSERT_TRUE(swap_->in().ok());
  EXPECT_EQ(
      table().clEnqueueCopyBuffer(queue_, mem(a), mem(sum), 0, 0, kCount * 4, 0, nullptr, nullptr),
      CL_SUCCESS);
  EXPECT_EQ(read(sum)[99], 100);
  EXPECT_EQ(table().clEnqueueReadBuffer(queue_, mem(a), CL_TRUE, 0, 4, &last_, 0, nullptr, nullptr),
            CL_INVALID_OPERATION)
      << "it is as closed as before";
}

TEST_F(SwapTest, ImagesKeepTheirPixels) {
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 37;
  desc.image_height = 11;
  std::vector<uint32_t> pixels(37 * 11), back(37 * 11);
  std::iota(pixels.begin(), pixels.end(), 1u);
  cl_int code = CL_SUCCESS;
  const ObjectId image =
      add(kMem, table().clCreateImage(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, &format,
                                      &desc, pixels.data(), &code));
  ASSERT_EQ(code, CL_SUCCESS);
  auto went = out();
  ASSERT_TRUE(went.ok()) << went.error().message;
  EXPECT_EQ(*went, pixels.size() * 4);
  auto came = swap_->in();
  ASSERT_TRUE(came.ok()) << came.error().message;
  const size_t origin[3] = {}, region[3] = {37, 11, 1};
  EXPECT_EQ(table().clEnqueueReadImage(queue_, mem(image), CL_TRUE, origin, region, 0, 0,
                                       back.data(), 0, nullptr, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(back, pixels);
}

TEST_F(SwapTest, AMappingIsOfTheNewMemory) {
  const ObjectId a = buffer();
  MapPart part;
  part.flags = CL_MAP_WRITE;
  part.size = 64;
  worker_->mappings()[77] = {map_now(table(), queue_, mem(a), part), mem(a), part};
  ASSERT_TRUE(out().ok());
  ASSERT_TRUE(swap_->in().ok());
  Mapping& mapping = worker_->mappings()[77];
  ASSERT_EQ(mapping.object, mem(a));
  ASSERT_NE(mapping.place.at, nullptr);
  reinterpret_cast<int*>(mapping.place.at)[3] = 1234;
  table().clEnqueueUnmapMemObject(queue_, mem(a), mapping.place.at, 0, nullptr, nullptr);
  EXPECT_EQ(read(a)[3], 1234);
  worker_->mappings().clear();
}

TEST_F(SwapTest, ReferencesAreCounted) {
  const ObjectId a = buffer();
  table().clRetainMemObject(mem(a));
  ASSERT_TRUE(worker_->handles().retain(a, kMem).ok());
  watch(a);
  ASSERT_TRUE(out().ok());
  EXPECT_EQ(freed_, 1);
  ASSERT_TRUE(swap_->in().ok());
  freed_ = 0;
  watch(a);
  table().clReleaseMemObject(mem(a));
  EXPECT_EQ(freed_, 0) << "one reference is left";
  EXPECT_EQ(read(a)[0], 1);
}

TEST_F(SwapTest, ACommandThatWaitsForTheProgramKeepsItThere) {
  const ObjectId a = buffer();
  cl_event gate = table().clCreateUserEvent(context_, nullptr);
  const int nine = 9;
  table().clEnqueueWriteBuffer(queue_, mem(a), CL_FALSE, 0, sizeof nine, &nine, 1, &gate, nullptr);
  auto went = swap_->out({}, monotonic_now() + kSecond / 5);
  ASSERT_FALSE(went.ok());
  EXPECT_THAT(went.error().message, HasSubstr("an event that it sets itself"));
  EXPECT_FALSE(swap_->is_out());
  EXPECT_TRUE(worker_->hold().enter()) << "calls go on";
  worker_->hold().leave();
  table().clSetUserEventStatus(gate, CL_COMPLETE);
  EXPECT_EQ(read(a)[0], 9);
  ASSERT_TRUE(out().ok());
  ASSERT_TRUE(swap_->in().ok());
  EXPECT_EQ(read(a)[0], 9);
  table().clReleaseEvent(gate);
}

TEST_F(SwapTest, NoRoomForTheBytesLeavesThemWhereTheyAre) {
  const ObjectId a = buffer();
  base::Fd full(::open("/dev/full", O_RDWR));
  auto went = out(std::move(full));
  ASSERT_FALSE(went.ok());
  EXPECT_THAT(went.error().message, HasSubstr("regular file"));
  EXPECT_EQ(read(a)[1], 2);
  EXPECT_TRUE(out().ok());
  EXPECT_EQ(out().error().code, base::Code::kConflict);
  EXPECT_TRUE(swap_->in().ok());
}

TEST_F(SwapTest, CallsWaitUntilItIsBack) {
  const ObjectId a = buffer();
  ASSERT_TRUE(out().ok());
  std::atomic<bool> entered{false};
  std::thread call([&] {
    entered = worker_->hold().enter();
    worker_->hold().leave();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(entered);
  ASSERT_TRUE(swap_->in().ok());
  call.join();
  EXPECT_TRUE(entered);
  EXPECT_EQ(read(a)[2], 3);
}

TEST_F(SwapTest, TheEndOfTheSessionLetsACallGo) {
  ASSERT_TRUE(out().ok());
  std::thread call([&] { EXPECT_FALSE(worker_->hold().enter()); });
  session_->end({.code = wire::RefusalCode::kEnded, .text = "over"});
  call.join();
}

// Command buffers, by calls as a client sends them.
class RecordedTest : public SwapTest {
 protected:
  cl_int call(uint16_t entry, const wire::Writer& body) {
    const Call made{entry, 0, body.bytes(), true};
    Incoming incoming(*worker_, made);
    EXPECT_TRUE(serve(incoming, entry));
    worker_->recordings().note(made, incoming);
    return incoming.outcome();
  }
  // One that launches the kernel.
  ObjectId record(ObjectId kernel, bool finalize = true) {
    const ObjectId id = make_id(++last_, 1);
    wire::Writer create, launch, end;
    create.u32(1);
    create.u8(1);
    create.handle(queue_id_);
    create.u8(0);
    create.handle(id);
    EXPECT_EQ(call(1001, create), CL_SUCCESS);
    for (ObjectId each : {id, ObjectId{0}, kernel}) launch.handle(each);
    launch.u32(1);
    launch.u32(0);
    launch.u8(0);
    launch.u8(0);
    launch.u8(1);
    launch.u64(kCount);
    launch.u8(0);
    launch.u8(0);
    launch.u8(1);
    EXPECT_EQ(call(1014, launch), CL_SUCCESS);
    end.handle(id);
    if (finalize) {
      EXPECT_EQ(call(1004, end), CL_SUCCESS);
    }
    return id;
  }
  void enqueue(ObjectId id) {
    auto known = worker_->handles().find(id, kCommandBuffer);
    ASSERT_TRUE(known.ok());
    ASSERT_EQ(
        table().clEnqueueCommandBufferKHR(
            0, nullptr, static_cast<cl_command_buffer_khr>(known->object), 0, nullptr, nullptr),
        CL_SUCCESS);
    ASSERT_EQ(table().clFinish(queue_), CL_SUCCESS);
  }
  ObjectId adding(ObjectId memory, int number) {
    const ObjectId id = kernel("add", {memory});
    auto found = worker_->handles().find(id, kKernel);
    table().clSetKernelArg(static_cast<cl_kernel>(found->object), 1, sizeof number, &number);
    Argument& known = worker_->arguments()[id][1];
    known = {0, 0, sizeof number, true, {}};
    known.bytes.resize(sizeof number);
    std::memcpy(known.bytes.data(), &number, sizeof number);
    return id;
  }
  int first(ObjectId memory) {
    int value = 0;
    EXPECT_EQ(table().clEnqueueReadBuffer(queue_, mem(memory), CL_TRUE, 0, sizeof value, &value, 0,
                                          nullptr, nullptr),
              CL_SUCCESS);
    return value;
  }
};

TEST_F(RecordedTest, ACommandBufferDoesTheSameWhenItsMemoryIsBack) {
  const ObjectId memory = buffer(), kernel = adding(memory, 5), commands = record(kernel);
  enqueue(commands);
  EXPECT_EQ(first(memory), 6);
  for (int i = 2; i < 4; ++i) {
    auto out = swap_->out({}, monotonic_now() + kSecond);
    ASSERT_TRUE(out.ok()) << out.error().message;
    ASSERT_TRUE(swap_->in().ok());
    enqueue(commands);
    EXPECT_EQ(first(memory), 1 + 5 * i);
  }
}

TEST_F(RecordedTest, OneThatIsBeingRecordedKeepsTheMemory) {
  const ObjectId memory = buffer(), kernel = adding(memory, 5);
  record(kernel, false);
  auto out = swap_->out({}, monotonic_now() + kSecond);
  ASSERT_FALSE(out.ok());
  EXPECT_THAT(out.error().message, HasSubstr("is recording"));
}

TEST_F(RecordedTest, OneThatNamesWhatWasGivenUpKeepsTheMemory) {
  const ObjectId memory = buffer(), kernel = adding(memory, 5);
  record(kernel);
  cl_mem object = mem(memory);
  ASSERT_TRUE(worker_->handles().remove(memory, kMem).ok());
  auto out = swap_->out({}, monotonic_now() + kSecond);
  ASSERT_FALSE(out.ok());
  EXPECT_THAT(out.error().message, HasSubstr("given up"));
  table().clReleaseMemObject(object);
}

}  // namespace
}  // namespace flexai::remote::opencl
