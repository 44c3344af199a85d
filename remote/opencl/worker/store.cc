#include "remote/opencl/worker/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

base::Status reserve(int file, size_t bytes) {
  struct stat about {};
  if (::fstat(file, &about) != 0) return base::fail_errno("the file for what leaves the card");
  if (!S_ISREG(about.st_mode))
    return fail(Code::kInvalid, "what leaves the card can only go to a regular file");
  if (::ftruncate(file, 0) != 0) return base::fail_errno("emptying the file for the card's bytes");
  errno = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (errno == 0) return {};
  const std::string text = "no room for " + std::to_string(bytes) + " bytes that leave the card";
  const bool full = errno == ENOSPC || errno == EFBIG || errno == ENOMEM || errno == EDQUOT;
  return full ? fail(Code::kExhausted, text + "; free space there") : base::fail_errno(text);
}

}  // namespace

base::Result<Store> Store::make(base::Fd file, size_t bytes) {
  bytes = bytes == 0 ? 1 : bytes;
  if (file.valid()) {
    FLEXAI_TRY(reserve(file.get(), bytes));
  } else {
    FLEXAI_TRY_ASSIGN(file, base::make_memfd("flexai-swapped", bytes));
  }
  FLEXAI_TRY_ASSIGN(auto map,
                    base::Mapping::map(file.get(), bytes, base::Mapping::Access::kReadWrite));
  return Store(std::move(file), std::move(map));
}

}  // namespace flexai::remote::opencl
