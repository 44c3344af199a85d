#include "wire/hello.h"

#include <sys/random.h>

#include <algorithm>

#include "base/hex.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr size_t kMaxSpec = 64, kMaxBuild = 64, kMaxText = 1024;

void put(const Version& version, Writer& writer) {
  writer.u16(version.major);
  writer.u16(version.minor);
  writer.blob(version.spec);
  writer.text(version.build);
}

Version get_version(Reader& reader) {
  Version version;
  version.major = reader.u16("major");
  version.minor = reader.u16("minor");
  Bytes spec = reader.blob("spec", kMaxSpec);
  version.spec.assign(spec.begin(), spec.end());
  version.build = reader.text("build", kMaxBuild);
  return version;
}

template <typename Array>
void get(Reader& reader, const char* field, Array& into) {
  Bytes bytes = reader.raw(field, into.size());
  std::copy(bytes.begin(), bytes.end(), into.begin());
}

// The terms after the version, which other fields follow in a hello.
void put_session(const Terms& terms, Writer& writer) {
  writer.u64(terms.features);
  writer.raw(terms.session);
  writer.raw(terms.key);
  writer.u32(terms.epoch);
  writer.u64(terms.received);
  writer.u32(terms.window);
  writer.u32(terms.lane_window);
}

void get_session(Reader& reader, Terms& terms) {
  terms.features = reader.u64("features");
  get(reader, "session", terms.session);
  get(reader, "key", terms.key);
  terms.epoch = reader.u32("epoch");
  terms.received = reader.u64("received");
  terms.window = reader.u32("window");
  terms.lane_window = reader.u32("lane_window");
}

// The version. False: what follows is another protocol's and unknown.
bool begin(Bytes bytes, Reader& reader, Terms& terms) {
  terms.version = get_version(reader);
  return Reader(bytes).u16("major") == kProtocolMajor;
}

std::string name_of(const Version& version) {
  return (version.build.empty() ? std::string("unnamed build") : version.build) + " (protocol " +
         std::to_string(version.major) + "." + std::to_string(version.minor) + ")";
}

std::string hex(Bytes bytes, size_t most) {
  return base::hex_of(bytes.first(std::min(most, bytes.size())));
}

template <typename Array>
Result<Array> random_array() {
  Array bytes;
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
    if (n <= 0) return base::fail_errno("getrandom");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

}  // namespace

void encode(const Hello& hello, Writer& writer) {
  put(hello.version, writer);
  writer.u8(static_cast<uint8_t>(hello.purpose));
  writer.u8(hello.stripe);
  put_session(hello, writer);
  writer.blob(hello.lease);
}

void encode(const Welcome& welcome, Writer& writer) {
  put(welcome.version, writer);
  put_session(welcome, writer);
  writer.u16(welcome.lanes);
  writer.u32(welcome.grace_ms);
  writer.blob(welcome.note);
}

void encode(const Refusal& refusal, Writer& writer) {
  writer.u16(refusal.major);
  writer.u16(refusal.minor);
  writer.u32(static_cast<uint32_t>(refusal.code));
  writer.text(std::string_view(refusal.text).substr(0, kMaxText));
}

Result<Hello> decode_hello(Bytes bytes) {
  Reader reader(bytes);
  Hello hello;
  if (!begin(bytes, reader, hello)) {
    FLEXAI_TRY(reader.status());
    return hello;
  }
  hello.purpose = static_cast<Purpose>(reader.u8("purpose"));
  if (hello.purpose != Purpose::kCommands && hello.purpose != Purpose::kBulk)
    reader.refuse("purpose", "is neither commands nor bulk");
  hello.stripe = reader.u8("stripe");
  get_session(reader, hello);
  Bytes lease = reader.blob("lease", kMaxLease);
  hello.lease.assign(lease.begin(), lease.end());
  FLEXAI_TRY(reader.finish().with_context("hello"));
  return hello;
}

Result<Welcome> decode_welcome(Bytes bytes) {
  Reader reader(bytes);
  Welcome welcome;
  if (!begin(bytes, reader, welcome)) {
    FLEXAI_TRY(reader.status());
    return welcome;
  }
  get_session(reader, welcome);
  welcome.lanes = reader.u16("lanes");
  welcome.grace_ms = reader.u32("grace_ms");
  Bytes note = reader.blob("note", kMaxLease);
  welcome.note.assign(note.begin(), note.end());
  FLEXAI_TRY(reader.finish().with_context("welcome"));
  return welcome;
}

Result<Refusal> decode_refusal(Bytes bytes) {
  Reader reader(bytes);
  Refusal refusal;
  refusal.major = reader.u16("major");
  refusal.minor = reader.u16("minor");
  refusal.code = static_cast<RefusalCode>(reader.u32("code"));
  // One line for a log or a terminal, whatever the peer wrote.
  for (char c : reader.text("text", kMaxText))
    refusal.text.push_back(static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c);
  FLEXAI_TRY(reader.finish().with_context("refusal"));
  return refusal;
}

std::string mismatch(const Version& client, const Version& host, RefusalCode& code) {
  if (client.major != host.major) {
    code = RefusalCode::kVersion;
    return "client is " + name_of(client) + ", host is " + name_of(host) +
           ": they do not understand each other; install the same release on both";
  }
  if (client.spec != host.spec) {
    code = RefusalCode::kSpec;
    return "client " + name_of(client) + " was built from Spec " + hex(client.spec, 4) + ", host " +
           name_of(host) + " from " + hex(host.spec, 4) + "; install the same release on both";
  }
  return {};
}

base::Error error_of(const Refusal& refusal) {
  switch (refusal.code) {
    case RefusalCode::kVersion:
    case RefusalCode::kSpec:
      return fail(Code::kUnsupported, refusal.text);
    case RefusalCode::kDenied:
      return fail(Code::kDenied, refusal.text);
    case RefusalCode::kFull:
      return fail(Code::kExhausted, refusal.text);
    case RefusalCode::kBroken:
      return fail(Code::kCorrupt, refusal.text);
    case RefusalCode::kUnknownSession:
    case RefusalCode::kStale:
    case RefusalCode::kEnded:
      break;
  }
  return fail(Code::kUnavailable, refusal.text);
}

Result<SessionId> random_session() { return random_array<SessionId>(); }
Result<SessionKey> random_key() { return random_array<SessionKey>(); }

bool equal_secret(const SessionKey& a, const SessionKey& b) {
  std::byte difference{};
  for (size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == std::byte{};
}

bool is_none(const SessionId& session) { return session == SessionId{}; }

std::string text_of(const SessionId& session) { return hex(session, session.size()); }

}  // namespace flexai::wire
