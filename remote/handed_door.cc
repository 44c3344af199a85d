#include "remote/handed_door.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Fd;
using base::kSecond;
using base::monotonic_now;

namespace {

constexpr int kMostMessages = 32, kMostGreetings = 64, kMostOfAnAddress = 8;

// Of a connection that somebody else accepted.
void prepare(int socket) {
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags >= 0) ::fcntl(socket, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

base::Result<std::unique_ptr<HandedDoor>> HandedDoor::make(Fd listener,
                                                           std::shared_ptr<wire::TlsContext> tls,
                                                           wire::Host& host, Calls calls) {
  std::unique_ptr<HandedDoor> door(new HandedDoor(std::move(tls), host, std::move(calls)));
  HandedDoor* raw = door.get();
  if (raw->calls_.key_named) raw->tls_->accept_keys(raw->calls_.key_named);
  FLEXAI_TRY_ASSIGN(door->acceptor_,
                    wire::Acceptor::open(std::move(listener),
                                         {kMostMessages, 0, [raw] { raw->calls_.on_tick(); }},
                                         [raw](Fd connection, wire::Acceptor::Greeting& greeting) {
                                           raw->take(std::move(connection), greeting);
                                         }));
  return door;
}

HandedDoor::HandedDoor(std::shared_ptr<wire::TlsContext> tls, wire::Host& host, Calls calls)
    : tls_(std::move(tls)), host_(host), calls_(std::move(calls)) {}

void HandedDoor::take(Fd connection, wire::Acceptor::Greeting& greeting) {
  auto message = read_worker_message(connection.get(), monotonic_now() + kSecond);
  greeting.over();
  if (!message.ok())
    return base::log(base::Level::kInfo, "worker", "message dropped",
                     {{"why", message.error().message}});
  switch (message->word) {
    case WorkerWord::kLease:
      return calls_.on_lease(std::move(message->body));
    case WorkerWord::kEnd:
      return calls_.on_end(std::string(wire::text_of(wire::Bytes(message->body))));
    case WorkerWord::kConnection:
      break;
    default:
      return;
  }
  const std::string source = wire::source_of(message->connection.get());
  if (!enter(source))
    return base::log(base::Level::kInfo, "worker", "connection closed: too many of its address");
  greet(std::move(message->connection));
  leave(source);
}

bool HandedDoor::enter(const std::string& source) {
  base::MutexLock lock(mutex_);
  if (greeted_.all() >= kMostGreetings || greeted_.of(source) >= kMostOfAnAddress) return false;
  greeted_.add(source);
  return true;
}

void HandedDoor::leave(const std::string& source) {
  base::MutexLock lock(mutex_);
  greeted_.remove(source);
}

void HandedDoor::greet(Fd socket) {
  prepare(socket.get());
  auto transport = tls_->secure(std::move(socket), "", monotonic_now() + 5 * kSecond);
  base::Status served;
  if (!transport.ok()) {
    served = transport.error();
  } else if (!(*transport)->peer().key.empty()) {
    served = calls_.on_link(std::move(*transport));
  } else {
    served = host_.serve(std::move(*transport));
  }
  if (!served.ok())
    base::log(base::Level::kInfo, "worker", "connection refused",
              {{"why", served.error().message}});
}

}  // namespace flexai::remote
