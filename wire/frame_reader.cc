#include "wire/frame_reader.h"

#include <algorithm>

namespace flexai::wire {

using base::Code;
using base::fail;

namespace {
constexpr size_t kBuffer = 64u << 10;
}

FrameReader::FrameReader() : buffer_(kBuffer) {}

base::Result<size_t> FrameReader::receive(Transport& transport, std::vector<InFrame>& frames) {
  bool checked = !transport.keeps_bytes();
  // The rest of a big payload goes where it belongs, without the buffer between.
  if (in_payload_ && begin_ == end_ && frame_.payload.size() - filled_ >= kBuffer) {
    FLEXAI_TRY_ASSIGN(size_t got, transport.receive(frame_.payload.space().subspan(filled_)));
    filled_ += got;
    if (filled_ == frame_.payload.size()) FLEXAI_TRY(finish(checked, frames));
    return got;
  }
  if (begin_ == end_) begin_ = end_ = 0;
  FLEXAI_TRY_ASSIGN(size_t got, transport.receive(buffer_.space().subspan(end_)));
  end_ += got;
  FLEXAI_TRY(parse(checked, frames));
  // At most an incomplete header is left.
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return got;
}

base::Status FrameReader::parse(bool checked, std::vector<InFrame>& frames) {
  for (;;) {
    if (!in_payload_) {
      if (end_ - begin_ < kHeaderBytes) return {};
      std::span<const std::byte, kHeaderBytes> header(buffer_.data() + begin_, kHeaderBytes);
      FLEXAI_TRY_ASSIGN(frame_.header, decode_header(header, kMaxData));
      begin_ += kHeaderBytes;
      frame_.payload = Block(frame_.header.length);
      filled_ = 0;
      in_payload_ = true;
    }
    size_t size = std::min(end_ - begin_, frame_.payload.size() - filled_);
    if (size != 0) std::memcpy(frame_.payload.data() + filled_, buffer_.data() + begin_, size);
    begin_ += size;
    filled_ += size;
    if (filled_ < frame_.payload.size()) return {};
    FLEXAI_TRY(finish(checked, frames));
  }
}

base::Status FrameReader::finish(bool checked, std::vector<InFrame>& frames) {
  in_payload_ = false;
  bool has_check = (frame_.header.flags & kChecked) != 0;
  if (has_check != checked)
    return fail(Code::kCorrupt, checked ? "frame without a checksum" : "frame with a checksum");
  if (checked && frame_check(frame_.header, frame_.payload.bytes()) != frame_.header.check)
    return fail(Code::kCorrupt, "frame with a wrong checksum");
  frames.push_back(std::move(frame_));
  frame_ = {};
  return {};
}

}  // namespace flexai::wire
