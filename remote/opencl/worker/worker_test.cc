// A worker whose driver is a few functions: what its calls wait for, and what it says unasked.
#include "remote/opencl/worker/worker.h"

#include <gtest/gtest.h>

#include "limit/opencl/entries.h"
#include "remote/caller.h"
#include "wire/session_fixture.h"

namespace flexai::remote::opencl {
namespace {

using limit::opencl::EntryId;
using wire::Writer;

const ObjectId kContextId = make_id(1, 1), kDeviceId = make_id(2, 1);

char g_object;  // what every handle points to
std::atomic<int> g_created{0}, g_others{0};
using Notify = void(CL_CALLBACK*)(const char*, const void*, size_t, void*);
Notify g_notify = nullptr;
void* g_listener = nullptr;

cl_int CL_API_CALL fine(cl_context) { return CL_SUCCESS; }
cl_int CL_API_CALL fine_memory(cl_mem) { return CL_SUCCESS; }
cl_int CL_API_CALL fine_device(cl_device_id) { return CL_SUCCESS; }

// Comes back when another call was made.
cl_mem CL_API_CALL create_long(cl_context, cl_mem_flags, size_t, void* bytes, cl_int* code) {
  ++g_created;
  while (g_others == 0) std::this_thread::yield();
  *code = static_cast<char*>(bytes)[0] == 7 ? CL_SUCCESS : CL_INVALID_VALUE;
  return reinterpret_cast<cl_mem>(&g_object);
}

cl_int CL_API_CALL context_info(cl_context, cl_context_info, size_t, void*, size_t*) {
  ++g_others;
  return CL_SUCCESS;
}

cl_context CL_API_CALL create_context(const cl_context_properties*, cl_uint, const cl_device_id*,
                                      Notify notify, void* listener, cl_int* code) {
  g_notify = notify;
  g_listener = listener;
  *code = CL_SUCCESS;
  return reinterpret_cast<cl_context>(&g_object);
}

Granted granted() {
  Granted all;
  all.table.clRetainContext = all.table.clReleaseContext = fine;
  all.table.clReleaseMemObject = fine_memory;
  all.table.clReleaseDevice = fine_device;
  all.table.clCreateBuffer = create_long;
  all.table.clGetContextInfo = context_info;
  all.table.clCreateContext = create_context;
  return all;
}

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = wire::Session::connect(host_.connector(), wire::test_options());
    ASSERT_TRUE(made.ok());
    session_ = host_.session();
    worker_ = Worker::make(*session_, granted()).value();
    ASSERT_TRUE(worker_->handles().add(kContextId, kContext, &g_object).ok());
    ASSERT_TRUE(worker_->handles().add(kDeviceId, kDevice, &g_object).ok());
    caller_ = Caller::make(std::move(made).value(), [this](uint32_t kind, wire::Bytes body) {
                std::lock_guard lock(mutex_);
                pushed_.emplace_back(kind, std::string(wire::text_of(body)));
              }).value();
    thread_ = std::thread([this] { [[maybe_unused]] auto ended = worker_->run(); });
    g_created = g_others = 0;
  }
  void TearDown() override {
    caller_->session().close(base::monotonic_now() + base::kSecond);
    thread_.join();
  }
  static uint16_t number(EntryId entry) { return static_cast<uint16_t>(entry); }
  int32_t ask(EntryId entry, const Writer& body) {
    auto answer = caller_->ask(number(entry), body.bytes());
    return answer.ok() ? answer->code : -9999;
  }
  static void buffer_of(size_t size, ObjectId id, Writer& body) {
    body.handle(kContextId);
    body.u64(CL_MEM_COPY_HOST_PTR);
    body.u64(size);
    body.u8(1);
    body.blob(std::vector<std::byte>(size, std::byte{7}));
    body.handle(id);
  }
  // Of an answer that the driver gives at once.
  int32_t other_call() {
    Writer body;
    body.handle(kContextId);
    body.u32(CL_CONTEXT_NUM_DEVICES);
    body.u64(0);
    body.u8(0);
    body.u8(0);
    return ask(EntryId::clGetContextInfo, body);
  }

  wire::TestHost host_;
  std::shared_ptr<wire::Session> session_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Caller> caller_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<std::pair<uint32_t, std::string>> pushed_;
};

TEST_F(WorkerTest, ABufferMadeOfManyBytesKeepsNoOtherCallWaiting) {
  Writer body;
  buffer_of(4u << 20, make_id(3, 1), body);
  std::thread first([&] { EXPECT_EQ(ask(EntryId::clCreateBuffer, body), CL_SUCCESS); });
  while (g_created == 0) std::this_thread::yield();
  EXPECT_EQ(other_call(), CL_SUCCESS);  // else the first never ends
  first.join();
  EXPECT_TRUE(worker_->handles().find(make_id(3, 1), kMem).ok());
}

TEST_F(WorkerTest, NobodyHasTheObjectsAsAWholeWhileOneIsMade) {
  Writer body;
  buffer_of(4u << 20, make_id(3, 1), body);
  std::thread first([&] { EXPECT_EQ(ask(EntryId::clCreateBuffer, body), CL_SUCCESS); });
  while (g_created == 0) std::this_thread::yield();
  EXPECT_FALSE(worker_->hold().take(base::monotonic_now() + 50 * base::kMillisecond));
  EXPECT_EQ(other_call(), CL_SUCCESS);
  first.join();
  ASSERT_TRUE(worker_->hold().take(base::monotonic_now() + 60 * base::kSecond));
  EXPECT_EQ(worker_->handles().all(kMem).size(), 1u);
  worker_->hold().let_go();
}

TEST_F(WorkerTest, WhatADriverSaysOfAContextGoesToItsClient) {
  Writer body;
  body.u32(1);
  body.u8(0);
  body.u8(1);
  body.handle(kDeviceId);
  body.handle(make_id(4, 1));
  ASSERT_EQ(ask(EntryId::clCreateContext, body), CL_SUCCESS);
  ASSERT_NE(g_notify, nullptr);
  const std::string text(10'000, 'x'), more(5000, 'y');
  g_notify("out of luck", "ab", 2, g_listener);
  g_notify(text.c_str(), more.data(), more.size(), g_listener);
  g_notify(nullptr, nullptr, 7, g_listener);
  EXPECT_EQ(other_call(), CL_SUCCESS);  // its answer comes behind them
  std::lock_guard lock(mutex_);
  ASSERT_EQ(pushed_.size(), 3u);
  const size_t sizes[][2] = {{11, 2}, {kMostNews, kMostNews}, {0, 0}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pushed_[i].first, kContextNews);
    wire::Reader reader(wire::bytes_of(pushed_[i].second));
    EXPECT_EQ(reader.handle("context"), make_id(4, 1));
    EXPECT_EQ(reader.text("text", kMostNews).size(), sizes[i][0]);
    EXPECT_EQ(reader.blob("more", kMostNews).size(), sizes[i][1]);
    EXPECT_TRUE(reader.finish().ok());
  }
}

}  // namespace
}  // namespace flexai::remote::opencl
