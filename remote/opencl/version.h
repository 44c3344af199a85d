// What both ends of a session say of themselves: they must be built from the same Spec.
// Pure; any thread.
#pragma once

#include "remote/opencl/kind.h"
#include "wire/hello.h"

namespace flexai::remote::opencl {

inline wire::Version wire_version() {
  wire::Version version;
  const auto digest = std::as_bytes(std::span(kSpecDigest));
  version.spec.assign(digest.begin(), digest.end());
  version.build = "0.1.0";
  return version;
}

}  // namespace flexai::remote::opencl
