#include "agent/card_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/folders.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

// FNV-1a, 64 bits: a file name that fits any key; equal in every agent of the host.
std::string hash_of(const std::string& key) {
  uint64_t hash = 14695981039346656037ull;
  for (char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  char text[17];
  snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(hash));
  return text;
}

// A folder that no stranger can empty: a real one, sticky if others may write to it.
base::Result<Fd> open_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 01777) == 0) ::chmod(path.c_str(), 01777);
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.valid()) return fail_errno(path);
  struct stat st {};
  if (::fstat(folder.get(), &st) != 0) return fail_errno(path);
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0)
    return fail(Code::kDenied, path + " can be written by others and is not sticky");
  return folder;
}

base::Result<Fd> open_lock_file(int folder, const std::string& name) {
  const int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  Fd fd(::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | flags, 0666));
  if (fd.valid()) {
    ::fchmod(fd.get(), 0666);  // whoever comes next may leave a note
  } else if (errno == EEXIST) {
    // Without O_CREAT: in a sticky folder the kernel refuses to "create" over another user's file.
    fd = Fd(::openat(folder, name.c_str(), O_RDWR | flags));
    if (!fd.valid() && errno == EACCES) fd = Fd(::openat(folder, name.c_str(), O_RDONLY | flags));
  }
  if (!fd.valid()) return fail_errno("card lock " + name);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))
    return fail(Code::kDenied, "card lock " + name + " is not a plain file; remove it");
  return fd;
}

}  // namespace

base::Result<Fd> lock_card(const std::string& key, const std::string& socket,
                           const CardLockPlaces& places) {
  auto folder = open_folder(places.folder);
  auto file = folder.ok() ? open_lock_file(folder->get(), hash_of(key) + ".lock")
                          : open_lock_file(AT_FDCWD, places.fallback + hash_of(key) + ".lock");
  FLEXAI_TRY_ASSIGN(Fd fd, std::move(file));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno("locking card " + key);
    return fail(Code::kConflict, "held by another agent (" + read_lock_note(fd.get()) +
                                     "); use that one: FLEXAI_SOCKET=<its socket>, or stop it");
  }
  write_lock_note(fd.get(), socket);
  return fd;
}

}  // namespace flexai::agent
