// What a connection says before anything else: Hello of the client, Welcome or Refusal of the host.
// A mismatch of protocol or Spec fails here, before the first call, with a text that names both.
// The first two fields of each keep their place in every version of the protocol.
// Values and pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/codec.h"

namespace flexai::wire {

inline constexpr uint16_t kProtocolMajor = 1;  // other numbers do not talk to each other
inline constexpr uint16_t kProtocolMinor = 0;
inline constexpr size_t kMaxLease = 8192;

using SessionId = std::array<std::byte, 16>;   // all zero: none
using SessionKey = std::array<std::byte, 32>;  // who knows it may take the session up again

enum class Purpose : uint8_t { kCommands = 1, kBulk = 2 };

// What a build is.
struct Version {
  uint16_t major = kProtocolMajor;
  uint16_t minor = kProtocolMinor;
  std::vector<std::byte> spec;  // hash of the Spec it was built with, opaque, up to 64 bytes
  std::string build;            // text for people: "0.1.0"
};

// What both sides say of themselves and of the session.
struct Terms {
  Version version;
  uint64_t features = 0;
  SessionId session{};  // zero asks for a new session
  SessionKey key{};
  uint32_t epoch = 0;        // of this connection; a later one of a session ends the earlier
  uint64_t received = 0;     // sequences of the other side's that arrived
  uint32_t window = 0;       // bytes the sender of this may have unacknowledged
  uint32_t lane_window = 0;  // unread bytes that it keeps for each lane
};

struct Hello : Terms {
  Purpose purpose = Purpose::kCommands;
  uint8_t stripe = 0;            // which bulk connection
  std::vector<std::byte> lease;  // opaque here, up to kMaxLease
};

struct Welcome : Terms {
  uint16_t lanes = 0;           // lanes 0 to lanes-1 exist
  uint32_t grace_ms = 0;        // a cut session is kept so long
  std::vector<std::byte> note;  // opaque here, up to kMaxLease
};

enum class RefusalCode : uint32_t {
  kVersion = 1,         // another protocol
  kSpec = 2,            // same protocol, built from another Spec
  kDenied = 3,          // lease or certificate
  kFull = 4,            // no room; another host may have some
  kUnknownSession = 5,  // it has ended: known death
  kStale = 6,           // a later connection of the session was there before
  kBroken = 7,          // the peer broke the protocol
  kEnded = 8,           // the session's work cannot go on: worker died, lease revoked
};

struct Refusal {
  uint16_t major = kProtocolMajor;
  uint16_t minor = kProtocolMinor;
  RefusalCode code{};
  std::string text;  // one line
};

void encode(const Hello& hello, Writer& writer);
void encode(const Welcome& welcome, Writer& writer);
void encode(const Refusal& refusal, Writer& writer);

// A hello or welcome of another major number decodes to its version alone.
base::Result<Hello> decode_hello(Bytes bytes);
base::Result<Welcome> decode_welcome(Bytes bytes);
base::Result<Refusal> decode_refusal(Bytes bytes);

// Empty when the two can talk to each other; otherwise why not, naming both. `code` tells which.
std::string mismatch(const Version& client, const Version& host, RefusalCode& code);

// As the program that asked is told.
base::Error error_of(const Refusal& refusal);

// From the system's random source. kInternal when that fails.
base::Result<SessionId> random_session();
base::Result<SessionKey> random_key();
bool equal_secret(const SessionKey& a, const SessionKey& b);  // in constant time
bool is_none(const SessionId& session);
std::string text_of(const SessionId& session);  // 32 hexadecimal digits

}  // namespace flexai::wire
