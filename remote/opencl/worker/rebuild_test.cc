// The objects of one worker made again by another, with a real driver.
#include "remote/opencl/worker/rebuild.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "remote/opencl/worker/contents.h"
#include "remote/opencl/worker/drain.h"
#include "remote/opencl/worker/granted.h"
#include "remote/opencl/worker/stock.h"
#include "wire/session_fixture.h"

namespace flexai::remote::opencl {
namespace {

using base::kSecond;
using base::monotonic_now;
using testing::HasSubstr;

constexpr const char* kSource =
    "kernel void add(global int* a, int n, local int* l) {"
    "  l[0] = n; barrier(CLK_LOCAL_MEM_FENCE); a[get_global_id(0)] += l[0]; }";
constexpr size_t kCount = 1024;

// A host with a client and a worker.
struct Side {
  bool start() {
    client = wire::Session::connect(host.connector(), wire::test_options()).value();
    session = host.session();
    auto found = grant("/etc/OpenCL/vendors/pocl.icd");
    if (!found.ok()) return false;
    granted = std::move(*found);
    worker = Worker::make(*session, granted).value();
    return true;
  }
  ~Side() {
    worker.reset();
    if (client != nullptr) client->close(monotonic_now() + kSecond);
  }
  template <typename Handle>
  Handle find(ObjectId id) {
    return static_cast<Handle>(worker->handles().find(id, kKindOf<Handle>)->object);
  }

  wire::TestHost host;
  std::shared_ptr<wire::Session> client, session;
  Granted granted;
  std::unique_ptr<Worker> worker;
};

class RebuildTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!here_.start() || !there_.start()) GTEST_SKIP() << "no driver";
    context_ = table().clCreateContext(nullptr, 1, here_.granted.devices.data(), nullptr, nullptr,
                                       nullptr);
    queue_ = table().clCreateCommandQueue(context_, here_.granted.devices[0],
                                          CL_QUEUE_PROFILING_ENABLE, nullptr);
    add(kDevice, here_.granted.devices[0]);
    context_id_ = add(kContext, context_);
    queue_id_ = add(kCommandQueue, queue_);
    const char* source = kSource;
    program_ = table().clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
    ASSERT_EQ(table().clBuildProgram(program_, 0, nullptr, "-DX=1", nullptr, nullptr), CL_SUCCESS);
  }
  const Table& table() { return here_.worker->table(); }
  ObjectId add(Kind kind, void* object) {
    const ObjectId id = make_id(++last_, 1);
    EXPECT_TRUE(here_.worker->handles().add(id, kind, object).ok());
    return id;
  }
  ObjectId buffer(cl_mem_flags flags = CL_MEM_READ_WRITE) {
    std::vector<int> numbers(kCount);
    std::iota(numbers.begin(), numbers.end(), 1);
    return add(kMem, table().clCreateBuffer(context_, flags | CL_MEM_COPY_HOST_PTR,
                                            kCount * sizeof(int), numbers.data(), nullptr));
  }
  std::vector<int> read(ObjectId id, size_t count = kCount) {
    std::vector<int> numbers(count);
    EXPECT_EQ(table().clEnqueueReadBuffer(there_.find<cl_command_queue>(queue_id_),
                                          there_.find<cl_mem>(id), CL_TRUE, 0, count * sizeof(int),
                                          numbers.data(), 0, nullptr, nullptr),
              CL_SUCCESS);
    return numbers;
  }
  // Everything that travels, through its form on the wire.
  base::Status move() {
    Stock first(*here_.worker), all(*here_.worker);
    FLEXAI_TRY_ASSIGN(const Inventory before, first.beforehand());
    FLEXAI_TRY_ASSIGN(const Inventory found, all.all());
    wire::Writer writer;
    FLEXAI_TRY(encode(found, writer));
    FLEXAI_TRY_ASSIGN(const Inventory inventory, decode_inventory(writer.bytes(), 1));
    wire::Writer again;
    FLEXAI_TRY(encode(inventory, again));
    EXPECT_TRUE(std::ranges::equal(again.bytes(), writer.bytes()));
    auto [near, far] = wire::make_fake_pair({});
    std::thread sender([&, to = near.get()] {
      OwnQueues queues(table());
      const cl_command_queue queue = queues.of(context_).value();
      for (size_t i = 0; i < found.memory.size(); ++i) {
        MemFacts facts = found.memory[i].facts;
        facts.context = context_;
        EXPECT_TRUE(send_object(table(), queue, all.memory()[i], facts, *to).ok());
      }
    });
    Rebuild rebuild(there_.granted);
    base::Status done = rebuild.beforehand(before);
    if (done.ok()) done = rebuild.objects(inventory, *far);
    if (done.ok()) done = rebuild.install(inventory, *there_.worker);
    sender.join();
    return done;
  }

  Side here_, there_;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_program program_ = nullptr;
  ObjectId context_id_ = 0, queue_id_ = 0;
  uint32_t last_ = 0;
};

TEST_F(RebuildTest, KernelsWithTheirArgumentsGoOn) {
  const ObjectId a = buffer();
  cl_kernel made = table().clCreateKernel(program_, "add", nullptr);
  const ObjectId kernel = add(kKernel, made);
  // The program has given it up: the kernel alone still needs it.
  table().clReleaseProgram(program_);
  const int five = 5;
  const auto* bytes = reinterpret_cast<const std::byte*>(&five);
  here_.worker->arguments()[kernel] = {{0, {kMem, a, 0, true, {}}},
                                       {1, {0, 0, sizeof five, true, {bytes, bytes + sizeof five}}},
                                       {2, {0, 0, 4, false, {}}}};
  auto moved = move();
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  const size_t count = kCount;
  ASSERT_EQ(table().clEnqueueNDRangeKernel(there_.find<cl_command_queue>(queue_id_),
                                           there_.find<cl_kernel>(kernel), 1, nullptr, &count,
                                           nullptr, 0, nullptr, nullptr),
            CL_SUCCESS);
  const auto numbers = read(a);
  EXPECT_EQ(numbers[0], 6);
  EXPECT_EQ(numbers[kCount - 1], static_cast<int>(kCount) + 5);
  EXPECT_EQ(there_.worker->arguments()[kernel], here_.worker->arguments()[kernel]);
}

TEST_F(RebuildTest, ObjectsKeepIdsReferencesAndFacts) {
  const ObjectId whole = buffer();
  cl_buffer_region region{512, 1024};
  const ObjectId part =
      add(kMem, table().clCreateSubBuffer(here_.find<cl_mem>(whole), CL_MEM_READ_WRITE,
                                          CL_BUFFER_CREATE_TYPE_REGION, &region, nullptr));
  const ObjectId hidden = buffer(CL_MEM_HOST_NO_ACCESS);
  const ObjectId program = add(kProgram, program_);
  table().clRetainProgram(program_);
  ASSERT_TRUE(here_.worker->handles().retain(program, kProgram).ok());
  const ObjectId sampler =
      add(kSampler,
          table().clCreateSampler(context_, CL_TRUE, CL_ADDRESS_REPEAT, CL_FILTER_LINEAR, nullptr));
  cl_event user = table().clCreateUserEvent(context_, nullptr);
  table().clSetUserEventStatus(user, -7);
  const ObjectId event = add(kEvent, user);
  const ObjectId open = add(kEvent, table().clCreateUserEvent(context_, nullptr));
  const ObjectId failed = make_id(++last_, 3);
  ASSERT_TRUE(here_.worker->handles().add_failed(failed, kMem, -61).ok());
  here_.worker->deferred().add({.queue = queue_id_, .code = -5});
  MapPart mapped;
  mapped.flags = CL_MAP_WRITE;
  mapped.size = 64;
  here_.worker->mappings()[77] = {map_now(table(), queue_, here_.find<cl_mem>(whole), mapped),
                                  here_.find<cl_mem>(whole), mapped};
  auto moved = move();
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  EXPECT_EQ(read(part, 4)[0], 129) << "the part is of the new whole";
  auto back = there_.worker->handles().all(kProgram);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].references, 2u);
  std::string options(64, '\0');
  table().clGetProgramBuildInfo(there_.find<cl_program>(program), there_.granted.devices[0],
                                CL_PROGRAM_BUILD_OPTIONS, options.size(), options.data(), nullptr);
  EXPECT_THAT(options, HasSubstr("-DX=1"));
  cl_uint filter = 0;
  table().clGetSamplerInfo(there_.find<cl_sampler>(sampler), CL_SAMPLER_FILTER_MODE, sizeof filter,
                           &filter, nullptr);
  EXPECT_EQ(filter, cl_uint{CL_FILTER_LINEAR});
  cl_int status = 0;
  table().clGetEventInfo(there_.find<cl_event>(event), CL_EVENT_COMMAND_EXECUTION_STATUS,
                         sizeof status, &status, nullptr);
  EXPECT_EQ(status, -7);
  EXPECT_EQ(table().clSetUserEventStatus(there_.find<cl_event>(open), CL_COMPLETE), CL_SUCCESS);
  EXPECT_EQ(there_.worker->handles().find(failed, kMem)->error, -61);
  EXPECT_EQ(there_.worker->deferred().take(queue_id_)->code, -5);
  Mapping& mapping = there_.worker->mappings()[77];
  EXPECT_EQ(mapping.object, there_.find<cl_mem>(whole));
  ASSERT_NE(mapping.place.at, nullptr);
  // What the host may not read comes along too.
  const size_t bytes = kCount * sizeof(int);
  cl_mem copy = table().clCreateBuffer(there_.find<cl_context>(context_id_), CL_MEM_READ_WRITE,
                                       bytes, nullptr, nullptr);
  const auto queue = there_.find<cl_command_queue>(queue_id_);
  std::vector<int> numbers(kCount);
  table().clEnqueueCopyBuffer(queue, there_.find<cl_mem>(hidden), copy, 0, 0, bytes, 0, nullptr,
                              nullptr);
  table().clEnqueueReadBuffer(queue, copy, CL_TRUE, 0, bytes, numbers.data(), 0, nullptr, nullptr);
  EXPECT_EQ(numbers[41], 42);
  table().clReleaseMemObject(copy);
  table().clEnqueueUnmapMemObject(queue, mapping.object, mapping.place.at, 0, nullptr, nullptr);
  table().clFinish(queue);
  for (Side* side : {&here_, &there_}) side->worker->mappings().clear();
}

TEST_F(RebuildTest, APartedCardIsPartedAlike) {
  const cl_device_id card = here_.granted.devices[0];
  const std::vector<cl_device_partition_property> equally = {CL_DEVICE_PARTITION_EQUALLY, 1, 0, 0};
  cl_uint count = 0;
  ASSERT_EQ(table().clCreateSubDevices(card, equally.data(), 0, nullptr, &count), CL_SUCCESS);
  if (count < 2) GTEST_SKIP() << "a card of one unit";
  std::vector<cl_device_id> parts(count);
  ASSERT_EQ(table().clCreateSubDevices(card, equally.data(), count, parts.data(), nullptr),
            CL_SUCCESS);
  here_.worker->splits().add({card, equally, parts}, here_.worker->handles());
  // Two references of the client's to the second, none to the others.
  const ObjectId part = add(kDevice, parts[1]);
  ASSERT_TRUE(here_.worker->handles().retain(part, kDevice).ok());
  table().clRetainDevice(parts[1]);
  for (cl_uint i = 0; i < count; ++i)
    if (i != 1) table().clReleaseDevice(parts[i]);
  const cl_context context =
      table().clCreateContext(nullptr, 1, &parts[1], nullptr, nullptr, nullptr);
  const ObjectId of_part = add(kContext, context);
  const ObjectId queue =
      add(kCommandQueue, table().clCreateCommandQueue(context, parts[1], 0, nullptr));
  auto moved = move();
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  const auto there = there_.find<cl_device_id>(part);
  // As this driver says it: some name the card where a part was given.
  cl_device_id of = nullptr, here = nullptr, parent = nullptr;
  table().clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof here, &here, nullptr);
  table().clGetContextInfo(there_.find<cl_context>(of_part), CL_CONTEXT_DEVICES, sizeof of, &of,
                           nullptr);
  EXPECT_EQ(of, here == parts[1] ? there : there_.granted.devices[0]);
  table().clGetCommandQueueInfo(here_.find<cl_command_queue>(queue), CL_QUEUE_DEVICE, sizeof here,
                                &here, nullptr);
  table().clGetCommandQueueInfo(there_.find<cl_command_queue>(queue), CL_QUEUE_DEVICE, sizeof of,
                                &of, nullptr);
  EXPECT_EQ(of, here == parts[1] ? there : there_.granted.devices[0]);
  if (here != parts[1]) GTEST_LOG_(INFO) << "this driver names the card";
  cl_uint units = 0;
  table().clGetDeviceInfo(there, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, nullptr);
  EXPECT_EQ(units, 1u);
  table().clGetDeviceInfo(there, CL_DEVICE_PARENT_DEVICE, sizeof parent, &parent, nullptr);
  EXPECT_EQ(parent, there_.granted.devices[0]);
  for (const auto& entry : there_.worker->handles().all(kDevice))
    EXPECT_EQ(entry.references, entry.id == part ? 2u : 1u);
  ASSERT_EQ(there_.worker->splits().all().size(), 1u);
  EXPECT_EQ(there_.worker->splits().all()[0].parts[1], there);
  EXPECT_EQ(there_.worker->splits().all()[0].properties, equally);
}

TEST_F(RebuildTest, PartsThatNobodyNamesAreForgottenWhenTheyAreMany) {
  const cl_device_id card = here_.granted.devices[0];
  const std::vector<cl_device_partition_property> equally = {CL_DEVICE_PARTITION_EQUALLY, 1, 0, 0};
  for (size_t i = 0; i <= Splits::kMost; ++i) {
    std::vector<cl_device_id> parts(64);
    cl_uint count = 0;
    if (table().clCreateSubDevices(card, equally.data(), 64, parts.data(), &count) != CL_SUCCESS)
      GTEST_SKIP() << "a card that is not parted";
    parts.resize(count);
    if (i == 7) add(kDevice, parts[0]);
    here_.worker->splits().add({card, equally, parts}, here_.worker->handles());
    for (cl_device_id part : parts)
      if (i != 7) table().clReleaseDevice(part);
  }
  ASSERT_EQ(here_.worker->splits().all().size(), 1u);
  auto moved = move();
  EXPECT_TRUE(moved.ok()) << moved.error().message;
}

TEST_F(RebuildTest, ImagesComeWithTheirPixels) {
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 37;
  desc.image_height = 11;
  std::vector<uint32_t> pixels(37 * 11), back(pixels.size());
  std::iota(pixels.begin(), pixels.end(), 1000u);
  const ObjectId image =
      add(kMem, table().clCreateImage(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, &format,
                                      &desc, pixels.data(), nullptr));
  auto moved = move();
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  const size_t origin[3] = {}, region[3] = {37, 11, 1};
  EXPECT_EQ(table().clEnqueueReadImage(there_.find<cl_command_queue>(queue_id_),
                                       there_.find<cl_mem>(image), CL_TRUE, origin, region, 0, 0,
                                       back.data(), 0, nullptr, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(back, pixels);
}

TEST_F(RebuildTest, ALieInAnInventoryIsFound) {
  buffer();
  add(kKernel, table().clCreateKernel(program_, "add", nullptr));
  const Inventory good = Stock(*here_.worker).all().value();
  const auto refused = [](const Inventory& inventory) {
    wire::Writer writer;
    EXPECT_TRUE(encode(inventory, writer).ok());
    return !decode_inventory(writer.bytes(), 1).ok();
  };
  EXPECT_FALSE(refused(good));
  Inventory bad = good;
  bad.devices[0].index = 1;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.splits.push_back({1, {1, 0}, 2});
  EXPECT_TRUE(refused(bad)) << "a part of what is not there";
  bad.splits[0] = {0, {1}, 2};
  EXPECT_TRUE(refused(bad)) << "properties without an end";
  bad.splits[0] = {0, {1, 0}, 0};
  EXPECT_TRUE(refused(bad)) << "no part";
  bad.splits[0] = {0, {1, 0}, 2};
  EXPECT_FALSE(refused(bad));
  bad.devices[0].index = 2;
  EXPECT_FALSE(refused(bad)) << "the second part";
  bad.devices[0].index = 3;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.kernels[0].program = 7;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.memory[0].parent = 0;
  EXPECT_TRUE(refused(bad)) << "a part of itself";
  bad = good;
  bad.memory[0].facts.bytes += 1;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.queues[0].references = 0;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.contexts[0].devices.clear();
  EXPECT_TRUE(refused(bad));
  wire::Writer writer;
  ASSERT_TRUE(encode(good, writer).ok());
  for (size_t size = 0; size < writer.bytes().size(); ++size)
    EXPECT_FALSE(decode_inventory(writer.bytes().first(size), 1).ok()) << size;
}

}  // namespace
}  // namespace flexai::remote::opencl
