// What a program of a slice may send to attach.sock: one message, with or without descriptors.
// Input: descriptors to send along, the message.
#include <sys/socket.h>
#include <unistd.h>

#include "limit/attach.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

void send(int to, std::string_view message, size_t fds) {
  iovec io{const_cast<char*>(message.data()), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)] = {};
  msghdr header{};
  header.msg_iov = &io;
  header.msg_iovlen = 1;
  if (fds > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds);
    for (size_t i = 0; i < fds; ++i) memcpy(CMSG_DATA(c) + i * sizeof(int), &to, sizeof to);
  }
  ::sendmsg(to, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int lowest_free_fd() {
  int fd = ::dup(0);
  ::close(fd);
  return fd;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  test::Input input(data, size);
  const size_t fds = input.take<uint8_t>() % 65;
  const int before = lowest_free_fd();
  {
    int ends[2];
    must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    base::Fd program(ends[0]), agent(ends[1]);
    send(program.get(), input.rest(), fds);
    program.reset();
    auto request = limit::read_attach_request(agent.get());
    if (request.ok()) {
      must(request->known <= limit::kMaxAttachedSlices, "no more slots than there is room for");
      must(strnlen(request->grant, sizeof request->grant) < sizeof request->grant, "grant ends");
      must(strnlen(request->api, sizeof request->api) < sizeof request->api, "API's name ends");
    } else {
      must(!request.error().message.empty(), "a refusal says why");
    }
  }
  must(lowest_free_fd() == before, "no descriptor of a stranger stays open");
  return 0;
}
