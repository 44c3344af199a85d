#include "remote/opencl/client/pristine.h"

#include <algorithm>
#include <cstring>

namespace flexai::remote::opencl {
namespace {

constexpr size_t kLargest = 256u << 20;
constexpr size_t kPage = 4096;  // what is compared, and travels, at once

struct Piece {
  size_t offset, size;
};

std::vector<std::byte> encode(const std::vector<Piece>& pieces, wire::Bytes now) {
  wire::Writer writer;
  writer.u32(static_cast<uint32_t>(pieces.size()));
  for (const Piece& piece : pieces) {
    writer.u64(piece.offset);
    writer.u64(piece.size);
  }
  for (const Piece& piece : pieces) writer.raw(now.subspan(piece.offset, piece.size));
  return {writer.bytes().begin(), writer.bytes().end()};
}

}  // namespace

std::shared_ptr<Pristine> Pristine::make(size_t size) {
  if (size == 0 || size > kLargest) return nullptr;
  std::shared_ptr<Pristine> made(new (std::nothrow) Pristine(size));
  return made == nullptr || made->bytes_ == nullptr ? nullptr : made;
}

void Pristine::fill(const Landing& from) {
  if (from.at == nullptr || from.size() != size_) return;
  gather(from, bytes_.get());
  filled_.store(true, std::memory_order_release);
}

std::vector<std::byte> Pristine::changes(wire::Bytes now) const {
  std::vector<Piece> pieces;
  const size_t size = filled() ? std::min(now.size(), size_) : 0;
  for (size_t at = 0; at < size; at += kPage) {
    const size_t page = std::min(kPage, size - at);
    if (std::memcmp(now.data() + at, bytes_.get() + at, page) == 0) continue;
    if (!pieces.empty() && pieces.back().offset + pieces.back().size == at) {
      pieces.back().size += page;
    } else {
      pieces.push_back({at, page});
    }
  }
  return encode(pieces, now);
}

std::vector<std::byte> all_changed(wire::Bytes now) {
  return encode(now.empty() ? std::vector<Piece>{} : std::vector<Piece>{{0, now.size()}}, now);
}

}  // namespace flexai::remote::opencl
