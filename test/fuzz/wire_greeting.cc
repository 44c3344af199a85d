// A host and strangers who connect to it: first frames that are none, hellos changed at a few
// places, those of a session that is there with its key or without, bulk connections, probes.
//
// Input: for each connection u8 how (bits 0 to 2), u8 changes, u16 place and u8 byte for each of
// them, u8 and as many bytes that follow the hello.
#include <mutex>

#include "test/fuzz/input.h"
#include "wire/bulk.h"
#include "wire/exchange.h"
#include "wire/fake_transport.h"
#include "wire/host.h"
#include "wire/probe.h"

using namespace flexai::wire;
using flexai::base::kMillisecond;
using flexai::base::monotonic_now;
using flexai::test::Input;
using flexai::test::must;

namespace {

constexpr int kMostConnections = 8;
constexpr uint32_t kWindow = 256u << 10;

SessionOptions options() {
  SessionOptions made;
  made.version.spec.assign(32, std::byte{7});
  made.window = made.lane_window = kWindow;
  made.handshake = 3 * kMillisecond;
  made.grace = 50 * kMillisecond;
  return made;
}

struct There {
  std::shared_ptr<Session> session;
  std::unique_ptr<Bulk> bulk;
};

// What a sound client would say next.
std::vector<std::byte> hello_frame(int how, const There& there, uint32_t epoch) {
  Hello hello;
  hello.version.spec.assign(32, std::byte{7});
  hello.window = hello.lane_window = kWindow;
  hello.epoch = epoch;
  if (there.session != nullptr && (how & 1) != 0) {
    hello.session = there.session->id();
    hello.key = there.session->key();
  }
  if ((how & 2) != 0) hello.purpose = Purpose::kBulk;
  hello.lease.assign(9, std::byte{1});
  Writer body;
  encode(hello, body);
  FrameHeader header;
  header.type = FrameType::kHello;
  header.length = static_cast<uint32_t>(body.bytes().size());
  Writer frame;
  frame.raw(encode_header(header));
  frame.raw(body.bytes());
  return {frame.bytes().begin(), frame.bytes().end()};
}

void probe(Input& input) {
  auto [near, far] = make_fake_pair({.capacity = 64u << 10});
  std::vector<std::byte> asked(input.take<uint8_t>());
  input.take_into(asked.data(), asked.size());
  [[maybe_unused]] auto sent = send_all(*near, asked, monotonic_now() + kMillisecond);
  must(!serve_probe(*far, monotonic_now() + 2 * kMillisecond).ok(), "a probe ends");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  There there;
  size_t most_lease = 0;
  Host host({.session = options(),
             .admit =
                 [&](const Hello& hello, const Peer&) {
                   most_lease = std::max(most_lease, hello.lease.size());
                   return flexai::base::Result<std::vector<std::byte>>(
                       std::vector<std::byte>(hello.lease.begin(), hello.lease.end()));
                 },
             .on_session =
                 [&](std::shared_ptr<Session> session) {
                   if (there.session != nullptr) return;
                   there.session = std::move(session);
                   there.bulk = Bulk::make(*there.session).value();
                 }});
  std::vector<std::unique_ptr<Transport>> clients;
  for (int i = 0; i < kMostConnections && !input.empty(); ++i) {
    const int how = input.take<uint8_t>() & 7;
    if (how == 7) {
      probe(input);
      continue;
    }
    auto [near, far] = make_fake_pair({.capacity = 1u << 20});
    auto bytes =
        how == 4 ? std::vector<std::byte>{} : hello_frame(how, there, static_cast<uint32_t>(i + 1));
    for (int changes = input.take<uint8_t>() % 4; changes > 0 && !bytes.empty(); --changes)
      bytes[input.take<uint16_t>() % bytes.size()] = std::byte{input.take<uint8_t>()};
    std::vector<std::byte> more(input.take<uint8_t>());
    input.take_into(more.data(), more.size());
    bytes.insert(bytes.end(), more.begin(), more.end());
    [[maybe_unused]] auto sent = send_all(*near, bytes, monotonic_now() + kMillisecond);
    [[maybe_unused]] auto served = host.serve(std::move(far));
    clients.push_back(std::move(near));
  }
  must(most_lease <= kMaxLease, "a lease has its bounds");
  must(host.sessions() <= kMostConnections, "one session a connection");
  clients.clear();
  there.bulk.reset();
  return 0;
}
