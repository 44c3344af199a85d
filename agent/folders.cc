#include "agent/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr && value[0] == '/' ? value : "";
}

std::string home() {
  std::string path = variable("HOME");
  if (!path.empty()) return path;
  passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "/tmp";
}

base::Status make_parents(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    std::string parent = path.substr(0, slash);
    struct stat st {};
    if (::stat(parent.c_str(), &st) == 0) continue;
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
      return fail_errno("making folder " + parent);
  }
  return {};
}

}  // namespace

Folders embedded_folders() {
  std::string state = variable("XDG_STATE_HOME");
  std::string runtime = variable("XDG_RUNTIME_DIR");
  Folders folders;
  folders.state = (state.empty() ? home() + "/.local/state" : state) + "/flexai";
  folders.runtime =
      runtime.empty() ? "/tmp/flexai-" + std::to_string(::getuid()) : runtime + "/flexai";
  return folders;
}

Folders service_folders() { return Folders{"/var/lib/flexai", "/run/flexai"}; }

base::Status make_own_folder(const std::string& path, unsigned mode) {
  FLEXAI_TRY(make_parents(path));
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) {
    if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) return fail_errno("chmod " + path);
    return {};
  }
  if (errno != EEXIST) return fail_errno("making folder " + path);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return fail_errno("folder " + path);
  if (!S_ISDIR(st.st_mode))
    return fail(Code::kDenied, path +
                                   " is not a folder; remove it or choose another with --runtime"
                                   " or --state");
  if (st.st_uid != ::geteuid() && st.st_uid != 0)
    return fail(Code::kDenied, path + " belongs to uid " + std::to_string(st.st_uid) +
                                   ", not to you; remove it or set XDG_RUNTIME_DIR");
  if ((st.st_mode & S_IWOTH) != 0 || ((st.st_mode & S_IWGRP) != 0 && (mode & S_IWGRP) == 0))
    return fail(Code::kDenied, path + " can be written by others; chmod it to " +
                                   (mode == 0700 ? "0700" : "0750") + " or choose another folder");
  return {};
}

std::string lock_note(const std::string& socket) {
  return "pid " + std::to_string(::getpid()) + ", uid " + std::to_string(::geteuid()) +
         ", socket " + socket + "\n";
}

std::string read_lock_note(int fd) {
  char buffer[300];
  ssize_t n = ::pread(fd, buffer, sizeof buffer, 0);
  std::string note(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  note = note.substr(0, note.find('\n'));
  for (char& c : note)
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > 126) c = '?';
  return note.empty() ? "owner unknown" : note;
}

void write_lock_note(int fd, const std::string& socket) {
  std::string note = lock_note(socket);
  if (::ftruncate(fd, 0) != 0) return;  // only a note: the lock holds without it
  [[maybe_unused]] ssize_t n = ::pwrite(fd, note.data(), note.size(), 0);
}

base::Result<Fd> lock_folder(const std::string& folder, const std::string& socket) {
  const std::string path = folder + "/agent.lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid())
    return base::Result<Fd>(fail_errno("opening " + path))
        .with_context("folder cannot be written; free space, mend its rights or choose another");
  // An agent that was killed a moment ago may still be on its way out.
  int rc = ::flock(fd.get(), LOCK_EX | LOCK_NB);
  for (int i = 0; rc != 0 && i < 20; ++i) {
    ::usleep(50000);
    rc = ::flock(fd.get(), LOCK_EX | LOCK_NB);
  }
  if (rc != 0)
    return fail(Code::kConflict, "another agent uses " + folder + " (" + read_lock_note(fd.get()) +
                                     "); stop it or choose another folder");
  write_lock_note(fd.get(), socket);
  return fd;
}

base::Result<Fd> listen_unix(const std::string& path, int type, const std::string& group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, "socket path " + path +
                                    " is longer than 107 bytes; use a shorter "
                                    "folder (--runtime)");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("replacing " + path);
  mode_t before = ::umask(0117);  // 0660 from the first moment
  int rc = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (rc != 0) return fail_errno("binding " + path);
  if (!group.empty()) {
    ::group* entry = ::getgrnam(group.c_str());
    if (entry != nullptr && ::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0)
      return fail_errno("giving " + path + " to group " + group);
  }
  if (::listen(fd.get(), 128) != 0) return fail_errno("listening on " + path);
  return fd;
}

}  // namespace flexai::agent
