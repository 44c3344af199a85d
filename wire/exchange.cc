#include "wire/exchange.h"

#include "wire/patience.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Nanos;

base::Status send_all(Transport& transport, Bytes bytes, Nanos deadline) {
  Patience patience(deadline, base::monotonic_now());
  while (!bytes.empty()) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    FLEXAI_TRY_ASSIGN(size_t sent, transport.send({&part, 1}));
    bytes = bytes.subspan(sent);
    if (sent != 0) continue;
    const Nanos now = base::monotonic_now();
    if (patience.over(now)) return fail(Code::kTimeout, transport.peer().name + " takes nothing");
    transport.wait(kWritable, patience.next(now));
  }
  return {};
}

base::Status receive_all(Transport& transport, std::span<std::byte> into, Nanos deadline) {
  Patience patience(deadline, base::monotonic_now());
  while (!into.empty()) {
    FLEXAI_TRY_ASSIGN(size_t got, transport.receive(into));
    into = into.subspan(got);
    if (got != 0) continue;
    const Nanos now = base::monotonic_now();
    if (patience.over(now)) return fail(Code::kTimeout, transport.peer().name + " does not answer");
    transport.wait(kReadable, patience.next(now));
  }
  return {};
}

base::Status send_frame(Transport& transport, FrameType type, Bytes payload, Nanos deadline) {
  FrameHeader header;
  header.type = type;
  header.length = static_cast<uint32_t>(payload.size());
  if (!transport.keeps_bytes()) {
    header.flags = kChecked;
    header.check = frame_check(header, payload);
  }
  Writer writer;
  writer.raw(encode_header(header));
  writer.raw(payload);
  if (!writer.ok()) return fail(Code::kExhausted, "out of memory");
  return send_all(transport, writer.bytes(), deadline);
}

base::Result<Frame> receive_frame(Transport& transport, uint32_t most, Nanos deadline) {
  HeaderBytes bytes;
  FLEXAI_TRY(receive_all(transport, bytes, deadline));
  Frame frame;
  FLEXAI_TRY_ASSIGN(frame.header, decode_header(bytes, most));
  frame.payload.resize(frame.header.length);
  FLEXAI_TRY(receive_all(transport, frame.payload, deadline));
  bool checked = (frame.header.flags & kChecked) != 0;
  if (checked != !transport.keeps_bytes() ||
      (checked && frame_check(frame.header, frame.payload) != frame.header.check))
    return fail(Code::kCorrupt, "frame from " + transport.peer().name + " has a wrong checksum");
  return frame;
}

}  // namespace flexai::wire
