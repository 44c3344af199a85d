#include "remote/link_letters.h"

#include <algorithm>

namespace flexai::remote {

using base::Code;
using base::fail;
using wire::Bytes;

namespace {

constexpr uint32_t kRequest = 0x514c5846, kOrder = 0x4f4c5846, kMove = 0x4d4c5846;  // "FXLQ" ...
constexpr uint16_t kVersion = 1;
constexpr size_t kMostName = 300;

void begin(wire::Reader& reader, uint32_t magic) {
  if (reader.u32("magic") != magic) reader.refuse("magic", "is another one");
  if (reader.u16("version") != kVersion) reader.refuse("version", "is not known here");
}

template <size_t Size>
void read(wire::Reader& reader, const char* field, std::array<std::byte, Size>& into) {
  const Bytes bytes = reader.raw(field, Size);
  if (bytes.size() == Size) std::copy(bytes.begin(), bytes.end(), into.begin());
}

base::Status whole(const wire::Writer& writer) {
  if (!writer.ok()) return fail(Code::kExhausted, "out of memory");
  return {};
}

}  // namespace

base::Status encode(const LinkRequest& request, wire::Writer& writer) {
  writer.u32(kRequest);
  writer.u16(kVersion);
  writer.text(request.session);
  writer.text(request.endpoint);
  writer.raw(request.key);
  return whole(writer);
}

base::Result<LinkRequest> decode_link_request(Bytes bytes) {
  wire::Reader reader(bytes);
  LinkRequest request;
  begin(reader, kRequest);
  request.session = reader.text("session", kMostName);
  request.endpoint = reader.text("endpoint", kMostName);
  read(reader, "key", request.key);
  FLEXAI_TRY(reader.finish().with_context("request for a link"));
  return request;
}

base::Status encode(const LinkOrder& order, wire::Writer& writer) {
  writer.u32(kOrder);
  writer.u16(kVersion);
  writer.text(order.name);
  writer.raw(order.key);
  return whole(writer);
}

base::Result<LinkOrder> decode_link_order(Bytes bytes) {
  wire::Reader reader(bytes);
  LinkOrder order;
  begin(reader, kOrder);
  order.name = reader.text("name", kMostName);
  read(reader, "key", order.key);
  FLEXAI_TRY(reader.finish().with_context("order to make a link"));
  return order;
}

std::array<std::byte, kMoveHead> encode(const MoveHead& head) {
  wire::Writer writer;
  writer.u32(kMove);
  writer.raw(head.ticket);
  writer.u64(head.size);
  std::array<std::byte, kMoveHead> bytes{};
  std::copy_n(writer.bytes().begin(), std::min(writer.bytes().size(), kMoveHead), bytes.begin());
  return bytes;
}

base::Result<MoveHead> decode_move_head(Bytes bytes) {
  wire::Reader reader(bytes);
  MoveHead head;
  if (reader.u32("magic") != kMove) reader.refuse("magic", "is another one");
  read(reader, "ticket", head.ticket);
  head.size = reader.u64("size");
  if (head.size == 0 || head.size > kMostMove) reader.refuse("size", "is none of a move");
  FLEXAI_TRY(reader.finish().with_context("head of a move"));
  return head;
}

}  // namespace flexai::remote
