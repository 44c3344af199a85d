// What a host decodes of a client before it knows it: headers, hello, lease.
#include <cstdlib>

#include "wire/fake_transport.h"
#include "wire/frame_reader.h"
#include "wire/hello.h"
#include "wire/lease.h"

using namespace flexai::wire;

namespace {

void read_frames(Bytes bytes) {
  auto [near, far] = make_fake_pair({.capacity = 1u << 20});
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  if (!near->send({&part, 1}).ok()) std::abort();
  FrameReader reader;
  std::vector<InFrame> frames;
  for (;;) {
    auto got = reader.receive(*far, frames);
    if (!got.ok() || *got == 0) break;
  }
  for (InFrame& frame : frames) {
    if (frame.payload.size() != frame.header.length) std::abort();
    if (frame.header.type == FrameType::kHello) (void)decode_hello(frame.payload.bytes()).ok();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Bytes bytes{reinterpret_cast<const std::byte*>(data) + 1, size - 1};
  Writer writer;
  switch (data[0] % 3) {
    case 0: {
      auto hello = decode_hello(bytes);
      if (!hello.ok() || hello->version.major != kProtocolMajor) break;
      encode(*hello, writer);
      if (text_of(writer.bytes()) != text_of(bytes)) std::abort();
      break;
    }
    case 1:
      read_frames(bytes);
      break;
    default:
      if (verify(bytes, PublicKey{}, 0).ok()) std::abort();
  }
  return 0;
}
