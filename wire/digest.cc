#include "wire/digest.h"

#include "base/openssl.h"

namespace flexai::wire {

base::Result<Digest> digest_of(Bytes bytes) {
  base::use_openssl();
  Digest digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_sha256(), nullptr) != 1 ||
      size != digest.size())
    return base::openssl_error(base::Code::kInternal, "digest");
  return digest;
}

}  // namespace flexai::wire
