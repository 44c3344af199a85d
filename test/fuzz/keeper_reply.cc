// What may answer on the keeper's socket. Input: which call (put, get, list, drop), then answers,
// each led by a byte: 1 with a descriptor, 2 cut short (its length follows).
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "agent/keeper.h"
#include "agent/keeper_socket.h"
#include "base/temporary_folder.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

int listen_in(const std::string& folder) {
  auto where = agent::keeper_address(folder);
  must(where.ok(), "there is an address");
  int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  must(::bind(listener, reinterpret_cast<const sockaddr*>(&where->address),
              sizeof where->address) == 0 &&
           ::listen(listener, 4) == 0,
       "listens");
  return listener;
}

// Answers each request of one connection with the next part of the input, then hangs up.
void answer(int listener, test::Input input) {
  base::Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  char request[sizeof(agent::KeeperRequest)];
  while (!input.empty()) {
    if (::recv(connection.get(), request, sizeof request, 0) <= 0) return;
    const auto how = input.take<uint8_t>();
    agent::KeeperReply reply{};
    size_t size = sizeof reply;
    if ((how & 2) != 0) size = input.take<uint16_t>() % (sizeof reply + 1);
    if (size == 0) return;
    input.take_into(&reply, size);
    agent::send_with_fd(connection.get(), &reply, size, (how & 1) != 0 ? listener : -1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static base::TemporaryFolder folder;
  static int listener = listen_in(folder.path());
  test::Input input(data, size);
  const int call = input.take<uint8_t>() % 4;
  std::thread keeper(answer, listener, input);
  {
    auto own = agent::Keeper::connect(folder.path(), {});
    must(own.ok(), "connects");
    if (call == 0) [[maybe_unused]]
      auto done = own->put("name", 0);
    if (call == 1) [[maybe_unused]]
      auto got = own->get("name");
    if (call == 2) {
      auto names = own->list();
      must(!names.ok() || names->size() <= agent::kKeeperMaxHeld, "no list without an end");
    }
    if (call == 3) [[maybe_unused]]
      auto done = own->drop("name");
  }
  keeper.join();
  return 0;
}
