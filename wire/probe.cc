#include "wire/probe.h"

#include <algorithm>

#include "wire/codec.h"
#include "wire/exchange.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::Nanos;

namespace {

constexpr uint32_t kMagic = 0x50584246;
constexpr uint32_t kBack = 1, kTake = 2, kGive = 3;
constexpr uint64_t kMostBytes = 4ull << 30;
constexpr size_t kPing = 32, kAsk = 16, kBlock = 256 << 10, kAck = 8;

base::Status ask(Transport& transport, uint32_t what, uint64_t bytes, Nanos deadline) {
  Writer writer;
  writer.u32(kMagic);
  writer.u32(what);
  writer.u64(bytes);
  return send_all(transport, writer.bytes(), deadline);
}

base::Status send_many(Transport& transport, uint64_t bytes, Nanos deadline) {
  const std::vector<std::byte> block(kBlock);
  for (uint64_t left = bytes; left != 0;) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(left, block.size()));
    FLEXAI_TRY(send_all(transport, Bytes(block).first(size), deadline));
    left -= size;
  }
  return {};
}

base::Status take_many(Transport& transport, uint64_t bytes, Nanos deadline) {
  std::vector<std::byte> block(kBlock);
  for (uint64_t left = bytes; left != 0;) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(left, block.size()));
    FLEXAI_TRY(receive_all(transport, std::span(block).first(size), deadline));
    left -= size;
  }
  return {};
}

base::Status serve_one(Transport& transport, Nanos deadline) {
  std::byte bytes[kPing];
  FLEXAI_TRY(receive_all(transport, std::span(bytes).first(kAsk), deadline));
  Reader reader(Bytes(bytes).first(kAsk));
  const uint32_t magic = reader.u32("magic"), what = reader.u32("what");
  const uint64_t size = reader.u64("bytes");
  if (magic != kMagic || size > kMostBytes) return fail(Code::kCorrupt, "no probe");
  switch (what) {
    case kBack:
      FLEXAI_TRY(receive_all(transport, bytes, deadline));
      return send_all(transport, bytes, deadline);
    case kTake:
      FLEXAI_TRY(take_many(transport, size, deadline));
      return send_all(transport, Bytes(bytes).first(kAck), deadline);
    case kGive:
      return send_many(transport, size, deadline);
    default:
      return fail(Code::kCorrupt, "no probe");
  }
}

}  // namespace

base::Status serve_probe(Transport& transport, Nanos deadline) {
  for (;;) FLEXAI_TRY(serve_one(transport, deadline));
}

base::Result<std::vector<Nanos>> probe_round_trips(Transport& transport, int count,
                                                   Nanos deadline) {
  std::vector<Nanos> times;
  std::byte bytes[kPing] = {};
  for (int i = 0; i < count; ++i) {
    const Nanos begin = monotonic_now();
    FLEXAI_TRY(ask(transport, kBack, 0, deadline));
    FLEXAI_TRY(send_all(transport, bytes, deadline));
    FLEXAI_TRY(receive_all(transport, bytes, deadline));
    times.push_back(monotonic_now() - begin);
  }
  return times;
}

base::Result<Nanos> probe_stream(Transport& transport, bool up, uint64_t bytes, Nanos deadline) {
  const Nanos begin = monotonic_now();
  FLEXAI_TRY(ask(transport, up ? kTake : kGive, bytes, deadline));
  if (up) {
    FLEXAI_TRY(send_many(transport, bytes, deadline));
    std::byte ack[kAck];
    FLEXAI_TRY(receive_all(transport, ack, deadline));
  } else {
    FLEXAI_TRY(take_many(transport, bytes, deadline));
  }
  return monotonic_now() - begin;
}

}  // namespace flexai::wire
