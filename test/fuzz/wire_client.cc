// What a client decodes of a host: welcome, refusal, credits, records of a frame.
#include <cstdlib>

#include "wire/hello.h"
#include "wire/inbox.h"
#include "wire/notes.h"

using namespace flexai::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Bytes bytes{reinterpret_cast<const std::byte*>(data) + 1, size - 1};
  Writer writer;
  switch (data[0] % 4) {
    case 0: {
      auto welcome = decode_welcome(bytes);
      if (!welcome.ok() || welcome->version.major != kProtocolMajor) break;
      encode(*welcome, writer);
      if (text_of(writer.bytes()) != text_of(bytes)) std::abort();
      break;
    }
    case 1: {
      auto refusal = decode_refusal(bytes);
      if (refusal.ok() && refusal->text.find('\n') != std::string::npos) std::abort();
      break;
    }
    case 2: {
      auto credits = decode_credits(bytes);
      if (!credits.ok()) break;
      encode(*credits, writer);
      if (text_of(writer.bytes()) != text_of(bytes)) std::abort();
      break;
    }
    default:
      for (size_t at = 0; at < bytes.size();) {
        auto message = next_record(bytes, at);
        if (!message.ok()) break;
        if (at > bytes.size() || message->body.size() > bytes.size()) std::abort();
      }
  }
  return 0;
}
