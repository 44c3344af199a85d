// What a container's image must have so that our library can be loaded there: the GNU C library,
// not too old. A container runtime asks before the container's program starts, by the program
// flexai-image-check (a createContainer hook of CDI files), because a library that cannot be loaded
// is one that nobody misses: programs would find no card and not say why. What cannot be told is
// let through: images of static programs, C libraries at unusual places. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::agent::dra {

inline constexpr const char* kImageCheck = "flexai-image-check";
inline constexpr int kOldestGlibc = 28;  // 2.28; shim/glibc_old.cc

// The folder with the files of the container whose `state` a runtime tells its hooks (OCI runtime
// specification, "State"); its bundle's config.json is read. kCorrupt, kUnavailable.
base::Result<std::string> container_root(std::string_view state);

// kUnsupported: the image is not fit; one line that says why and what to do, beginning with a word
// of kube/reasons.h. Links in `root` are followed as the container would; nothing is read but
// names.
base::Status check_image(const std::string& root);

}  // namespace flexai::agent::dra
