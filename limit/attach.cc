#include "limit/attach.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"

namespace flexai::limit {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

constexpr int kPatienceMs = 1000;        // for what the other side has no work with
constexpr int kAnswerPatienceMs = 5000;  // of an agent whose machine is short of something
constexpr base::Nanos kReturning = 10 * base::kSecond;
constexpr int kAskAgainMs = 50;
constexpr size_t kMaxFds = kMaxAttachedSlices * 3;

base::Status wait_for(int fd, short events, int patience_ms) {
  pollfd p{fd, events, 0};
  int rc;
  do {
    rc = ::poll(&p, 1, patience_ms);
  } while (rc < 0 && errno == EINTR);
  if (rc == 0) return fail(Code::kTimeout, "the other side of the attach socket does not answer");
  if (rc < 0) return fail_errno("poll");
  return {};
}

base::Status send_message(int connection, const void* data, size_t size,
                          const std::vector<int>& fds) {
  FLEXAI_TRY(wait_for(connection, POLLOUT, kPatienceMs));
  iovec io{const_cast<void*>(data), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
  }
  if (::sendmsg(connection, &message, MSG_NOSIGNAL) < 0)
    return fail_errno("sending on the attach socket");
  return {};
}

// Receives one message of at most `size` bytes; every descriptor that comes with it is owned at
// once.
base::Result<size_t> receive_message(int connection, void* data, size_t size, std::vector<Fd>* fds,
                                     int patience_ms) {
  FLEXAI_TRY(wait_for(connection, POLLIN, patience_ms));
  iovec io{data, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = ::recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  if (n < 0) return fail_errno("receiving on the attach socket");
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds->emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Code::kCorrupt, "attach message is too long");
  if (n == 0) return fail(Code::kUnavailable, "the agent closed the attach socket");
  return static_cast<size_t>(n);
}

template <size_t N>
bool terminated(const char (&text)[N]) {
  return memchr(text, 0, N) != nullptr;
}

struct ReplyMessage {
  AttachReply head;
  AttachedSlice slices[kMaxAttachedSlices];
};

// `*away`, an errno, when nobody is there who could answer.
base::Result<std::vector<Attached>> ask(const std::string& path, const AttachRequest& request,
                                        Fd* connection, int* away) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, "attach socket path is too long: " + path);
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    *away = errno;
    return fail_errno("connecting to " + path);
  }
  if (const auto sent = send_message(fd.get(), &request, sizeof request, {}); !sent.ok()) {
    if (sent.error().code == Code::kUnavailable) *away = ECONNRESET;
    return sent.error();
  }
  char byte;
  FLEXAI_TRY(wait_for(fd.get(), POLLIN, kAnswerPatienceMs));
  if (::recv(fd.get(), &byte, 1, MSG_PEEK) <= 0) *away = ECONNRESET;

  ReplyMessage reply{};
  std::vector<Fd> fds;
  FLEXAI_TRY_ASSIGN(size_t size,
                    receive_message(fd.get(), &reply, sizeof reply, &fds, kAnswerPatienceMs));
  if (size < sizeof reply.head || reply.head.magic != kAttachMagic ||
      !terminated(reply.head.message))
    return fail(Code::kCorrupt, "what answers at " + path + " is not a Flexai agent");
  if (reply.head.version != kAttachVersion)
    return fail(Code::kUnsupported, "the agent speaks attach version " +
                                        std::to_string(reply.head.version) + ", this program " +
                                        std::to_string(kAttachVersion) +
                                        "; install the same release of both");
  if (reply.head.status != 0) {
    uint32_t code = reply.head.status - 1;
    return fail(
        code <= static_cast<uint32_t>(Code::kInternal) ? static_cast<Code>(code) : Code::kInternal,
        reply.head.message);
  }
  uint32_t count = reply.head.count;
  if (count > kMaxAttachedSlices || size != sizeof reply.head + count * sizeof(AttachedSlice) ||
      fds.size() != count * 3)
    return fail(Code::kCorrupt, "the agent's attach answer has the wrong length");
  std::vector<Attached> result;
  for (uint32_t i = 0; i < count; ++i) {
    const AttachedSlice& about = reply.slices[i];
    if (!terminated(about.name) || !terminated(about.card_key))
      return fail(Code::kCorrupt, "the agent's attach answer has an endless name");
    result.push_back(Attached{about, std::move(fds[i * 3]), std::move(fds[i * 3 + 1]),
                              std::move(fds[i * 3 + 2])});
  }
  *connection = std::move(fd);
  return result;
}

}  // namespace

base::Result<std::vector<Attached>> attach(const std::string& path, const AttachRequest& request,
                                           Fd* connection) {
  int away = 0;
  return ask(path, request, connection, &away);
}

base::Result<std::vector<Attached>> attach_when_back(const std::string& path,
                                                     const AttachRequest& request, Fd* connection) {
  const base::Nanos until = base::monotonic_now() + kReturning;
  bool was_there = false;
  for (;;) {
    int away = 0;
    auto attached = ask(path, request, connection, &away);
    // The name of one that was killed stays, until the next one takes it.
    was_there = was_there || away == ECONNREFUSED || away == ECONNRESET;
    if (attached.ok() || away == 0 || !was_there || base::monotonic_now() >= until) return attached;
    ::poll(nullptr, 0, kAskAgainMs);
  }
}

base::Result<AttachRequest> read_attach_request(int connection) {
  AttachRequest request{};
  std::vector<Fd> unwanted;  // a hostile client may send descriptors; they are closed here
  FLEXAI_TRY_ASSIGN(size_t size,
                    receive_message(connection, &request, sizeof request, &unwanted, kPatienceMs));
  if (size < 8 || request.magic != kAttachMagic)
    return fail(Code::kCorrupt, "not an attach request");
  if (request.version != kAttachVersion)
    return fail(Code::kUnsupported, "the program speaks attach version " +
                                        std::to_string(request.version) + ", this agent " +
                                        std::to_string(kAttachVersion) + "; restart the program");
  if (size != sizeof request || !terminated(request.grant) || !terminated(request.api) ||
      request.known > kMaxAttachedSlices)
    return fail(Code::kCorrupt, "malformed attach request");
  return request;
}

base::Status send_attached(int connection, const std::vector<Attached>& slices) {
  if (slices.size() > kMaxAttachedSlices)
    return fail(Code::kExhausted, "more than 16 slices for one process");
  ReplyMessage reply{};
  reply.head =
      AttachReply{kAttachMagic, kAttachVersion, 0, static_cast<uint32_t>(slices.size()), {}};
  std::vector<int> fds;
  for (size_t i = 0; i < slices.size(); ++i) {
    reply.slices[i] = slices[i].about;
    for (const Fd* fd : {&slices[i].control, &slices[i].pages, &slices[i].doorbell})
      fds.push_back(fd->get());
  }
  return send_message(connection, &reply, sizeof reply.head + slices.size() * sizeof(AttachedSlice),
                      fds);
}

base::Status send_attach_refusal(int connection, const base::Error& why) {
  AttachReply reply{kAttachMagic, kAttachVersion, static_cast<uint32_t>(why.code) + 1, 0, {}};
  why.message.copy(reply.message, sizeof reply.message - 1);
  return send_message(connection, &reply, sizeof reply, {});
}

}  // namespace flexai::limit
