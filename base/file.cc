#include "base/file.h"

#include <errno.h>
#include <unistd.h>

namespace flexai::base {

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(what);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace flexai::base
