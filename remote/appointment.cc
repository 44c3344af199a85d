#include "remote/appointment.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/worker_socket.h"
#include "wire/hello.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using wire::Bytes;

namespace {

constexpr size_t kMostText = 256, kMostPem = 32 << 10, kMostWhole = 256 << 10;
constexpr uint32_t kMagic = 0x50415846;  // "FXAP"
constexpr uint32_t kIntroduction = 0x4e495846;
constexpr uint16_t kVersion = 1;

void write_identity(const wire::TlsIdentity& identity, wire::Writer& writer) {
  writer.text(identity.certificates);
  writer.text(identity.key);
  writer.text(identity.authority);
}

wire::TlsIdentity read_identity(wire::Reader& reader) {
  wire::TlsIdentity identity;
  identity.certificates = reader.text("certificates", kMostPem);
  identity.key = reader.text("key", kMostPem);
  identity.authority = reader.text("authority", 2 * kMostPem);
  return identity;
}

void check_head(wire::Reader& reader, uint32_t magic) {
  if (reader.u32("magic") != magic) reader.refuse("magic", "is another one");
  if (reader.u16("version") != kVersion) reader.refuse("version", "is not known here");
}

base::Status done(const wire::Writer& writer) {
  if (writer.ok()) return {};
  return fail(Code::kExhausted, "out of memory");
}

}  // namespace

base::Status encode(const Appointment& appointment, wire::Writer& writer) {
  writer.u32(kMagic);
  writer.u16(kVersion);
  writer.text(appointment.session);
  writer.text(appointment.client);
  write_identity(appointment.identity, writer);
  writer.raw(appointment.issuer);
  writer.blob(appointment.lease);
  writer.raw(appointment.ticket);
  return done(writer);
}

base::Result<Appointment> decode_appointment(Bytes bytes) {
  wire::Reader reader(bytes);
  check_head(reader, kMagic);
  Appointment made;
  made.session = reader.text("session", kMostText);
  made.client = reader.text("client", kMostText);
  made.identity = read_identity(reader);
  const Bytes issuer = reader.raw("issuer", made.issuer.size());
  if (issuer.size() == made.issuer.size()) memcpy(made.issuer.data(), issuer.data(), issuer.size());
  const Bytes lease = reader.blob("lease", wire::kMaxLease);
  made.lease.assign(lease.begin(), lease.end());
  const Bytes ticket = reader.raw("ticket", made.ticket.size());
  if (ticket.size() == made.ticket.size()) memcpy(made.ticket.data(), ticket.data(), ticket.size());
  FLEXAI_TRY(reader.finish().with_context("appointment"));
  return made;
}

base::Status encode(const Introduction& introduction, wire::Writer& writer) {
  writer.u32(kIntroduction);
  writer.u16(kVersion);
  writer.text(introduction.endpoint);
  write_identity(introduction.identity, writer);
  writer.blob(introduction.lease);
  return done(writer);
}

base::Result<Introduction> decode_introduction(Bytes bytes) {
  wire::Reader reader(bytes);
  check_head(reader, kIntroduction);
  Introduction made;
  made.endpoint = reader.text("endpoint", 512);
  made.identity = read_identity(reader);
  const Bytes lease = reader.blob("lease", wire::kMaxLease);
  made.lease.assign(lease.begin(), lease.end());
  FLEXAI_TRY(reader.finish().with_context("introduction"));
  return made;
}

base::Result<std::vector<std::byte>> read_whole(int fd) {
  std::vector<std::byte> bytes(kMostWhole);
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t n = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read");
    if (n == 0) {
      bytes.resize(have);
      return bytes;
    }
    have += static_cast<size_t>(n);
  }
  return fail(Code::kCorrupt, "more than 256 KiB");
}

base::Status tell_worker(const std::string& socket, WorkerWord word, Bytes body,
                         const Fd* connection) {
  // Never waits: a worker that does not take its messages is not there for the agent.
  FLEXAI_TRY_ASSIGN(const Fd fd, connect_worker(socket, SOCK_NONBLOCK));
  std::vector<std::byte> message{static_cast<std::byte>(word)};
  message.insert(message.end(), body.begin(), body.end());
  const int number = connection != nullptr ? connection->get() : -1;
  return wire::send_with_fds(fd.get(), message,
                             std::span(&number, connection != nullptr ? 1u : 0u));
}

base::Result<WorkerMessage> read_worker_message(int connection, base::Nanos deadline) {
  FLEXAI_TRY_ASSIGN(SocketMessage message,
                    receive_message(connection, 1 + wire::kMaxLease, deadline));
  WorkerMessage read;
  read.word = static_cast<WorkerWord>(message.bytes.front());
  read.body.assign(message.bytes.begin() + 1, message.bytes.end());
  read.connection = std::move(message.file);
  if ((read.word == WorkerWord::kConnection) != read.connection.valid())
    return fail(Code::kCorrupt, "a message without its connection, or with one too many");
  return read;
}

}  // namespace flexai::remote
