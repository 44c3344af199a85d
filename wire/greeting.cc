#include "wire/greeting.h"

#include "wire/exchange.h"

namespace flexai::wire {

base::Result<Welcome> greet(Transport& transport, const Hello& hello, base::Nanos deadline,
                            bool& refused, std::vector<std::byte>* place) {
  Writer writer;
  encode(hello, writer);
  FLEXAI_TRY(send_frame(transport, FrameType::kHello, writer.bytes(), deadline));
  FLEXAI_TRY_ASSIGN(Frame frame, receive_frame(transport, kMaxMoved, deadline));
  if (frame.header.type == FrameType::kMoved && place != nullptr) {
    *place = std::move(frame.payload);
    return base::fail(base::Code::kUnavailable, "the session has been handed on");
  }
  if (frame.header.type == FrameType::kRefuse) {
    FLEXAI_TRY_ASSIGN(Refusal refusal, decode_refusal(frame.payload));
    refused = refusal.code != RefusalCode::kStale;
    return error_of(refusal);
  }
  if (frame.header.type != FrameType::kWelcome)
    return base::fail(base::Code::kCorrupt,
                      transport.peer().name + " answers a hello with something else");
  FLEXAI_TRY_ASSIGN(Welcome welcome, decode_welcome(frame.payload));
  RefusalCode code{};
  std::string why = mismatch(hello.version, welcome.version, code);
  if (!why.empty()) {
    refused = true;
    return error_of({.code = code, .text = why});
  }
  return welcome;
}

}  // namespace flexai::wire
