#include "wire/client_hello.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "wire/socket.h"

namespace flexai::wire {

using base::Code;
using base::fail;

namespace {

constexpr size_t kRecordHeader = 5;
constexpr uint8_t kHandshake = 22, kHello = 1, kHostName = 0;
constexpr uint16_t kServerName = 0;
constexpr size_t kMostName = 255;
constexpr base::Nanos kLookAgain = 2 * base::kMillisecond;

// Big-endian, bounds-checked: past its end everything is 0 and it is no longer ok.
class Wide {
 public:
  explicit Wide(Bytes bytes) : left_(bytes) {}
  bool ok() const { return ok_; }
  bool empty() const { return left_.empty(); }
  size_t number(size_t width) {
    size_t value = 0;
    for (std::byte b : take(width)) value = value << 8 | static_cast<size_t>(b);
    return value;
  }
  Bytes take(size_t size) {
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    Bytes taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  Wide block(size_t width) { return Wide(take(number(width))); }

 private:
  Bytes left_;
  bool ok_ = true;
};

std::string first_name(Wide extension) {
  Wide list = extension.block(2);
  while (list.ok() && !list.empty()) {
    const size_t kind = list.number(1);
    const Bytes name = list.take(list.number(2));
    if (list.ok() && kind == kHostName && name.size() <= kMostName)
      return std::string(text_of(name));
  }
  return "";
}

}  // namespace

base::Result<std::optional<std::string>> server_name_in(Bytes bytes) {
  if (bytes.size() < kRecordHeader) return std::optional<std::string>();
  Wide record(bytes);
  const size_t type = record.number(1), major = record.number(1);
  record.take(1);
  const size_t length = record.number(2);
  if (type != kHandshake || major != 3 || length > kMostClientHello - kRecordHeader)
    return fail(Code::kCorrupt, "not a TLS client");
  if (bytes.size() < kRecordHeader + length) return std::optional<std::string>();
  Wide handshake(record.take(length));
  if (handshake.number(1) != kHello) return fail(Code::kCorrupt, "not a ClientHello");
  Wide hello = handshake.block(3);
  hello.take(2 + 32);  // version, random
  hello.block(1);      // session id
  hello.block(2);      // cipher suites
  hello.block(1);      // compression
  Wide extensions = hello.empty() ? Wide({}) : hello.block(2);
  while (extensions.ok() && !extensions.empty()) {
    const size_t kind = extensions.number(2);
    Wide extension = extensions.block(2);
    if (extensions.ok() && kind == kServerName) return std::optional(first_name(extension));
  }
  if (!handshake.ok() || !hello.ok() || !extensions.ok())
    return fail(Code::kCorrupt, "a broken ClientHello");
  return std::optional(std::string());
}

base::Result<std::string> peek_server_name(int socket, base::Nanos deadline) {
  std::byte bytes[kMostClientHello];
  for (bool ended = false;;) {
    const ssize_t n = ::recv(socket, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0) return fail(Code::kUnavailable, "the client closed before it said anything");
    if (n < 0 && errno != EAGAIN && errno != EINTR) return base::fail_errno("recv");
    if (n > 0) {
      FLEXAI_TRY_ASSIGN(auto name, server_name_in(Bytes(bytes, static_cast<size_t>(n))));
      if (name) return *name;
      if (ended) return fail(Code::kUnavailable, "the client closed in the middle of its hello");
    }
    if (base::monotonic_now() >= deadline) return fail(Code::kTimeout, "the client says nothing");
    if (n > 0) {  // readable all the time, but not all of it is there
      ended = peer_ends(socket, kLookAgain);
    } else {
      wait_socket(socket, POLLIN, -1, deadline);
    }
  }
}

}  // namespace flexai::wire
