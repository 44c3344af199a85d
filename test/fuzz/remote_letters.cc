// What agent, worker and program tell each other beside a session: appointments, introductions,
// orders and what came of them, words to a worker with their descriptors, a door's answer.
//
// Input: u8 which, then for those over sockets u8 how many descriptors, then the bytes.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "remote/appointment.h"
#include "remote/knock.h"
#include "remote/worker_order.h"
#include "test/fuzz/same_again.h"
#include "wire/hello.h"
#include "wire/socket.h"

using namespace flexai;
using base::Fd;
using base::kSecond;
using base::monotonic_now;
using test::must;
using test::same_again;
using wire::Bytes;

namespace {

constexpr size_t kMostFds = 5;

// A place with two listening sockets.
struct Place {
  std::string folder = "/tmp/flexai-fuzz-XXXXXX";
  Fd listener;  // of a door or worker that is hostile
  std::unique_ptr<remote::OrderDoor> orders;

  Place() {
    must(::mkdtemp(folder.data()) != nullptr, "there is a folder");
    orders = remote::OrderDoor::open(listen_at("/orders", SOCK_SEQPACKET), [](auto order) {
               must(order.patience >= 0, "patience is none or some");
               return base::Result<uint64_t>(uint64_t{1});
             }).value();
  }
  ~Place() {
    orders.reset();
    for (const char* name : {"/orders", "/hostile"}) ::unlink((folder + name).c_str());
    ::rmdir(folder.c_str());
  }
  sockaddr_un address_of(const char* name) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder + name).copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  Fd listen_at(const char* name, int type) const {
    ::unlink((folder + name).c_str());
    const sockaddr_un address = address_of(name);
    Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
             ::listen(fd.get(), 4) == 0,
         "it listens");
    return fd;
  }
  Fd connect_to(const char* name, int type) const {
    const sockaddr_un address = address_of(name);
    Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
         "it is there");
    return fd;
  }
};

Place& place() {
  static Place place;
  return place;
}

// The lowest number that is free: another one afterwards is a descriptor that stayed.
int next_descriptor() {
  const int fd = ::fcntl(0, F_DUPFD, 3);
  ::close(fd);
  return fd;
}

void send(int socket, size_t fds, Bytes bytes) {
  const int numbers[kMostFds] = {socket, socket, socket, socket, socket};
  // An empty message is the end of a connection.
  [[maybe_unused]] auto sent =
      wire::send_with_fds(socket, bytes, std::span(numbers, bytes.empty() ? 0 : fds));
}

void to_worker(size_t fds, Bytes bytes) {
  int ends[2];
  must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "a pair");
  const Fd agent(ends[0]), worker(ends[1]);
  send(agent.get(), fds, bytes);
  auto message = remote::read_worker_message(worker.get(), 1);
  if (!message.ok()) return;
  const bool wants = message->word == remote::WorkerWord::kConnection;
  must(message->connection.valid() == wants, "a connection comes with its word alone");
  must(message->body.size() <= wire::kMaxLease, "a message has its bounds");
}

void order(size_t fds, Bytes bytes) {
  const Fd agent = place().connect_to("/orders", SOCK_SEQPACKET);
  send(agent.get(), fds, bytes);
  ::shutdown(agent.get(), SHUT_WR);
  char answer[1024];
  const ssize_t n = ::recv(agent.get(), answer, sizeof answer, 0);
  if (n > 0)
    must(remote::decode_outcome(Bytes(reinterpret_cast<std::byte*>(answer), static_cast<size_t>(n)))
             .ok(),
         "an answer can be read");
  while (::recv(agent.get(), answer, sizeof answer, 0) > 0) {  // until it has let go
  }
}

// A worker that answers an order, or a door, with this.
void answered(bool door, size_t fds, Bytes bytes) {
  Place& here = place();
  const Fd listener = here.listen_at("/hostile", door ? SOCK_STREAM : SOCK_SEQPACKET);
  std::thread hostile([&] {
    const Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char asked[64];
    if (!door) [[maybe_unused]]
      auto n = ::recv(connection.get(), asked, sizeof asked, 0);
    if (!door || !bytes.empty()) send(connection.get(), door ? 0 : fds, bytes);
  });
  if (door) {
    auto got = remote::knock("door:" + here.folder + "/hostile", monotonic_now() + 20 * kSecond);
    must(got.ok() || !got.error().message.empty(), "a refusal says why");
  } else {
    auto moved = remote::order_worker(here.folder + "/hostile", {remote::OrderWord::kSwapIn, 0, {}},
                                      20 * kSecond);
    must(moved.ok() || moved.error().message.size() < 4096, "what it says has its bounds");
  }
  hostile.join();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || place().orders == nullptr) return 0;
  const size_t fds = data[1] % (kMostFds + 1);
  // A copy of its size, so that a byte read beyond it is found.
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(data) + 2,
                                    reinterpret_cast<const std::byte*>(data) + size);
  const Bytes bytes(copy);
  const int before = next_descriptor();
  switch (data[0] % 8) {
    case 0:
      same_again(remote::decode_appointment(bytes), bytes);
      break;
    case 1:
      same_again(remote::decode_introduction(bytes), bytes);
      break;
    case 2: {
      auto order = remote::decode_order(bytes);
      must(!order.ok() || order->patience >= 0, "patience is none or some");
      break;
    }
    case 3: {
      auto outcome = remote::decode_outcome(bytes);
      must(outcome.ok() || outcome.error().message.size() < 4096, "a reason has its bounds");
      break;
    }
    case 4:
      to_worker(fds, bytes);
      break;
    case 5:
      order(fds, bytes);
      break;
    default:
      answered(data[0] % 8 == 6, fds, bytes);
  }
  must(next_descriptor() == before, "no descriptor stays open");
  return 0;
}
