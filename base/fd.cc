#include "base/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace flexai::base {

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Fd> Fd::duplicate() const {
  int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail_errno("dup");
  return Fd(copy);
}

Result<Mapping> Mapping::map(int fd, size_t size, Access access) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno("fstat");
  if (st.st_size < 0 || static_cast<size_t>(st.st_size) < size)
    return fail(Code::kCorrupt, "shared file has " + std::to_string(st.st_size) + " bytes, needs " +
                                    std::to_string(size));
  int prot = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* data = ::mmap(nullptr, size, prot, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return fail_errno("mmap");
  Mapping mapping;
  mapping.data_ = data;
  mapping.size_ = size;
  return mapping;
}

void Mapping::reset() {
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

Result<Fd> make_memfd(const std::string& name, size_t size) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return fail_errno("memfd_create " + name);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_errno("ftruncate " + name);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    return fail_errno("seal " + name);
  return fd;
}

Status seal_future_writes(int memfd) {
  if (::fcntl(memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
    return fail_errno("seal");
  return {};
}

}  // namespace flexai::base
