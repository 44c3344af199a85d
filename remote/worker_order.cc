#include "remote/worker_order.h"

#include <sys/socket.h>

#include "base/log.h"
#include "remote/worker_socket.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Nanos;
using base::Result;
using wire::Bytes;

namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kMostMessage = 1024, kMostText = 512;
constexpr Nanos kGreeting = 5 * base::kSecond;  // for the order itself, once connected

base::Status send_whole(int socket, const wire::Writer& writer) {
  if (!writer.ok()) return fail(Code::kExhausted, "out of memory");
  const Bytes bytes = writer.bytes();
  if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size()))
    return fail_errno("telling the outcome of an order");
  return {};
}

}  // namespace

Result<WorkerOrder> decode_order(Bytes bytes) {
  wire::Reader reader(bytes);
  if (reader.u8("version") != kVersion) reader.refuse("version", "is not known here");
  WorkerOrder order;
  order.word = static_cast<OrderWord>(reader.u8("word"));
  order.patience = static_cast<Nanos>(reader.u32("patience")) * base::kMillisecond;
  if (order.word < OrderWord::kSwapOut || order.word > OrderWord::kLink)
    reader.refuse("word", "is no order");
  FLEXAI_TRY(reader.finish().with_context("order"));
  return order;
}

Result<uint64_t> decode_outcome(Bytes bytes) {
  wire::Reader reader(bytes);
  if (reader.u8("version") != kVersion) reader.refuse("version", "is not known here");
  const bool failed = reader.u8("failed") != 0;
  const uint8_t code = reader.u8("code");
  const uint64_t moved = reader.u64("bytes");
  std::string text(reader.text("text", kMostText));
  if (code > static_cast<uint8_t>(Code::kInternal)) reader.refuse("code", "is no code");
  FLEXAI_TRY(reader.finish().with_context("outcome of an order"));
  if (failed) return fail(static_cast<Code>(code), std::move(text));
  return moved;
}

Result<uint64_t> order_worker(const std::string& socket, const WorkerOrder& order, Nanos more) {
  FLEXAI_TRY_ASSIGN(const Fd connection, connect_worker(socket));
  wire::Writer writer;
  writer.u8(kVersion);
  writer.u8(static_cast<uint8_t>(order.word));
  writer.u32(static_cast<uint32_t>(order.patience / base::kMillisecond));
  const int file = order.file.get();
  FLEXAI_TRY(wire::send_with_fds(connection.get(), writer.bytes(),
                                 std::span(&file, order.file.valid() ? 1u : 0u)));
  FLEXAI_TRY_ASSIGN(const SocketMessage answer,
                    receive_message(connection.get(), kMostMessage,
                                    base::monotonic_now() + order.patience + more));
  return decode_outcome(answer.bytes);
}

Result<std::unique_ptr<OrderDoor>> OrderDoor::open(Fd listener, CarryOut carry_out) {
  std::unique_ptr<OrderDoor> door(new OrderDoor(std::move(carry_out)));
  // A connection counts as greeted until it is answered: one order after the other.
  FLEXAI_TRY_ASSIGN(door->acceptor_, wire::Acceptor::open(std::move(listener), {1, 0, nullptr},
                                                          [raw = door.get()](Fd connection, auto&) {
                                                            raw->serve(connection);
                                                          }));
  return door;
}

void OrderDoor::serve(const Fd& connection) {
  auto message = receive_message(connection.get(), kMostMessage, base::monotonic_now() + kGreeting);
  auto order = message.ok() ? decode_order(message->bytes) : Result<WorkerOrder>(message.error());
  if (!order.ok())
    return base::log(base::Level::kInfo, "worker", "order dropped",
                     {{"why", order.error().message}});
  order->file = std::move(message->file);
  const auto outcome = carry_out_(std::move(*order));
  wire::Writer writer;
  writer.u8(kVersion);
  writer.u8(outcome.ok() ? 0 : 1);
  writer.u8(outcome.ok() ? 0 : static_cast<uint8_t>(outcome.error().code));
  writer.u64(outcome.ok() ? *outcome : 0);
  writer.text(outcome.ok() ? std::string() : outcome.error().message.substr(0, kMostText));
  const base::Status told = send_whole(connection.get(), writer);
  if (!told.ok())
    base::log(base::Level::kInfo, "worker", "nobody hears the outcome",
              {{"why", told.error().message}});
}

}  // namespace flexai::remote
