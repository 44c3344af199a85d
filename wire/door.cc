#include "wire/door.h"

#include "base/log.h"
#include "wire/socket.h"

namespace flexai::wire {

using base::Fd;
using base::kSecond;
using base::monotonic_now;
using base::Result;

namespace {
constexpr int kMostHandshakes = 64, kMostOfAnAddress = 32;
}

Result<std::unique_ptr<Door>> Door::open(const Endpoint& endpoint, std::shared_ptr<TlsContext> tls,
                                         Host& host) {
  FLEXAI_TRY_ASSIGN(Fd listener, listen_socket(endpoint));
  Endpoint bound = endpoint;
  if (endpoint.carrier == Carrier::kTcp || endpoint.carrier == Carrier::kTls) {
    FLEXAI_TRY_ASSIGN(bound.port, local_port(listener.get()));
  }
  return make(std::move(listener), std::move(bound), std::move(tls), host);
}

Result<std::unique_ptr<Door>> Door::on(Fd listener, const Endpoint& endpoint, Host& host) {
  return make(std::move(listener), endpoint, nullptr, host);
}

Result<std::unique_ptr<Door>> Door::make(Fd listener, Endpoint endpoint,
                                         std::shared_ptr<TlsContext> tls, Host& host) {
  std::unique_ptr<Door> door(new Door(std::move(endpoint), std::move(tls), host));
  FLEXAI_TRY_ASSIGN(
      door->acceptor_,
      Acceptor::open(
          std::move(listener), {kMostHandshakes, kMostOfAnAddress, nullptr},
          [raw = door.get()](Fd socket, Acceptor::Greeting&) { raw->serve(std::move(socket)); }));
  return door;
}

Door::Door(Endpoint endpoint, std::shared_ptr<TlsContext> tls, Host& host)
    : endpoint_(std::move(endpoint)), tls_(std::move(tls)), host_(host) {}

void Door::serve(Fd socket) {
  auto transport =
      greet_carrier(std::move(socket), endpoint_.carrier, tls_, monotonic_now() + 5 * kSecond);
  base::Status served =
      transport.ok() ? host_.serve(std::move(transport).value()) : base::Status(transport.error());
  if (!served.ok())
    base::log(base::Level::kInfo, "wire", "connection refused",
              {{"endpoint", text_of(endpoint_)}, {"why", served.error().message}});
}

}  // namespace flexai::wire
