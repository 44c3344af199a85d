#include "remote/worker_order.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
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
constexpr Nanos kGreeting = base::kSecond;  // for the order itself, once connected

base::Status send_whole(int socket, const wire::Writer& writer) {
  if (!writer.ok()) return fail(Code::kExhausted, "out of memory");
  const Bytes bytes = writer.bytes();
  if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size()))
    return fail_errno("telling the outcome of an order");
  return {};
}

// One message and at most one descriptor.
Result<std::pair<std::vector<std::byte>, Fd>> receive(int socket, Nanos deadline) {
  wire::wait_socket(socket, POLLIN, -1, deadline);
  std::byte bytes[kMostMessage];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return fail(Code::kTimeout, "no answer");
  if (n < 0) return fail_errno("recvmsg");
  Fd file;
  if (cmsghdr* head = CMSG_FIRSTHDR(&message);
      head != nullptr && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    file = Fd(fd);
  }
  if (n == 0) return fail(Code::kUnavailable, "the worker has ended");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Code::kCorrupt, "an order that is too long, or with too much");
  return std::pair(std::vector<std::byte>(bytes, bytes + n), std::move(file));
}

Result<Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, "socket path " + path + " is longer than 107 bytes");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
  return fail(nobody ? Code::kNotFound : Code::kUnavailable,
              path + ": " + std::string(strerror(errno)));
}

}  // namespace

Result<WorkerOrder> decode_order(Bytes bytes) {
  wire::Reader reader(bytes);
  if (reader.u8("version") != kVersion) reader.refuse("version", "is not known here");
  WorkerOrder order;
  order.word = static_cast<OrderWord>(reader.u8("word"));
  order.patience = static_cast<Nanos>(reader.u32("patience")) * base::kMillisecond;
  if (order.word != OrderWord::kSwapOut && order.word != OrderWord::kSwapIn)
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
  FLEXAI_TRY_ASSIGN(const Fd connection, connect_to(socket));
  wire::Writer writer;
  writer.u8(kVersion);
  writer.u8(static_cast<uint8_t>(order.word));
  writer.u32(static_cast<uint32_t>(order.patience / base::kMillisecond));
  const int file = order.file.get();
  FLEXAI_TRY(wire::send_with_fds(connection.get(), writer.bytes(),
                                 std::span(&file, order.file.valid() ? 1u : 0u)));
  FLEXAI_TRY_ASSIGN(auto answer,
                    receive(connection.get(), base::monotonic_now() + order.patience + more));
  return decode_outcome(answer.first);
}

Result<std::unique_ptr<OrderDoor>> OrderDoor::open(Fd listener, CarryOut carry_out) {
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return fail_errno("eventfd");
  return std::unique_ptr<OrderDoor>(
      new OrderDoor(std::move(listener), std::move(stop), std::move(carry_out)));
}

OrderDoor::OrderDoor(Fd listener, Fd stop, CarryOut carry_out)
    : listener_(std::move(listener)),
      stop_(std::move(stop)),
      carry_out_(std::move(carry_out)),
      thread_([this] { run(); }) {}

OrderDoor::~OrderDoor() {
  stopping_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void OrderDoor::run() {
  while (!stopping_) {
    pollfd both[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(both, 2, -1) < 0 || both[1].revents != 0) continue;
    const Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.valid()) serve(connection);
  }
}

void OrderDoor::serve(const Fd& connection) {
  auto message = receive(connection.get(), base::monotonic_now() + kGreeting);
  auto order = message.ok() ? decode_order(message->first) : Result<WorkerOrder>(message.error());
  if (!order.ok())
    return base::log(base::Level::kInfo, "worker", "order dropped",
                     {{"why", order.error().message}});
  order->file = std::move(message->second);
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
