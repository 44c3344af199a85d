#include "test/bench/wire/figures.h"
#include "test/bench/wire/place.h"
#include "wire/bulk.h"
#include "wire/exchange.h"
#include "wire/lane.h"

namespace flexai::bench {

using base::kSecond;
using base::monotonic_now;
using base::Nanos;

namespace {

// Median of MB/s over whole rounds.
template <typename Round>
double rate(double seconds, double megabytes, const Round& round) {
  std::vector<double> samples;
  round();
  Nanos end = monotonic_now() + static_cast<Nanos>(seconds * 1e9);
  do {
    Nanos begin = monotonic_now();
    round();
    samples.push_back(megabytes * 1e9 / static_cast<double>(monotonic_now() - begin));
  } while (monotonic_now() < end);
  return summary(std::move(samples)).p50_us;
}

struct Client {
  explicit Client(const Place& place)
      : session(need(wire::Session::connect(wire::make_connector(place.endpoint(), place.tls()),
                                            session_options()))),
        lane(need(session->lane(1))) {}
  std::unique_ptr<wire::Session> session;
  wire::Lane* lane;
};

}  // namespace

double raw_stream(wire::Carrier carrier, double seconds) {
  Place place(carrier, Service::kSink);
  auto transport = place.dial();
  std::vector<std::byte> buffer(kStreamBytes);
  return rate(seconds, kStreamBytes / 1e6, [&] {
    std::byte answer;
    need(wire::send_all(*transport, buffer, monotonic_now() + 60 * kSecond));
    need(wire::receive_all(*transport, {&answer, 1}, monotonic_now() + 60 * kSecond));
  });
}

double lane_stream(wire::Carrier carrier, double seconds) {
  Place place(carrier, Service::kSession);
  Client client(place);
  std::vector<std::byte> buffer(64u << 10);
  return rate(seconds, kStreamBytes / 1e6, [&] {
    for (size_t sent = 0; sent < kStreamBytes; sent += buffer.size())
      need(client.lane->send(0, buffer));
    need(client.lane->send(1, {}, {}, wire::Push::kNow));
    need(client.lane->receive(0));
  });
}

double bulk_stream(wire::Carrier carrier, int stripes, double seconds) {
  Place place(carrier, Service::kSession);
  Client client(place);
  auto bulk = need(wire::Bulk::make(*client.session, stripes));
  std::vector<std::byte> buffer(kStreamBytes);
  uint64_t id = 0;
  return rate(seconds, kStreamBytes / 1e6, [&] {
    // Tag 2 has the host expect a transfer of kStreamBytes and answer when it is there.
    need(bulk->send(++id, buffer));
    need(client.lane->send(2, wire::Bytes(reinterpret_cast<std::byte*>(&id), 8), {},
                           wire::Push::kNow));
    need(client.lane->receive(0));
    need(bulk->wait_sent(id, 0));
  });
}

double lane_messages(wire::Carrier carrier, size_t bytes, double seconds) {
  Place place(carrier, Service::kSession);
  Client client(place);
  std::vector<std::byte> buffer(bytes);
  return rate(seconds, 1000 / 1e6, [&] {
    for (int i = 0; i < 1000; ++i) need(client.lane->send(0, buffer));
    need(client.lane->send(1, {}, {}, wire::Push::kNow));
    need(client.lane->receive(0));
  });
}

}  // namespace flexai::bench
