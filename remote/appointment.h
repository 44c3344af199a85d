// Appointment: what the agent tells a worker that it starts for one session of a program on another
// host: who will come and what proves it. Keys and certificates are of this session alone. It
// travels through an inherited descriptor; afterwards the agent speaks to the worker through the
// socket on which the worker listens (SOCK_SEQPACKET), one message a connection:
//   1, with a descriptor   a connection of the client, TLS not begun
//   2, a lease             instead of the present one
//   3, a text              the session ends, and why
// The agent may be another process each time: nothing is kept open. Threads: any.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "wire/lease.h"
#include "wire/tls_context.h"

namespace flexai::remote {

// Good once, for the host that hands a session on to this worker; all zero: none does.
using Ticket = std::array<std::byte, 32>;

struct Appointment {
  std::string session;         // the session's name
  std::string client;          // the name in the certificate that the client shows
  wire::TlsIdentity identity;  // the worker's; trusts the session's own authority
  wire::PublicKey issuer{};    // signs leases
  std::vector<std::byte> lease;
  Ticket ticket{};
  bool adopts() const { return ticket != Ticket{}; }
};

// What the client of such a session needs; opaque to everybody between the agent and it.
struct Introduction {
  std::string endpoint;
  wire::TlsIdentity identity;  // empty where the endpoint needs none
  std::vector<std::byte> lease;
};

base::Status encode(const Appointment& appointment, wire::Writer& writer);
base::Result<Appointment> decode_appointment(wire::Bytes bytes);
base::Status encode(const Introduction& introduction, wire::Writer& writer);
base::Result<Introduction> decode_introduction(wire::Bytes bytes);

// All of a pipe or file, at most 256 KiB.
base::Result<std::vector<std::byte>> read_whole(int fd);

// Messages to a worker; `socket` is the path on which it listens. kNotFound: there is none.
enum class WorkerWord : uint8_t { kConnection = 1, kLease = 2, kEnd = 3 };
base::Status tell_worker(const std::string& socket, WorkerWord word, wire::Bytes body,
                         const base::Fd* connection = nullptr);

struct WorkerMessage {
  WorkerWord word{};
  std::vector<std::byte> body;
  base::Fd connection;
};
// The message on `connection`, just accepted. kCorrupt for what is none.
base::Result<WorkerMessage> read_worker_message(int connection, base::Nanos deadline);

}  // namespace flexai::remote
