#include "wire/dial.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "wire/hope.h"
#include "wire/shm_layout.h"
#include "wire/shm_transport.h"
#include "wire/socket.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Nanos;
using base::Result;

namespace {

// Bulk data wants more room than commands.
constexpr uint64_t kBulkRing = 4u << 20;
constexpr Nanos kLookAgain = 2 * base::kMillisecond;
// Who is turned away at a full door knocks again, for so long in all.
constexpr Nanos kKnocking = 2500 * base::kMillisecond;
constexpr Nanos kFirstPause = 10 * base::kMillisecond, kLongestPause = 160 * base::kMillisecond;

Result<std::unique_ptr<Transport>> dial_once(const Endpoint& endpoint,
                                             const std::shared_ptr<TlsContext>& tls, Nanos deadline,
                                             uint64_t ring) {
  if (endpoint.carrier == Carrier::kTls && tls == nullptr)
    return fail(Code::kInvalid, text_of(endpoint) + " needs a certificate; see flexai pki");
  auto connected = connect_socket(endpoint, deadline);
  // Behind a shared port somebody else answers for the host: that it is away says nothing of it.
  if (!connected.ok() && connected.error().code == Code::kNotFound && !endpoint.name.empty())
    return fail(Code::kUnavailable, connected.error().message);
  FLEXAI_TRY(connected);
  base::Fd socket = std::move(connected).value();
  switch (endpoint.carrier) {
    case Carrier::kTls:
      return tls->secure(std::move(socket), endpoint.place, deadline, endpoint.name);
    case Carrier::kShared:
      return offer_shared_memory(std::move(socket), deadline, ring);
    case Carrier::kUnix:
    case Carrier::kTcp:
      break;
  }
  return make_socket_transport(std::move(socket), endpoint.carrier, kAskerSpin);
}

Result<std::unique_ptr<Transport>> dial_for(const Endpoint& endpoint,
                                            const std::shared_ptr<TlsContext>& tls, Nanos deadline,
                                            uint64_t ring) {
  const Nanos knocking = base::monotonic_now() + kKnocking;
  const Nanos end = deadline == 0 ? knocking : std::min(deadline, knocking);
  std::minstd_rand chance(static_cast<unsigned>(base::monotonic_now()));
  for (Nanos pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    auto dialed = dial_once(endpoint, tls, deadline, ring);
    if (dialed.ok() || dialed.error().code != Code::kExhausted) return dialed;
    // Not all at the same moment again.
    const Nanos wait = pause / 2 + static_cast<Nanos>(chance()) % pause;
    if (base::monotonic_now() + wait >= end)
      return fail(Code::kUnavailable, dialed.error().message + ", again and again");
    ::usleep(static_cast<unsigned>(wait / base::kMicrosecond));
  }
}

}  // namespace

Result<std::unique_ptr<Transport>> dial(const Endpoint& endpoint,
                                        const std::shared_ptr<TlsContext>& tls, Nanos deadline) {
  return dial_for(endpoint, tls, deadline, kRingBytes);
}

Connector make_connector(Endpoint endpoint, std::shared_ptr<TlsContext> tls) {
  return [endpoint = std::move(endpoint), tls = std::move(tls)](Purpose purpose, Nanos deadline) {
    return dial_for(endpoint, tls, deadline, purpose == Purpose::kBulk ? kBulkRing : kRingBytes);
  };
}

Result<std::unique_ptr<Transport>> greet_carrier(base::Fd socket, Carrier carrier,
                                                 const std::shared_ptr<TlsContext>& tls,
                                                 Nanos deadline) {
  if (carrier == Carrier::kTcp)
    return make_socket_transport(std::move(socket), carrier, Hope::kLeast);
  if (carrier == Carrier::kTls) {
    if (tls == nullptr) return fail(Code::kInvalid, "a tls: endpoint needs a certificate");
    return tls->secure(std::move(socket), "", deadline);
  }
  for (bool ended = false;;) {
    uint32_t magic = 0;
    ssize_t n = ::recv(socket.get(), &magic, sizeof magic, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0) return fail(Code::kUnavailable, "the client closed before it said anything");
    if (n == sizeof magic && magic == kShmMagic)
      return take_shared_memory(std::move(socket), deadline);
    if (n == sizeof magic)
      return make_socket_transport(std::move(socket), Carrier::kUnix, Hope::kLeast);
    if (ended) return fail(Code::kUnavailable, "the client closed in the middle of a word");
    if (base::monotonic_now() >= deadline) return fail(Code::kTimeout, "the client says nothing");
    if (n > 0) {  // readable all the time, but not all of it is there
      ended = peer_ends(socket.get(), kLookAgain);
    } else {
      wait_socket(socket.get(), POLLIN, -1, deadline);
    }
  }
}

}  // namespace flexai::wire
