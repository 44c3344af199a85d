#include "agent/dra/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

namespace flexai::agent::dra {

using base::fail_errno;
using base::Fd;

namespace {
constexpr size_t kMost = 1 << 20;
}

base::Result<std::string> read_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return fail_errno("opening " + path);
  std::string text;
  char bytes[16384];
  while (text.size() < kMost) {
    const ssize_t n = ::read(fd.get(), bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("reading " + path);
    if (n == 0) return text;
    text.append(bytes, static_cast<size_t>(n));
  }
  return base::fail(base::Code::kCorrupt, path + " is longer than 1 MiB");
}

base::Status write_file(const std::string& path, const std::string& text, unsigned mode) {
  // Hidden, so that nobody who reads the folder takes half a file.
  const size_t slash = path.rfind('/') + 1;
  const std::string fresh = path.substr(0, slash) + "." + path.substr(slash) + ".new";
  Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) return fail_errno("creating " + fresh);
  base::Status written =
      base::write_all(fd.get(), std::as_bytes(std::span(text)), "writing " + path);
  if (written.ok() && ::fsync(fd.get()) != 0) written = fail_errno("writing " + path);
  if (written.ok() && ::rename(fresh.c_str(), path.c_str()) != 0)
    written = fail_errno("renaming " + fresh);
  if (!written.ok()) ::unlink(fresh.c_str());
  return written;
}

}  // namespace flexai::agent::dra
