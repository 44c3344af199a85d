// What a host decodes of a client before it knows it: headers, hello, lease; and a lease of an
// issuer that it trusts and should not.
#include <cstdlib>
#include <cstring>

#include "base/openssl.h"
#include "wire/fake_transport.h"
#include "wire/frame_reader.h"
#include "wire/hello.h"
#include "wire/lease.h"

using namespace flexai::wire;

namespace {

void read_frames(Bytes bytes) {
  auto [near, far] = make_fake_pair({.capacity = 1u << 20});
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  if (!near->send({&part, 1}).ok()) std::abort();
  FrameReader reader;
  std::vector<InFrame> frames;
  for (;;) {
    auto got = reader.receive(*far, frames);
    if (!got.ok() || *got == 0) break;
  }
  for (InFrame& frame : frames) {
    if (frame.payload.size() != frame.header.length) std::abort();
    if (frame.header.type == FrameType::kHello) (void)decode_hello(frame.payload.bytes()).ok();
  }
}

// What `bytes` say, signed.
void read_signed(Bytes bytes) {
  static const LeaseKeys keys = make_lease_keys().value();
  const auto* secret = reinterpret_cast<const unsigned char*>(keys.private_key.data());
  const flexai::base::KeyPtr key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret, 32));
  const flexai::base::DigestPtr digest(EVP_MD_CTX_new());
  std::vector<std::byte> token(bytes.size() + 64);
  if (!bytes.empty()) std::memcpy(token.data(), bytes.data(), bytes.size());
  size_t size = 64;
  const auto* body = reinterpret_cast<const unsigned char*>(bytes.data());
  auto* at = reinterpret_cast<unsigned char*>(token.data() + bytes.size());
  if (EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), at, &size, body, bytes.size()) != 1)
    std::abort();
  const auto lease = verify(token, keys.public_key, 1);
  if (!lease.ok()) return;
  if (lease->share > 1000) std::abort();
  const auto again = sign(*lease, keys.private_key);
  if (!again.ok() || *again != token) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Bytes bytes{reinterpret_cast<const std::byte*>(data) + 1, size - 1};
  Writer writer;
  switch (data[0] % 4) {
    case 0: {
      auto hello = decode_hello(bytes);
      if (!hello.ok() || hello->version.major != kProtocolMajor) break;
      encode(*hello, writer);
      if (text_of(writer.bytes()) != text_of(bytes)) std::abort();
      break;
    }
    case 1:
      read_frames(bytes);
      break;
    case 3:
      read_signed(bytes);
      break;
    default:
      if (verify(bytes, PublicKey{}, 0).ok()) std::abort();
  }
  return 0;
}
