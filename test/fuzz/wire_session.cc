// A whole session of a host, fed by a client that has been let in and then sends whatever it likes.
#include <cstdlib>

#include "wire/exchange.h"
#include "wire/fake_transport.h"
#include "wire/lane.h"

using namespace flexai::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  auto [near, far] = make_fake_pair({.capacity = 4u << 20});
  Hello hello;
  hello.window = hello.lane_window = 256u << 10;
  SessionOptions options;
  options.window = options.lane_window = 256u << 10;
  options.grace = 0;
  auto session = Session::prepare(far->peer(), hello, options);
  if (!session.ok() || !(*session)->open(std::move(far), hello).ok()) std::abort();
  if (!send_all(*near, bytes, flexai::base::monotonic_now() + flexai::base::kSecond).ok()) return 0;
  near->shutdown();
  // Everything that arrives before the end is read; then the grace, which is none, is over.
  while ((*session)->receive_any(0).ok()) {
  }
  return 0;
}
