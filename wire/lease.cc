#include "wire/lease.h"

#include <algorithm>

#include "base/openssl.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr uint32_t kLeaseMagic = 0x4c535846;  // "FXSL"
constexpr uint16_t kLeaseVersion = 1;
constexpr size_t kSignature = 64, kMostText = 256;
constexpr uint32_t kWholeCard = 1000;

const unsigned char* raw(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Lease read_body(Reader& reader) {
  if (reader.u32("magic") != kLeaseMagic) reader.refuse("magic", "is not that of a lease");
  if (reader.u16("version") != kLeaseVersion) reader.refuse("version", "is not known here");
  Lease lease;
  lease.issuer = reader.text("issuer", kMostText);
  lease.tenant = reader.text("tenant", kMostText);
  lease.card = reader.text("card", kMostText);
  lease.session = reader.text("session", kMostText);
  lease.share = reader.u32("share");
  lease.memory = reader.u64("memory");
  lease.features = reader.u64("features");
  lease.not_before = reader.i64("not_before");
  lease.expires = reader.i64("expires");
  if (lease.share > kWholeCard) reader.refuse("share", "is more than the card");
  if (lease.not_before < 0 || lease.expires < 0) reader.refuse("expires", "is before 1970");
  return lease;
}

}  // namespace

Result<LeaseKeys> make_lease_keys() {
  base::use_openssl();
  base::KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  LeaseKeys keys;
  size_t secret = keys.private_key.size(), open = keys.public_key.size();
  if (key == nullptr ||
      EVP_PKEY_get_raw_private_key(
          key.get(), reinterpret_cast<unsigned char*>(keys.private_key.data()), &secret) != 1 ||
      EVP_PKEY_get_raw_public_key(
          key.get(), reinterpret_cast<unsigned char*>(keys.public_key.data()), &open) != 1)
    return base::openssl_error(Code::kInternal, "making a lease key");
  return keys;
}

Result<std::vector<std::byte>> sign(const Lease& lease, const PrivateKey& key) {
  Writer writer;
  writer.u32(kLeaseMagic);
  writer.u16(kLeaseVersion);
  for (const std::string* text : {&lease.issuer, &lease.tenant, &lease.card, &lease.session}) {
    if (text->size() > kMostText) return fail(Code::kInvalid, "a lease's texts have 256 bytes");
    writer.text(*text);
  }
  if (lease.share > kWholeCard) return fail(Code::kInvalid, "a share has at most 1000 thousandths");
  writer.u32(lease.share);
  writer.u64(lease.memory);
  writer.u64(lease.features);
  writer.i64(lease.not_before);
  writer.i64(lease.expires);
  base::KeyPtr secret(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(key), key.size()));
  base::DigestPtr digest(EVP_MD_CTX_new());
  unsigned char signature[kSignature];
  size_t size = sizeof signature;
  if (!writer.ok() || secret == nullptr || digest == nullptr ||
      EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, secret.get()) != 1 ||
      EVP_DigestSign(digest.get(), signature, &size, raw(writer.bytes()), writer.bytes().size()) !=
          1)
    return base::openssl_error(Code::kInternal, "signing a lease");
  writer.raw(std::as_bytes(std::span(signature)));
  return std::vector<std::byte>(writer.bytes().begin(), writer.bytes().end());
}

Result<Lease> verify(Bytes token, const PublicKey& key, int64_t now) {
  if (token.size() < kSignature) return fail(Code::kCorrupt, "a lease without a signature");
  base::use_openssl();
  Bytes body = token.first(token.size() - kSignature);
  base::KeyPtr open(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(key), key.size()));
  base::DigestPtr digest(EVP_MD_CTX_new());
  if (open == nullptr || digest == nullptr ||
      EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, open.get()) != 1)
    return base::openssl_error(Code::kInternal, "verifying a lease");
  // Before anything in it is read.
  if (EVP_DigestVerify(digest.get(), raw(token.last(kSignature)), kSignature, raw(body),
                       body.size()) != 1) {
    ERR_clear_error();
    return fail(Code::kDenied, "the lease is not signed by the issuer trusted here");
  }
  Reader reader(body);
  Lease lease = read_body(reader);
  FLEXAI_TRY(reader.finish().with_context("lease"));
  if (lease.not_before > now && lease.not_before - now > kClockSkew)
    return fail(Code::kDenied, "the lease of " + lease.tenant + " is not valid for another " +
                                   std::to_string(lease.not_before - now) +
                                   " s; check both hosts' clocks");
  if (lease.expires < now && now - lease.expires > kClockSkew)
    return fail(Code::kDenied, "the lease of " + lease.tenant + " expired " +
                                   std::to_string(now - lease.expires) + " s ago");
  return lease;
}

}  // namespace flexai::wire
