// A program's calls, those of test/e2e/opencl_sweep, and a worker, one of which is hostile: a
// worker that replies and pushes what the fuzzer likes, or a client whose calls, well-formed by its
// own encoders, are changed at a few places before a real worker decodes them. The run over the
// corpus counts the entries that were reached in both ways.
//
// Input: u8 (bit 0: who is hostile; 255 alone: each case of each entry), then for each call u16
// entry, u8 case, and what the hostile end takes as it goes.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

#include "remote/completions.h"
#include "remote/opencl/calls.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/connection.h"
#include "remote/opencl/serve.h"
#include "test/e2e/opencl_sweep/sweep.h"
#include "test/fuzz/driver.h"
#include "test/fuzz/input.h"
#include "wire/fake_transport.h"
#include "wire/host.h"

namespace {

using namespace flexai;  // NOLINT: a program of its own

constexpr size_t kMostCalls = 12;                          // an input
constexpr size_t kLeastReplied = 105, kLeastServed = 107;  // entries that the corpus reaches
constexpr uint8_t kEach = 255;

std::mutex g_mutex;  // the two below: the program's thread and the worker's
test::Input* g_input = nullptr;
enum class Hostile { kNobody, kWorker, kClient } g_hostile = Hostile::kNobody;
std::set<uint16_t> g_replied, g_served;  // entries

template <typename T>
T take() {
  return g_input == nullptr ? T{} : g_input->take<T>();
}

// Events of the call end, whatever became of it: what looks like an id is one of them.
void complete_all(remote::Dispatcher& dispatcher, wire::Bytes body) {
  std::vector<remote::Completion> all;
  for (size_t at = 0; at + 8 <= body.size() && all.size() < 512; ++at) {
    uint64_t id = 0;
    std::memcpy(&id, body.data() + at, sizeof id);
    if (static_cast<uint32_t>(id) == 0 || static_cast<uint32_t>(id) > remote::kMostObjects ||
        id >> 32 == 0)
      continue;
    all.push_back({.event = id,
                   .status = g_input != nullptr ? take<uint8_t>() % 8 == 1 ? -5 : 0 : 0,
                   .times = {}});
  }
  if (all.empty()) return;
  wire::Writer writer;
  encode(all, writer);
  [[maybe_unused]] auto sent = dispatcher.push(remote::kCompletions, writer.bytes());
}

// Results as a worker would write them, or bytes.
void make_up(wire::Writer& writer) {
  const uint8_t how = take<uint8_t>();
  for (int blobs = how % 4; blobs > 0; --blobs) {
    std::byte bytes[512];
    const size_t size = take<uint16_t>() % sizeof bytes;
    for (size_t i = 0; i < size; ++i) bytes[i] = std::byte{take<uint8_t>()};
    if (how < 128)
      writer.blob({bytes, size});
    else
      writer.raw({bytes, size});
  }
}

void reply_hostile(remote::opencl::Worker& worker, const remote::Call& call) {
  const uint8_t pushes = take<uint8_t>();
  if (pushes % 4 == 1) {
    wire::Writer pushed;
    make_up(pushed);
    [[maybe_unused]] auto sent = worker.dispatcher().push(3u + pushes % 17, pushed.bytes());
  }
  if (call.number == 0) return;
  wire::Writer results;
  make_up(results);
  const int32_t code = take<uint8_t>() % 4 == 1 ? take<int32_t>() : 0;
  [[maybe_unused]] auto sent = worker.dispatcher().reply(call.number, code, results.bytes());
}

// A call with other bytes.
struct Changed {
  std::unique_ptr<std::byte[]> body;  // of its size, so that a byte read beyond it is found
  size_t size = 0;
  bool changed = false;
};

Changed change(wire::Bytes sound, bool hostile) {
  Changed made{std::make_unique<std::byte[]>(sound.size()), sound.size()};
  if (sound.empty() || !hostile) {
    std::copy(sound.begin(), sound.end(), made.body.get());
    return made;
  }
  std::memcpy(made.body.get(), sound.data(), sound.size());
  for (int changes = take<uint8_t>() % 4; changes > 0; --changes)
    made.body[take<uint16_t>() % sound.size()] = std::byte{take<uint8_t>()};
  if (take<uint8_t>() % 16 == 1) made.size = take<uint16_t>() % (sound.size() + 1);
  made.changed =
      made.size != sound.size() || std::memcmp(made.body.get(), sound.data(), made.size) != 0;
  return made;
}

// Without the lock while it is served: a call may step aside, and others are made meanwhile.
void serve_call(remote::opencl::Worker& worker, const remote::Call& call) {
  std::unique_lock lock(g_mutex);
  if (g_hostile == Hostile::kWorker) {
    reply_hostile(worker, call);
    g_replied.insert(call.entry);
    return complete_all(worker.dispatcher(), call.body);
  }
  const bool hostile = g_hostile == Hostile::kClient;
  // Its own bytes are gone when it has stepped aside.
  const std::vector<std::byte> sound(call.body.begin(), call.body.end());
  const Changed body = change(sound, hostile);
  lock.unlock();
  {
    remote::opencl::Incoming incoming(worker,
                                      {call.entry, call.number, {body.body.get(), body.size}});
    [[maybe_unused]] const bool known = remote::opencl::serve(incoming, call.entry);
  }
  lock.lock();
  if (hostile) g_served.insert(call.entry);
  // Not every broken call is answered, and the program waits.
  if (body.changed && call.number != 0) [[maybe_unused]]
    auto sent = worker.dispatcher().reply(call.number, CL_OUT_OF_RESOURCES);
  complete_all(worker.dispatcher(), sound);
}

void work(const std::shared_ptr<wire::Session>& session) {
  static auto* worker = remote::opencl::Worker::make(*session, test::granted()).value().release();
  [[maybe_unused]] auto ended =
      worker->dispatcher().run([](const remote::Call& call) -> base::Status {
        serve_call(*worker, call);
        return {};
      });
}

test::Bench& bench() {
  static test::Bench* made = [] {
    // What is said of the calls is of no interest.
    if (freopen("/dev/null", "w", stdout) == nullptr) std::abort();
    auto* client = &remote::opencl::Client::get();
    test::must(!client->devices().empty(), "there is a device");
    auto* bench = new test::Bench(remote::opencl::client_table(),
                                  reinterpret_cast<cl_platform_id>(client->platform()),
                                  remote::opencl::handle_of<cl_device_id>(client->devices()[0]));
    bench->be_quick();
    return bench;
  }();
  return *made;
}

void call(size_t entry, size_t number) {
  const test::Entry& chosen = test::kEntries[entry % test::kEntryCount];
  chosen.call(bench(), number % chosen.count);
  [[maybe_unused]] const bool there = bench().close();
}

void set(Hostile hostile, test::Input* input) {
  std::lock_guard lock(g_mutex);
  g_hostile = hostile;
  g_input = input;
}

}  // namespace

namespace flexai::remote::opencl {

// Instead of client/connection.cc: the worker is a thread.
std::vector<std::string> workers() { return {"thread"}; }
base::Result<std::unique_ptr<wire::Session>> connect_session(
    const std::string&, std::function<void(const base::Error&)> on_end,
    std::shared_ptr<Whereabouts>) {
  static wire::Host host({.session = {}, .admit = nullptr, .on_session = [](auto session) {
                            std::thread([session = std::move(session)] { work(session); }).detach();
                          }});
  wire::SessionOptions options;
  options.on_end = std::move(on_end);
  auto connect = [](wire::Purpose, base::Nanos) -> base::Result<std::unique_ptr<wire::Transport>> {
    auto [near, far] = wire::make_fake_pair({.capacity = 4u << 20});
    std::thread([end = std::move(far)]() mutable {
      [[maybe_unused]] auto served = host.serve(std::move(end));
    }).detach();
    return std::move(near);
  };
  return wire::Session::connect(connect, std::move(options));
}
std::string Whereabouts::endpoint() const { return ""; }
void Whereabouts::set(std::string) {}
bool wants_strict() { return true; }  // every call has a reply
CallCounts* shared_counts() { return nullptr; }
void say_goodbye_at_exit(wire::Session*) {}
bool leaving() { return false; }

}  // namespace flexai::remote::opencl

// Sizes that no machine has are asked for with nothrow new, which may say no. What the program of
// this test does not release stays, as with every driver.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1:detect_leaks=0";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bench();
  test::Input input(data, size);
  const auto how = input.take<uint8_t>();
  if (how == kEach && size == 1) {
    for (Hostile hostile : {Hostile::kClient, Hostile::kWorker}) {
      set(hostile, nullptr);
      for (size_t e = 0; e < test::kEntryCount; ++e)
        for (size_t c = 0; c < test::kEntries[e].count; ++c) call(e, c);
    }
  } else {
    set(how % 2 == 0 ? Hostile::kWorker : Hostile::kClient, &input);
    for (size_t i = 0; i < kMostCalls; ++i) {
      uint16_t entry = 0;
      uint8_t number = 0;
      {
        std::lock_guard lock(g_mutex);
        if (input.empty()) break;
        entry = input.take<uint16_t>();
        number = input.take<uint8_t>();
      }
      call(entry, number);
    }
  }
  set(Hostile::kNobody, nullptr);
  test::must(!remote::opencl::Client::get().gone(), "the session goes on");
  return 0;
}

extern "C" bool flexai_corpus_reached() {
  std::lock_guard lock(g_mutex);
  std::fprintf(
      stderr,
      "of %zu entries %zu were answered by a hostile worker, %zu were made by a hostile client\n",
      std::size(remote::opencl::kTravelling), g_replied.size(), g_served.size());
  for (uint16_t entry : remote::opencl::kTravelling) {
    const bool answered = g_replied.count(entry) != 0, made = g_served.count(entry) != 0;
    if (!answered || !made)
      std::fprintf(stderr, "entry %u: %s%s\n", entry, answered ? "" : "never answered ",
                   made ? "" : "never made");
  }
  return g_replied.size() >= kLeastReplied && g_served.size() >= kLeastServed;
}
