// Calls of a hostile client: decoded by the generated decoders, done by functions that answer
// without a driver. The session has ended already, so that nothing waits for the client.
#include <cstring>
#include <memory>

#include "remote/opencl/serve.h"
#include "remote/opencl/worker/worker.h"
#include "test/fuzz/driver.h"
#include "wire/fake_transport.h"

namespace {

using namespace flexai;  // NOLINT: a program of its own

wire::Session& ended_session() {
  static auto pair = wire::make_fake_pair({});
  wire::Hello hello;
  hello.window = hello.lane_window = 256u << 10;
  static auto session = wire::Session::prepare(pair.second->peer(), hello, {}).value();
  session->end({.code = wire::RefusalCode::kEnded, .text = "none"});
  return *session;
}

// As many objects of each kind as there are kinds of things to do with them.
void add_objects(remote::HandleMap& handles) {
  static char object;
  for (uint32_t i = 0; i < 36; ++i)
    [[maybe_unused]] auto added =
        handles.add(remote::make_id(i + 1, 1), static_cast<remote::Kind>(i % 9 + 1), &object);
  [[maybe_unused]] auto failed =
      handles.add_failed(remote::make_id(37, 1), remote::opencl::kMem, CL_OUT_OF_RESOURCES);
}

}  // namespace

// One call after the other: u16 entry, u16 length (odd: asked), the bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* worker =
      remote::opencl::Worker::make(ended_session(), test::granted()).value().release();
  add_objects(worker->handles());
  while (size >= 4) {
    uint16_t entry = 0, length = 0;
    std::memcpy(&entry, data, 2);
    std::memcpy(&length, data + 2, 2);
    const uint32_t number = length & 1u;
    length = static_cast<uint16_t>(std::min<size_t>(length >> 1, size - 4));
    // A copy of its own, so that a byte read beyond it is found.
    std::unique_ptr<std::byte[]> body(new std::byte[length]);
    if (length != 0) std::memcpy(body.get(), data + 4, length);
    const remote::Call call{entry, number, {body.get(), length}};
    remote::opencl::Incoming incoming(*worker, call);
    [[maybe_unused]] const bool known = remote::opencl::serve(incoming, entry);
    data += 4u + length;
    size -= 4u + length;
  }
  worker->mappings().clear();
  worker->handles().clear([](remote::Kind, void*) {});
  return 0;
}
