#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/fd.h"
#include "base/file.h"
#include "wire/codec.h"
#include "wire/pki.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Result;

namespace {

constexpr off_t kMostPem = 256 << 10;

base::Status write_down(int fd, const std::string& path, const std::string& text) {
  const std::string what = "writing " + path;
  FLEXAI_TRY(base::write_all(fd, bytes_of(text), what));
  if (::fsync(fd) != 0) return fail_errno(what);
  return {};
}

}  // namespace

Result<std::string> read_pem(const std::string& path, bool secret) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno("opening " + path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return fail_errno("reading " + path);
  if (!S_ISREG(st.st_mode) || st.st_size > kMostPem)
    return fail(Code::kInvalid, path + " is no PEM file");
  if (secret && (st.st_mode & 077) != 0)
    return fail(Code::kDenied, path + " may be read by others; chmod 600 it");
  std::string text(static_cast<size_t>(st.st_size), '\0');
  ssize_t n = ::read(fd.get(), text.data(), text.size());
  if (n < 0) return fail_errno("reading " + path);
  text.resize(static_cast<size_t>(n));
  return text;
}

base::Status save_certificate(const std::string& path, const std::string& pem) {
  std::string fresh = path + ".new";
  Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return fail_errno("creating " + fresh);
  FLEXAI_TRY(write_down(fd.get(), fresh, pem));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("renaming " + fresh);
  return {};
}

base::Status save_key(const std::string& path, const std::string& pem) {
  std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno("creating " + fresh);
  auto written = write_down(fd.get(), fresh, pem);
  // link(2) fails where rename(2) would replace a key that is in use.
  if (written.ok() && ::link(fresh.c_str(), path.c_str()) != 0)
    written = errno == EEXIST ? fail(Code::kConflict, path + " exists; move it away first")
                              : fail_errno("creating " + path);
  ::unlink(fresh.c_str());
  return written;
}

Result<TlsIdentity> load_identity(const std::string& folder) {
  TlsIdentity identity;
  FLEXAI_TRY_ASSIGN(identity.certificates, read_pem(folder + "/host.crt", false));
  FLEXAI_TRY_ASSIGN(identity.key, read_pem(folder + "/host.key", true));
  FLEXAI_TRY_ASSIGN(identity.authority, read_pem(folder + "/ca.crt", false));
  if (::access((folder + "/ca.crl").c_str(), F_OK) == 0) {
    FLEXAI_TRY_ASSIGN(identity.revoked, read_pem(folder + "/ca.crl", false));
  }
  FLEXAI_TRY(check({identity.certificates, identity.key}, identity.authority)
                 .with_context(folder + "/host.crt"));
  return identity;
}

}  // namespace flexai::wire
