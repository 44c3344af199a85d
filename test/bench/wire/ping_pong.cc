#include <algorithm>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/bench/wire/figures.h"
#include "test/bench/wire/place.h"
#include "wire/exchange.h"
#include "wire/lane.h"
#include "wire/socket.h"

namespace flexai::bench {

using base::kSecond;
using base::monotonic_now;
using base::Nanos;

Latency summary(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  if (samples.empty()) return {};
  return {samples[samples.size() / 2], samples[samples.size() * 99 / 100],
          static_cast<long>(samples.size())};
}

namespace {

template <typename Round>
Latency measure(double seconds, const Round& round) {
  std::vector<double> samples;
  for (int i = 0; i < 200; ++i) round();
  Nanos end = monotonic_now() + static_cast<Nanos>(seconds * 1e9);
  for (Nanos now = monotonic_now(); now < end;) {
    round();
    Nanos after = monotonic_now();
    samples.push_back(static_cast<double>(after - now) / 1e3);
    now = after;
  }
  return summary(std::move(samples));
}

// Blocking send and receive on a plain socket: nothing is cheaper.
Latency socket_ping_pong(const Place& place, size_t bytes, double seconds) {
  base::Fd fd = need(wire::connect_socket(place.endpoint(), monotonic_now() + kSecond));
  ::fcntl(fd.get(), F_SETFL, 0);
  std::vector<std::byte> buffer(bytes);
  return measure(seconds, [&] {
    if (::send(fd.get(), buffer.data(), bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes))
      exit(1);
    if (::recv(fd.get(), buffer.data(), bytes, MSG_WAITALL) != static_cast<ssize_t>(bytes)) exit(1);
  });
}

}  // namespace

Latency raw_ping_pong(wire::Carrier carrier, size_t bytes, double seconds) {
  Place place(carrier, Service::kEcho);
  if (carrier == wire::Carrier::kUnix || carrier == wire::Carrier::kTcp)
    return socket_ping_pong(place, bytes, seconds);
  auto transport = place.dial();
  std::vector<std::byte> buffer(bytes);
  return measure(seconds, [&] {
    need(wire::send_all(*transport, buffer, monotonic_now() + 5 * kSecond));
    need(wire::receive_all(*transport, buffer, monotonic_now() + 5 * kSecond));
  });
}

Latency session_ping_pong(wire::Carrier carrier, size_t bytes, double seconds) {
  Place place(carrier, Service::kSession);
  auto session = need(wire::Session::connect(wire::make_connector(place.endpoint(), place.tls()),
                                             session_options()));
  wire::Lane* lane = need(session->lane(0));
  std::vector<std::byte> buffer(bytes);
  return measure(seconds, [&] {
    need(lane->send(7, buffer, {}, wire::Push::kNow));
    need(lane->receive(0));
  });
}

}  // namespace flexai::bench
