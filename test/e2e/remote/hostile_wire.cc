// What a hostile program does to its worker, and to the port on the way there, by hand.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "limit/opencl/entries.h"
#include "remote/knock.h"
#include "remote/message.h"
#include "remote/opencl/version.h"
#include "test/e2e/remote/hostile.h"
#include "wire/dial.h"
#include "wire/exchange.h"
#include "wire/inbox.h"
#include "wire/socket.h"

namespace flexai::test {
namespace {

using base::kMillisecond;
using base::kSecond;
using base::monotonic_now;
using base::Nanos;
using wire::Bytes;

using TransportPtr = std::unique_ptr<wire::Transport>;
constexpr Nanos kLetIn = 20 * kSecond;
constexpr Nanos kSending = 500 * kMillisecond;

// What the door gave: an endpoint, and what it takes to get in there.
struct Invitation {
  wire::Endpoint endpoint;
  std::shared_ptr<wire::TlsContext> tls;
  std::vector<std::byte> lease;

  base::Result<TransportPtr> dial() const {
    return wire::dial(endpoint, tls, monotonic_now() + kLetIn);
  }
  // The bare stream, before TLS or shared memory.
  base::Result<base::Fd> socket() const {
    wire::Endpoint bare = endpoint;
    bare.name.clear();
    return wire::connect_socket(bare, monotonic_now() + kLetIn);
  }
};

base::Result<Invitation> invited() {
  const char* where = std::getenv("FLEXAI_WORKER");
  if (where == nullptr || !remote::is_door(where))
    return base::fail(base::Code::kInvalid, "run it with `flexai run`");
  FLEXAI_TRY_ASSIGN(auto known, remote::knock(where, monotonic_now() + kLetIn));
  Invitation made;
  FLEXAI_TRY_ASSIGN(made.endpoint, wire::parse_endpoint(known.endpoint));
  if (made.endpoint.carrier == wire::Carrier::kTls) {
    FLEXAI_TRY_ASSIGN(made.tls, wire::TlsContext::make(known.identity, wire::TlsRole::kClient));
  }
  made.lease = std::move(known.lease);
  return made;
}

wire::Hello hello_of(const Invitation& to) {
  wire::Hello hello;
  hello.version = remote::opencl::wire_version();
  hello.window = hello.lane_window = 256u << 10;
  hello.lease = to.lease;
  return hello;
}

std::vector<std::byte> some(Hostility& how, size_t most) {
  std::vector<std::byte> bytes(how.upto(most));
  for (auto& byte : bytes) byte = static_cast<std::byte>(how.chance());
  return bytes;
}

std::vector<std::byte> encoded(const wire::Hello& hello) {
  wire::Writer writer;
  encode(hello, writer);
  return {writer.bytes().begin(), writer.bytes().end()};
}

// Whatever comes is taken, until the other side hangs up or for a moment.
bool hangs_up(wire::Transport& transport, Nanos patience = 3 * kSecond) {
  std::vector<std::byte> bytes(64u << 10);
  const Nanos end = monotonic_now() + patience;
  while (monotonic_now() < end) {
    auto got = transport.receive(bytes);
    if (!got.ok()) return true;
    if (*got == 0) transport.wait(wire::kReadable, end);
  }
  return false;
}

// A session made by hand.
struct Talk {
  TransportPtr transport;
  wire::Welcome welcome;
  uint64_t seq = 0;

  static base::Result<Talk> begin(const Invitation& to) {
    Talk talk;
    FLEXAI_TRY_ASSIGN(talk.transport, to.dial());
    FLEXAI_TRY(send_frame(*talk.transport, wire::FrameType::kHello, encoded(hello_of(to)),
                          monotonic_now() + kLetIn));
    FLEXAI_TRY_ASSIGN(auto answer,
                      receive_frame(*talk.transport, wire::kMaxGreeting, monotonic_now() + kLetIn));
    if (answer.header.type != wire::FrameType::kWelcome)
      return base::fail(base::Code::kDenied, "not let in");
    FLEXAI_TRY_ASSIGN(talk.welcome, wire::decode_welcome(answer.payload));
    return talk;
  }
  base::Status raw(Bytes bytes) { return send_all(*transport, bytes, monotonic_now() + kSending); }
  base::Status frame(wire::FrameHeader header, Bytes payload) {
    wire::Writer writer;
    writer.raw(encode_header(header));
    writer.raw(payload);
    return raw(writer.bytes());
  }
  // `size` is what the record says of its body.
  base::Status message(uint16_t lane, uint32_t tag, Bytes body, uint32_t size) {
    std::vector<std::byte> record(wire::record_bytes(body.size()));
    wire::put_record(record, tag, {}, body);
    std::memcpy(record.data(), &size, sizeof size);
    return records(record, lane);
  }
  base::Status records(Bytes all, uint16_t lane = remote::kCallLane) {
    wire::FrameHeader header;
    header.type = wire::FrameType::kData;
    header.lane = lane;
    header.length = static_cast<uint32_t>(all.size());
    header.seq = ++seq;
    return frame(header, all);
  }
  base::Status call(uint32_t tag, Bytes body) {
    return message(remote::kCallLane, tag, body, static_cast<uint32_t>(body.size()));
  }
};

uint16_t any_entry(Hostility& how) {
  constexpr size_t kCount = std::size(remote::opencl::kTravelling);
  return remote::opencl::kTravelling[how.upto(kCount - 1)];
}

int say(const char* what, int times, int of) {
  std::printf("%s: %d of %d\n", what, times, of);
  return of == 0 ? 1 : 0;
}

// Makes a new session for each round, until the time is over; counts those that hung up.
template <typename Round>
int rounds(Hostility& how, const char* what, const Round& round) {
  int ended = 0, all = 0;
  const Nanos end = monotonic_now() + static_cast<Nanos>(how.seconds * kSecond);
  while (monotonic_now() < end) {
    auto to = invited();
    if (!to.ok()) continue;  // our share of workers is taken: the last ones are about to end
    ended += round(*to);
    ++all;
  }
  return say(what, ended, all);
}

bool strangers_bytes(Hostility& how, const Invitation& to) {
  auto socket = to.socket();
  if (!socket.ok()) return false;
  auto bytes = some(how, 4096);
  if (bytes.size() > 5 && how.upto(1) == 0) {  // begins as TLS does
    const uint8_t record[] = {22, 3, 1, static_cast<uint8_t>(how.upto(80)), 7};
    std::memcpy(bytes.data(), record, sizeof record);
  }
  [[maybe_unused]] auto sent =
      ::send(socket->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return true;
}

void strangers_frame(Hostility& how, const Invitation& to) {
  auto transport = to.dial();
  if (!transport.ok()) return;
  auto body = how.upto(1) == 0 ? encoded(hello_of(to)) : some(how, 4096);
  for (size_t changes = how.upto(3); changes > 0 && !body.empty(); --changes)
    body[how.upto(body.size() - 1)] = static_cast<std::byte>(how.chance());
  wire::FrameHeader header;
  header.type = static_cast<wire::FrameType>(how.upto(3) == 0 ? how.upto(14) : 1);
  header.length = static_cast<uint32_t>(how.upto(3) == 0 ? how.chance() : body.size());
  wire::Writer writer;
  writer.raw(encode_header(header));
  writer.raw(body);
  [[maybe_unused]] auto sent = send_all(**transport, writer.bytes(), monotonic_now() + kSending);
}

// After the welcome.
void guests_garbage(Hostility& how, Talk& talk) {
  base::Status sent;
  switch (how.upto(3)) {
    case 0:
      sent = talk.raw(some(how, 64u << 10));
      break;
    case 1: {
      wire::FrameHeader header;
      const auto body = some(how, 4096);
      header.type = static_cast<wire::FrameType>(how.upto(14));
      header.lane = static_cast<uint16_t>(how.chance());
      header.length = static_cast<uint32_t>(body.size());
      header.seq = how.upto(3);
      header.ack = how.upto(1) == 0 ? 0 : how.chance();
      sent = talk.frame(header, body);
      break;
    }
    case 2:
      sent = talk.message(static_cast<uint16_t>(how.upto(64)), static_cast<uint32_t>(how.chance()),
                          some(how, 4096), static_cast<uint32_t>(how.upto(8192)));
      break;
    default:
      for (int i = 0; i < 50 && sent.ok(); ++i) {
        const uint32_t asked = how.upto(1) == 0 ? remote::kAsked : 0;
        sent = talk.call(any_entry(how) | asked, some(how, 200));
      }
  }
}

}  // namespace

int garbage(Hostility& how) {
  return rounds(how, "sessions ended by garbage", [&](const Invitation& to) {
    for (int i = 0; i < 3; ++i) strangers_bytes(how, to);
    for (int i = 0; i < 3; ++i) strangers_frame(how, to);
    auto talk = Talk::begin(to);
    if (!talk.ok()) return false;
    guests_garbage(how, *talk);
    talk->transport->finish_sending();
    return hangs_up(*talk->transport);
  });
}

int lengths(Hostility& how) {
  constexpr uint32_t kAbsurd[] = {0xffffffff, 0x7fffffff, 0x80000000, 1u << 30, (1u << 20) + 65};
  return rounds(how, "sessions ended by lengths", [&](const Invitation& to) {
    const uint32_t size = kAbsurd[how.upto(std::size(kAbsurd) - 1)];
    auto talk = Talk::begin(to);
    if (!talk.ok()) return false;
    base::Status sent;
    switch (how.upto(4)) {
      case 0: {
        wire::FrameHeader header;
        header.type = static_cast<wire::FrameType>(4 + how.upto(8));
        header.length = size;
        header.seq = 1;
        sent = talk->frame(header, some(how, 64));
        break;
      }
      case 1:
        sent = talk->message(0, remote::kAsked | any_entry(how), some(how, 64), size);
        break;
      case 2: {  // every number in the call
        std::vector<std::byte> body(8 + how.upto(256), std::byte{0xff});
        if (how.upto(1) == 0)
          for (size_t at = 0; at + 4 <= body.size(); at += 4) std::memcpy(&body[at], &size, 4);
        sent = talk->call(remote::kAsked | any_entry(how), body);
        break;
      }
      case 3: {  // a call in parts without an end
        const std::vector<std::byte> part(remote::kPartBytes);
        for (int i = 0; i < 400 && sent.ok(); ++i) sent = talk->call(remote::kPart, part);
        break;
      }
      default: {  // a place for a transfer of that size, and one that is there
        const uint64_t words[] = {how.upto(3), ~uint64_t{0} >> how.upto(40)};
        sent = talk->message(static_cast<uint16_t>(talk->welcome.lanes - 1),
                             static_cast<uint32_t>(how.upto(4)), std::as_bytes(std::span(words)),
                             sizeof words);
      }
    }
    talk->transport->finish_sending();
    return hangs_up(*talk->transport);
  });
}

namespace {

// What the host answers to a hello that is not right; 0: nothing, or it was let in.
uint32_t refusal_of(const Invitation& to, const wire::Hello& hello) {
  auto transport = to.dial();
  if (!transport.ok()) return 100;  // TLS said no
  if (!send_frame(**transport, wire::FrameType::kHello, encoded(hello), monotonic_now() + kLetIn)
           .ok())
    return 101;
  auto answer = receive_frame(**transport, wire::kMaxGreeting, monotonic_now() + kLetIn);
  if (!answer.ok()) return 102;
  if (answer->header.type != wire::FrameType::kRefuse) return 0;
  auto refusal = wire::decode_refusal(answer->payload);
  return refusal.ok() ? static_cast<uint32_t>(refusal->code) : 103;
}

// Calls that name what is not there are answered with an error, or end the session.
bool calls_are_refused(Hostility& how, Talk& talk) {
  for (uint32_t number = 1; number <= 200; ++number) {
    wire::Writer body;
    body.u32(number);
    body.u64(uint64_t{1 + how.upto(3)} << 32 | how.upto(70));
    for (int i = 0; i < 20; ++i) body.u8(0);
    if (!talk.call(remote::kAsked | any_entry(how), body.bytes()).ok()) return true;
  }
  return hangs_up(*talk.transport, kSecond / 2) || true;
}

}  // namespace

int foreign(Hostility& how) {
  int let_in = 0, all = 0;
  const Nanos end = monotonic_now() + static_cast<Nanos>(how.seconds * kSecond);
  while (monotonic_now() < end) {
    auto to = invited();
    if (!to.ok()) continue;
    auto talk = Talk::begin(*to);
    if (!talk.ok()) continue;
    wire::Hello again = hello_of(*to);
    let_in += refusal_of(*to, again) == 0;  // a second client
    again.session = talk->welcome.session;
    again.epoch = 1 + static_cast<uint32_t>(how.upto(5));
    let_in += refusal_of(*to, again) == 0;  // without its key
    again.purpose = wire::Purpose::kBulk;
    let_in += refusal_of(*to, again) == 0;
    again.purpose = wire::Purpose::kCommands;
    again.session[how.upto(15)] ^= std::byte{1};
    let_in += refusal_of(*to, again) == 0;  // of nobody
    if (!how.other.empty()) {
      Invitation theirs = *to;
      if (theirs.endpoint.carrier == wire::Carrier::kTls) {
        theirs.endpoint.name = how.other;
      } else {
        theirs.endpoint.place =
            theirs.endpoint.place.substr(0, theirs.endpoint.place.rfind('/') + 1) + how.other;
      }
      let_in += refusal_of(theirs, hello_of(*to)) == 0;
    }
    all += calls_are_refused(how, *talk);
  }
  std::printf("let in %d times of %d\n", let_in, all);
  return let_in == 0 && all != 0 ? 0 : 1;
}

namespace {

// A frame's worth of short asks, each answered with an error.
std::vector<std::byte> asks(int& number) {
  constexpr size_t kEach = wire::kRecordHeader + 16;
  std::vector<std::byte> many(wire::kMaxMessage / kEach * kEach);
  for (size_t at = 0; at < many.size(); at += kEach) {
    wire::Writer body;
    body.u32(static_cast<uint32_t>(++number));
    body.u64(1);
    wire::put_record(std::span(many).subspan(at, kEach),
                     remote::kAsked | static_cast<uint32_t>(limit::opencl::EntryId::clFlush), {},
                     body.bytes());
  }
  return many;
}

}  // namespace

// As much as its credit allows, and then it holds on to the connection.
int deaf(Hostility& how) {
  const Nanos end = monotonic_now() + static_cast<Nanos>(how.seconds * kSecond);
  std::vector<Talk> talks;
  int asked = 0;
  for (int i = 0; i < 3; ++i) {
    auto to = invited();
    if (!to.ok()) break;
    auto talk = Talk::begin(*to);
    if (!talk.ok()) break;
    uint64_t credit = talk->welcome.lane_window;
    while (credit > wire::kMaxData + 128) {
      const auto many = asks(asked);
      if (!talk->records(many).ok()) break;
      credit -= many.size() + 128;
    }
    talks.push_back(std::move(*talk));
  }
  while (monotonic_now() < end) ::usleep(100'000);
  return say("deaf sessions, asked", static_cast<int>(talks.size()), asked);
}

namespace {

// The bare stream; over the network of another address of this host's, as of another host.
base::Result<base::Fd> from_elsewhere(const Invitation& to) {
  if (to.endpoint.carrier != wire::Carrier::kTls) return to.socket();
  base::Fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in from{}, host{};
  from.sin_family = host.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  host.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  host.sin_port = htons(to.endpoint.port);
  if (::bind(made.get(), reinterpret_cast<sockaddr*>(&from), sizeof from) != 0 ||
      ::connect(made.get(), reinterpret_cast<sockaddr*>(&host), sizeof host) != 0)
    return base::fail_errno("connecting from 127.0.0.2");
  return made;
}

}  // namespace

int doorstep(Hostility& how) {
  constexpr size_t kMany = 100;
  auto to = invited();
  if (!to.ok()) return 1;
  const Nanos end = monotonic_now() + static_cast<Nanos>(how.seconds * kSecond);
  std::vector<base::Fd> held;
  int opened = 0;
  while (monotonic_now() < end) {
    auto socket = from_elsewhere(*to);
    if (!socket.ok()) {
      ::usleep(10'000);
      continue;
    }
    ++opened;
    if (how.upto(1) == 0) {  // the beginning of a record that never comes
      const char begin[] = {22, 3, 1, 2, 0, 1, 0};
      [[maybe_unused]] auto sent =
          ::send(socket->get(), begin, how.upto(sizeof begin), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    held.push_back(std::move(*socket));
    if (held.size() >= kMany) {
      held.erase(held.begin(), held.begin() + kMany / 2);
      ::usleep(20'000);
    }
  }
  return say("connections without a handshake", opened, opened);
}

int leave(Hostility&) {
  const char* where = std::getenv("FLEXAI_WORKER");
  if (where == nullptr) return 1;
  // Knocks, and does not wait for what the door says.
  const std::string path = std::string(where).substr(std::strlen("door:"));
  auto door = wire::connect_socket({wire::Carrier::kUnix, path, 0, ""}, monotonic_now() + kLetIn);
  std::printf("knocked: %d\n", door.ok());
  std::fflush(stdout);
  ::_exit(door.ok() ? 0 : 1);
}

}  // namespace flexai::test
