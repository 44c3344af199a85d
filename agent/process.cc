#include "agent/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#include <algorithm>

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

base::Result<std::string> read_small(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(path);
  char buffer[4096];
  ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
  if (n < 0) return fail_errno(path);
  return std::string(buffer, static_cast<size_t>(n));
}

std::string proc_path(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// One line of /proc/PID/maps: "start-end perms offset major:minor inode   path".
struct MapLine {
  uint64_t device = 0, inode = 0;
  const char* path = nullptr;
};

MapLine parse_map_line(char* line) {
  MapLine result;
  unsigned major = 0, minor = 0;
  unsigned long inode = 0;
  int used = 0;
  if (sscanf(line, "%*s %*s %*s %x:%x %lu %n", &major, &minor, &inode, &used) < 3) return result;
  result.device = makedev(major, minor);
  result.inode = inode;
  result.path = line + used;
  return result;
}

}  // namespace

base::Result<ProcessStat> read_stat(pid_t pid) {
  FLEXAI_TRY_ASSIGN(std::string text, read_small(proc_path(pid, "stat")));
  size_t close = text.rfind(')');  // the command may hold blanks and parentheses
  if (close == std::string::npos) return fail(Code::kCorrupt, "unreadable process state");
  ProcessStat stat;
  stat.pid = pid;
  int parent = 0;
  unsigned long long start = 0;
  if (sscanf(text.c_str() + close + 1,
             " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
             &stat.state, &parent, &start) != 3)
    return fail(Code::kCorrupt, "unreadable process state");
  stat.parent = parent;
  stat.start = start;
  return stat;
}

std::vector<ProcessStat> all_processes() {
  std::vector<ProcessStat> all;
  DIR* dir = ::opendir("/proc");
  if (dir == nullptr) return all;
  while (dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    auto stat = read_stat(static_cast<pid_t>(atoi(entry->d_name)));
    if (stat.ok()) all.push_back(*stat);
  }
  ::closedir(dir);
  return all;
}

uint64_t newest_pid() {
  auto text = read_small("/proc/loadavg");
  if (!text.ok()) return 0;
  size_t blank = text->rfind(' ');
  return blank == std::string::npos ? 0 : strtoull(text->c_str() + blank, nullptr, 10);
}

base::Result<Progress> read_progress(pid_t pid) {
  const std::string folder = proc_path(pid, "task");
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return fail_errno(folder);
  Progress all;
  bool counted = false;
  while (dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    auto text = read_small(folder + "/" + entry->d_name + "/schedstat");
    long long run = 0, queued = 0;
    if (!text.ok() || sscanf(text->c_str(), "%lld %lld", &run, &queued) != 2) continue;
    all.run += run;
    all.queued += queued;
    counted = true;
  }
  ::closedir(dir);
  if (!counted) return fail(Code::kUnsupported, "this kernel does not count waiting for CPUs");
  return all;
}

base::Nanos own_time(base::Nanos passed, const Progress& before, const Progress& after,
                     bool asleep) {
  // A thread that ended took its counters along.
  const base::Nanos run = std::clamp<base::Nanos>(after.run - before.run, 0, passed);
  if (!asleep) return run;
  const base::Nanos queued = std::clamp<base::Nanos>(after.queued - before.queued, 0, passed);
  return std::max(run, passed - queued);
}

double expected_cpu() {
  auto text = read_small("/proc/loadavg");
  int runnable = 0;
  if (!text.ok() || sscanf(text->c_str(), "%*f %*f %*f %d/", &runnable) != 1) return 1;
  long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  return runnable <= cpus ? 1 : static_cast<double>(cpus) / runnable;
}

base::Result<Fd> open_pidfd(pid_t pid) {
  Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!fd.valid()) return fail_errno("process " + std::to_string(pid));
  return fd;
}

bool has_ended(int pidfd) {
  pollfd p{pidfd, POLLIN, 0};
  return ::poll(&p, 1, 0) > 0;
}

base::Status kill_process(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0)
    return fail_errno("stopping a process");
  return {};
}

void MappedFiles::add(const std::string& path) {
  if (path.empty() || path[0] != '/') return;
  paths_.insert(path);
  char* real = ::realpath(path.c_str(), nullptr);
  if (real != nullptr) paths_.insert(real);
  free(real);
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0) inodes_.emplace(st.st_dev, st.st_ino);
}

base::Result<std::string> MappedFiles::first_mapped(pid_t pid) const {
  const std::string path = proc_path(pid, "maps");
  FILE* file = ::fopen(path.c_str(), "re");
  if (file == nullptr) return fail_errno(path);
  char* line = nullptr;
  size_t capacity = 0;
  std::string found;
  ssize_t n;
  while (found.empty() && (n = ::getline(&line, &capacity, file)) > 0) {
    if (strchr(line, '/') == nullptr) continue;
    if (line[n - 1] == '\n') line[n - 1] = 0;
    MapLine map = parse_map_line(line);
    if (map.path == nullptr || map.inode == 0) continue;
    if (paths_.count(map.path) != 0 || inodes_.count({map.device, map.inode}) != 0)
      found = map.path;
  }
  free(line);
  ::fclose(file);
  return found;
}

bool started_with(pid_t pid, const std::string& variable) {
  Fd fd(::open(proc_path(pid, "environ").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return false;
  std::string text(1, '\0');
  char buffer[16384];
  ssize_t n;
  while (text.size() < (4u << 20) && (n = ::read(fd.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<size_t>(n));
  text += '\0';
  return text.find('\0' + variable + '\0') != std::string::npos;
}

std::string command_of(pid_t pid) {
  auto text = read_small(proc_path(pid, "comm"));
  if (!text.ok()) return "?";
  while (!text->empty() && text->back() == '\n') text->pop_back();
  for (char& c : *text)
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > 126) c = '?';
  return *text;
}

std::string boot_id() {
  auto text = read_small("/proc/sys/kernel/random/boot_id");
  if (!text.ok()) return "";
  return text->substr(0, text->find('\n'));
}

uint64_t owner_word(pid_t pid, uint64_t start) {
  return static_cast<uint32_t>(pid) | (start & 0xffffffff) << 32;
}

base::Result<Peer> peer_of(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return fail_errno("asking who is on the other end of a socket");
  if (who.pid <= 0)
    return fail(Code::kDenied, "the caller lives in a pid namespace that the agent cannot see");
  Peer peer;
  peer.pid = who.pid;
  peer.uid = who.uid;
  int fd = -1;
  size = sizeof fd;
  // Linux 6.5 names the very process that connected; before that a pid is all there is.
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) {
    peer.pidfd = Fd(fd);
  } else {
    FLEXAI_TRY_ASSIGN(peer.pidfd, open_pidfd(who.pid));
  }
  auto stat = read_stat(who.pid);
  if (!stat.ok() || has_ended(peer.pidfd.get()))
    return fail(Code::kUnavailable, "the calling process has ended");
  peer.start = stat->start;
  return peer;
}

std::optional<Peer> living_owner(uint64_t word) {
  Peer peer;
  peer.pid = static_cast<pid_t>(word & 0x7fffffff);
  auto pidfd = open_pidfd(peer.pid);
  auto stat = read_stat(peer.pid);
  if (!pidfd.ok() || !stat.ok() || has_ended(pidfd->get())) return std::nullopt;
  if (owner_word(peer.pid, stat->start) != word) return std::nullopt;
  peer.start = stat->start;
  peer.pidfd = std::move(*pidfd);
  return peer;
}

}  // namespace flexai::agent
