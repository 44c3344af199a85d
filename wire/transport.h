// Transport: one connected stream of bytes with a peer, whatever carries it.
// Threads: one may send, one may receive, both may wait, all at once; wake() and shutdown() from
// any thread. Nothing blocks but wait(). Errors are kUnavailable: the stream is over, for good.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace flexai::wire {

inline constexpr unsigned kReadable = 1, kWritable = 2;

// Who is at the other end, as far as the transport proves it.
struct Peer {
  std::string name;      // for people: "unix:pid 71", "tls:gpu1 10.0.0.2:7700"
  std::string identity;  // must be equal when a session is taken up again; empty: proves nothing
  std::string subject;   // the name in its certificate, when it showed one
  std::string key;       // the name of the key that it proved to share, instead of a certificate
  int pid = 0;           // on the same host; 0 unknown
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Sends what fits, in order, of `parts`; bytes taken, 0 when nothing fits now. After 0 the next
  // send must begin with the same bytes.
  virtual base::Result<size_t> send(std::span<const iovec> parts) = 0;

  // Receives what is there, at least one byte; 0 when nothing is there now.
  virtual base::Result<size_t> receive(std::span<std::byte> into) = 0;

  // Until receive() or send() (as `events` asks) may get something done, wake(), or `deadline`
  // (0 = for ever). May return early.
  virtual void wait(unsigned events, base::Nanos deadline) = 0;

  virtual void wake() = 0;      // ends a present wait for kReadable, or else the next
  virtual void shutdown() = 0;  // both directions are over; waits end
  // Nothing more is sent; what the peer still sends is let come, so that it reads all it was sent.
  virtual void finish_sending() { shutdown(); }
  virtual const Peer& peer() const = 0;

  // False where bytes may change on the way: frames bear a checksum then.
  virtual bool keeps_bytes() const { return true; }
  // True where the kernel tells at once that the peer is gone: its silence says nothing then.
  virtual bool tells_end() const { return false; }
};

}  // namespace flexai::wire
