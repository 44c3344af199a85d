#include "remote/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Result;

namespace {

constexpr uint64_t kOfFiles =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kOfFolders =
    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr int kLeastAbi = 2;  // before it nothing can be renamed from folder to folder
constexpr int kLongest = 64;  // folders in a path
constexpr int kMost = 16384;  // places beside one of them; what is more cannot be used

base::Status allow(int rules, int parent, const char* name) {
  const Fd place(::openat(parent, name, O_PATH | O_CLOEXEC));
  struct stat about {};
  if (!place.valid() || ::fstat(place.get(), &about) != 0) return {};  // gone meanwhile
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(about.st_mode) ? kOfFiles | kOfFolders : kOfFiles;
  rule.parent_fd = place.get();
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) return {};
  // What is no place in a file system (a socket without a name, say) cannot be ruled on.
  return errno == EBADFD ? base::Status() : base::Status(fail_errno("a rule"));
}

Result<std::string> real_path(const std::string& path) {
  char text[PATH_MAX];
  if (::realpath(path.c_str(), text) == nullptr) return fail_errno(path);
  return std::string(text);
}

// All of `folder` but the one called `left_out`.
base::Status allow_others(int rules, const std::string& folder, const std::string& left_out) {
  const base::FolderPtr all(::opendir(folder.c_str()));
  if (all == nullptr) return {};  // nor can it be looked into later
  for (int places = 0; places < kMost; ++places) {
    const dirent* each = ::readdir(all.get());
    if (each == nullptr) break;
    const std::string name = each->d_name;
    if (name == "." || name == ".." || name == left_out) continue;
    FLEXAI_TRY(allow(rules, ::dirfd(all.get()), each->d_name));
  }
  return {};
}

}  // namespace

Result<Apart> Apart::make(const std::string& hidden, const std::string& kept) {
  if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) <
      kLeastAbi)
    return fail(Code::kUnsupported, "this kernel has no Landlock");
  FLEXAI_TRY_ASSIGN(const std::string path, real_path(hidden));
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = kOfFiles | kOfFolders;
  Fd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!rules.valid()) return fail_errno("rules");
  ::fcntl(rules.get(), F_SETFD, FD_CLOEXEC);
  int folders = 0;
  for (size_t at = 0; at != std::string::npos;) {
    if (++folders > kLongest) return fail(Code::kInvalid, path + " is too deep");
    const size_t next = path.find('/', at + 1);
    const std::string name = path.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    FLEXAI_TRY(allow_others(rules.get(), at == 0 ? "/" : path.substr(0, at), name));
    at = next;
  }
  FLEXAI_TRY_ASSIGN(const std::string own, real_path(kept));
  FLEXAI_TRY(allow(rules.get(), AT_FDCWD, own.c_str()));
  return Apart(std::move(rules));
}

base::Status Apart::enforce() const {
  if (::syscall(SYS_landlock_restrict_self, rules_.get(), 0) != 0) return fail_errno("rules");
  return {};
}

}  // namespace flexai::remote
