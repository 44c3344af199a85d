#include "remote/handover.h"

#include <algorithm>

#include "remote/worker_socket.h"
#include "wire/exchange.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::Nanos;
using base::Result;
using wire::Bytes;

namespace {

constexpr uint32_t kMagic = 0x504d5846;  // "FXMP"
constexpr uint16_t kVersion = 1;
constexpr size_t kMostMessage = 160u << 10, kMostText = 512;
constexpr size_t kPiece = 1u << 20;

}  // namespace

base::Status encode(const Place& place, wire::Writer& writer) {
  wire::Writer introduction;
  FLEXAI_TRY(encode(place.introduction, introduction));
  writer.u32(kMagic);
  writer.u16(kVersion);
  writer.raw(place.ticket);
  writer.blob(introduction.bytes());
  if (!writer.ok()) return fail(Code::kExhausted, "out of memory");
  return {};
}

Result<Place> decode_place(Bytes bytes) {
  wire::Reader reader(bytes);
  Place place;
  if (reader.u32("magic") != kMagic) reader.refuse("magic", "is another one");
  if (reader.u16("version") != kVersion) reader.refuse("version", "is not known here");
  const Bytes ticket = reader.raw("ticket", place.ticket.size());
  if (ticket.size() == place.ticket.size())
    std::copy(ticket.begin(), ticket.end(), place.ticket.begin());
  const Bytes introduction = reader.blob("introduction", kMostMessage);
  FLEXAI_TRY(reader.finish().with_context("place of a session"));
  FLEXAI_TRY_ASSIGN(place.introduction, decode_introduction(introduction));
  return place;
}

base::Status send_move(int channel, MoveWord word, Bytes body, int socket) {
  std::vector<std::byte> message{static_cast<std::byte>(word)};
  message.insert(message.end(), body.begin(), body.end());
  return wire::send_with_fds(channel, message, std::span(&socket, socket >= 0 ? 1u : 0u));
}

Result<MoveMessage> receive_move(int channel, MoveWord word, Nanos deadline) {
  FLEXAI_TRY_ASSIGN(SocketMessage message, receive_message(channel, kMostMessage, deadline));
  MoveMessage got;
  got.word = static_cast<MoveWord>(message.bytes[0]);
  if (got.word != word) return fail(Code::kCorrupt, "another word about the move than is due");
  got.body.assign(message.bytes.begin() + 1, message.bytes.end());
  got.socket = std::move(message.file);
  return got;
}

base::Status send_contents(wire::Transport& to, Bytes bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), kPiece);
    FLEXAI_TRY(wire::send_all(to, bytes.first(size), base::monotonic_now() + kPartPatience));
    bytes = bytes.subspan(size);
  }
  return {};
}

base::Status receive_contents(wire::Transport& from, std::span<std::byte> into) {
  while (!into.empty()) {
    const size_t size = std::min(into.size(), kPiece);
    FLEXAI_TRY(wire::receive_all(from, into.first(size), base::monotonic_now() + kPartPatience));
    into = into.subspan(size);
  }
  return {};
}

base::Status send_part(wire::Transport& to, PartTag tag, Bytes bytes) {
  wire::Writer head;
  head.u32(static_cast<uint32_t>(tag));
  head.u64(bytes.size());
  FLEXAI_TRY(wire::send_all(to, head.bytes(), base::monotonic_now() + kPartPatience));
  return send_contents(to, bytes);
}

Result<std::vector<std::byte>> receive_part(wire::Transport& from, PartTag tag, size_t most,
                                            Nanos deadline) {
  std::byte head[12];
  FLEXAI_TRY(wire::receive_all(from, head, deadline));
  wire::Reader reader(head);
  const uint32_t got = reader.u32("tag");
  const uint64_t size = reader.u64("size");
  if (got != static_cast<uint32_t>(tag) || size > most)
    return fail(Code::kCorrupt, "a part of a session that is not due, or too long");
  // Grows with what has come, not with what was announced.
  std::vector<std::byte> bytes;
  while (bytes.size() < size) {
    const size_t at = bytes.size(), piece = std::min<size_t>(size - at, kPiece);
    bytes.resize(at + piece);
    FLEXAI_TRY(receive_contents(from, std::span(bytes).subspan(at)));
  }
  return bytes;
}

base::Status send_answer(wire::Transport& to, const base::Status& answer) {
  wire::Writer writer;
  writer.u8(answer.ok() ? 0 : 1);
  writer.u8(answer.ok() ? 0 : static_cast<uint8_t>(answer.error().code));
  writer.text(answer.ok() ? std::string() : answer.error().message.substr(0, kMostText));
  return send_part(to, PartTag::kAnswer, writer.bytes());
}

base::Status receive_answer(wire::Transport& from, Nanos deadline) {
  FLEXAI_TRY_ASSIGN(const auto bytes,
                    receive_part(from, PartTag::kAnswer, kMostText + 16, deadline));
  wire::Reader reader(bytes);
  const bool failed = reader.u8("failed") != 0;
  const uint8_t code = reader.u8("code");
  std::string text(reader.text("text", kMostText));
  if (code > static_cast<uint8_t>(Code::kInternal)) reader.refuse("code", "is no code");
  FLEXAI_TRY(reader.finish().with_context("answer of the other worker"));
  if (failed) return fail(static_cast<Code>(code), std::move(text));
  return {};
}

}  // namespace flexai::remote
