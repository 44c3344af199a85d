// Bulk data with a hostile client: chunks and acknowledgements of transfers that are or are not
// there, sizes, offsets and lengths of its liking, on connections that come and go.
//
// Input: rows of u8 what and what that takes, see act().
#include <cstring>

#include "test/fuzz/input.h"
#include "wire/bulk.h"
#include "wire/exchange.h"
#include "wire/fake_transport.h"

using namespace flexai::wire;
using flexai::base::kMillisecond;
using flexai::base::kSecond;
using flexai::base::monotonic_now;
using flexai::test::Input;
using flexai::test::must;

namespace {

constexpr uint32_t kWindow = 256u << 10;
constexpr size_t kGuard = 4096, kIn = kMaxChunk + 100, kOut = kMaxChunk + 5;
constexpr uint64_t kInId = 7, kOutId = 9;
constexpr int kMostRows = 32;

class Client {
 public:
  Client() {
    auto [near, far] = make_fake_pair({.capacity = 4u << 20});
    near_ = std::move(near);
    Hello hello;
    hello.window = hello.lane_window = kWindow;
    SessionOptions options;
    options.window = options.lane_window = kWindow;
    options.grace = 0;
    options.handshake = 20 * kMillisecond;
    session_ = Session::prepare(far->peer(), hello, options).value();
    must(session_->open(std::move(far), hello).ok(), "it opens");
    bulk_ = Bulk::make(*session_).value();
    memory_.assign(kIn + 2 * kGuard, std::byte{0x5a});
    from_.assign(kOut, std::byte{3});
    must(bulk_->expect(kInId, std::span(memory_).subspan(kGuard, kIn)).ok(), "it is expected");
    must(bulk_->send(kOutId, from_).ok(), "it is sent");
  }
  ~Client() {
    if (stripe_ != nullptr) stripe_->shutdown();
    near_->shutdown();
    bulk_->cancel_receive(kInId);
    bulk_->cancel_send(kOutId);
    bulk_.reset();
    for (size_t i = 0; i < kGuard; ++i)
      must(memory_[i] == std::byte{0x5a} && memory_[kGuard + kIn + i] == std::byte{0x5a},
           "nothing is written beside its place");
  }

  void act(Input& input) {
    switch (input.take<uint8_t>() % 8) {
      case 0:  // another connection
        return connect(input.take<uint8_t>(), input.take<uint8_t>());
      case 1:  // any bytes on it
        return raw(input);
      case 2:  // a chunk of that length, or what begins like one
        return chunk(input.take<uint8_t>() % 2 == 0 ? kInId : input.take<uint64_t>(), place(input),
                     length(input), input.take<uint8_t>());
      case 3:
        return acknowledge(input.take<uint8_t>() % 2 == 0 ? kOutId : input.take<uint64_t>(),
                           place(input));
      case 4:  // the sizes that it names
        return say(1, {kOutId, input.take<uint8_t>() % 2 == 0 ? kOut : input.take<uint64_t>()});
      case 5:
        return say(input.take<uint8_t>() % 4, {input.take<uint64_t>(), input.take<uint64_t>()});
      case 6:  // both chunks as they should be
        chunk(kInId, 0, kMaxChunk, 1);
        return chunk(kInId, kMaxChunk, kIn - kMaxChunk, 2);
      default: {  // what has come by now is read
        std::vector<std::byte> read(1 << 20);
        if (stripe_ != nullptr) [[maybe_unused]]
          auto got = stripe_->receive(read);
      }
    }
  }

 private:
  static uint64_t place(Input& input) {
    const auto how = input.take<uint8_t>();
    return how < 200 ? (how % 4) * uint64_t{kMaxChunk} : input.take<uint64_t>();
  }
  static uint32_t length(Input& input) {
    const auto how = input.take<uint8_t>();
    if (how < 100) return kMaxChunk;
    return how < 200 ? kIn - kMaxChunk : input.take<uint32_t>() % (2 * kMaxChunk);
  }
  void connect(uint8_t number, uint8_t epoch) {
    auto [near, far] = make_fake_pair({.capacity = 4u << 20});
    Hello hello;
    hello.purpose = Purpose::kBulk;
    hello.session = session_->id();
    hello.key = session_->key();
    hello.stripe = number;
    hello.epoch = epoch;
    if (session_->take_bulk(far, hello).ok()) stripe_ = std::move(near);
  }
  void put(Bytes bytes) {
    if (stripe_ == nullptr) connect(0, 1);
    if (stripe_ == nullptr) return;
    [[maybe_unused]] auto sent = send_all(*stripe_, bytes, monotonic_now() + 20 * kMillisecond);
  }
  void raw(Input& input) {
    std::vector<std::byte> bytes(input.take<uint8_t>());
    input.take_into(bytes.data(), bytes.size());
    put(bytes);
  }
  void chunk(uint64_t id, uint64_t offset, uint32_t size, uint8_t fill) {
    FrameHeader header;
    header.type = FrameType::kChunk;
    header.length = 16 + size;
    Writer writer;
    writer.raw(encode_header(header));
    writer.u64(id);
    writer.u64(offset);
    auto bytes = writer.space(std::min<size_t>(size, kMaxChunk));
    if (!bytes.empty()) std::memset(bytes.data(), fill, bytes.size());
    put(writer.bytes());
  }
  void acknowledge(uint64_t id, uint64_t offset) {
    FrameHeader header;
    header.type = FrameType::kChunkAck;
    header.length = 16;
    Writer writer;
    writer.raw(encode_header(header));
    writer.u64(id);
    writer.u64(offset);
    put(writer.bytes());
  }
  void say(uint32_t tag, std::initializer_list<uint64_t> words) {
    Writer body;
    for (uint64_t word : words) body.u64(word);
    FrameHeader header;
    header.type = FrameType::kData;
    header.lane = static_cast<uint16_t>(session_->lanes() - 1);
    header.length = static_cast<uint32_t>(record_bytes(body.bytes().size()));
    header.seq = ++seq_;
    Writer writer;
    writer.raw(encode_header(header));
    put_record(writer.space(header.length), tag, {}, body.bytes());
    [[maybe_unused]] auto sent =
        send_all(*near_, writer.bytes(), monotonic_now() + 20 * kMillisecond);
  }

  std::unique_ptr<Transport> near_, stripe_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Bulk> bulk_;
  std::vector<std::byte> memory_, from_;
  uint64_t seq_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  Client client;
  for (int i = 0; i < kMostRows && !input.empty(); ++i) client.act(input);
  return 0;
}
