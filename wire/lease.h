// Lease: what somebody who may grant it grants a tenant on a card, signed with Ed25519 (RFC 8032).
// Opaque to sessions: it travels in their hello. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/codec.h"

namespace flexai::wire {

struct Lease {
  std::string issuer;  // whose key verifies it
  std::string tenant;
  std::string card;     // its key
  std::string session;  // what it is for; empty: any session of the tenant
  uint32_t share = 0;   // thousandths of the card
  uint64_t memory = 0;  // bytes
  uint64_t features = 0;
  int64_t not_before = 0;  // seconds since 1970
  int64_t expires = 0;
  bool operator==(const Lease&) const = default;
};

using PublicKey = std::array<std::byte, 32>;
using PrivateKey = std::array<std::byte, 32>;

struct LeaseKeys {
  PublicKey public_key{};
  PrivateKey private_key{};
};
base::Result<LeaseKeys> make_lease_keys();

base::Result<std::vector<std::byte>> sign(const Lease& lease, const PrivateKey& key);

// How far the issuer's clock may be from ours.
inline constexpr int64_t kClockSkew = 60;

// The lease in `token` when `key` signed it and it is valid at `now` (seconds since 1970) give or
// take kClockSkew. kCorrupt: no lease; kDenied: not signed by it, expired, not valid yet.
base::Result<Lease> verify(Bytes token, const PublicKey& key, int64_t now);

}  // namespace flexai::wire
