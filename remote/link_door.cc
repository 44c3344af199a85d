#include "remote/link_door.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/code_named.h"
#include "remote/knock.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::Fd;

namespace {

constexpr std::string_view kPrefix = "door:", kError = "error ", kGood = "linked\n";

// All until the other end sends no more.
base::Result<std::string> read_all(int fd, size_t most, base::Nanos deadline) {
  std::string text;
  char bytes[1024];
  for (;;) {
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0) return text;
    if (got > 0) {
      text.append(bytes, static_cast<size_t>(got));
      if (text.size() > most) return fail(Code::kCorrupt, "longer than it may be");
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return base::fail_errno("recv");
    if (base::monotonic_now() >= deadline) return fail(Code::kTimeout, "no word in time");
    wire::wait_socket(fd, POLLIN, -1, deadline);
  }
}

}  // namespace

base::Status ask_link(const std::string& door, const LinkRequest& request, base::Nanos deadline) {
  if (!is_door(door)) return fail(Code::kNotFound, door + " is no door");
  const std::string path = door.substr(kPrefix.size()) + kLinkDoor;
  if (::access(path.c_str(), F_OK) != 0) return fail(Code::kNotFound, path + " is not there");
  FLEXAI_TRY_ASSIGN(const Fd socket,
                    wire::connect_socket({wire::Carrier::kUnix, path, 0, ""}, deadline));
  wire::Writer writer;
  FLEXAI_TRY(encode(request, writer));
  const wire::Bytes bytes = writer.bytes();
  if (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(bytes.size()) ||
      ::shutdown(socket.get(), SHUT_WR) != 0)
    return base::fail_errno(path);
  FLEXAI_TRY_ASSIGN(const std::string answer, read_all(socket.get(), 1024, deadline));
  if (answer == kGood) return {};
  if (!answer.starts_with(kError)) return fail(Code::kUnavailable, path + " said nothing");
  const std::string text = answer.substr(kError.size(), answer.find('\n') - kError.size());
  const size_t space = std::min(text.find(' '), text.size());
  return fail(base::code_named(text.substr(0, space)),
              text.substr(std::min(space + 1, text.size())));
}

base::Result<LinkRequest> read_link_request(int connection, base::Nanos deadline) {
  FLEXAI_TRY_ASSIGN(const std::string text, read_all(connection, kMostLinkRequest, deadline));
  return decode_link_request(wire::bytes_of(text));
}

void answer_link(int connection, const base::Status& answer) {
  std::string text(kGood);
  if (!answer.ok())
    text = std::string(kError) + base::code_name(answer.error().code) + " " +
           answer.error().message.substr(0, 900) + "\n";
  // Who does not wait for it any more takes bytes over the program.
  [[maybe_unused]] const ssize_t sent =
      ::send(connection, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace flexai::remote
