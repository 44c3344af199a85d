// What may be sent to the keeper's socket: any number of messages, some with a descriptor.
// Input: messages, each led by a byte: 1 with a descriptor, 2 cut short (its length follows).
#include <sys/socket.h>

#include <thread>

#include "agent/keeper.h"
#include "agent/keeper_socket.h"
#include "base/temporary_folder.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

const std::string& keeper_folder() {
  static base::TemporaryFolder folder;
  static std::thread keeper([] {
    auto served = agent::serve_keeper(folder.path(), {3600 * base::kSecond, 3600 * base::kSecond});
    must(served.ok(), "the keeper serves");
  });
  static bool once = (keeper.detach(), true);
  (void)once;
  return folder.path();
}

base::Fd connect_to(const std::string& folder) {
  auto where = agent::keeper_address(folder);
  must(where.ok(), "the keeper has an address");
  base::Fd connection(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  for (int i = 0; i < 500; ++i) {
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&where->address),
                  sizeof where->address) == 0)
      return connection;
    ::usleep(10000);  // it has just been started
  }
  must(false, "the keeper answers");
  return {};
}

void send_messages(test::Input* input, int connection) {
  for (int i = 0; i < 16 && !input->empty(); ++i) {
    const auto how = input->take<uint8_t>();
    size_t size = sizeof(agent::KeeperRequest);
    if ((how & 2) != 0) size = input->take<uint8_t>();
    char message[256] = {};
    input->take_into(message, size);
    if (!agent::send_with_fd(connection, message, size, (how & 1) != 0 ? connection : -1)) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& folder = keeper_folder();
  test::Input input(data, size);
  {
    base::Fd stranger = connect_to(folder);
    send_messages(&input, stranger.get());
    ::shutdown(stranger.get(), SHUT_WR);
    agent::KeeperReply reply;
    while (::recv(stranger.get(), &reply, sizeof reply, 0) > 0) {  // until it has read all
    }
  }
  auto own = agent::Keeper::connect(folder, {});
  must(own.ok(), "the keeper is still there");
  auto names = own->list();
  must(names.ok(), "it still lists");
  for (const std::string& name : *names) {
    must(!name.empty() && name.size() <= agent::kKeeperMaxName, "names have their length");
    must(own->drop(name).ok(), "what it lists it can drop");
  }
  auto left = own->list();
  must(left.ok() && left->empty(), "nothing is left");
  return 0;
}
