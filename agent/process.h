// What /proc and pidfds say about processes. Every answer may be out of date at once; a pidfd is
// the only sure name of a process, (pid, start time) the next best. Threads: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace flexai::agent {

struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';    // 'Z' = ended, not yet collected
  uint64_t start = 0;  // clock ticks since boot; with the pid, unique while the host is up
};

base::Result<ProcessStat> read_stat(pid_t pid);
std::vector<ProcessStat> all_processes();
// The newest pid given out in our pid namespace: unchanged means no process is new. 0 = not known.
uint64_t newest_pid();

// What the threads of a process did so far, together.
struct Progress {
  base::Nanos run = 0;     // on a CPU
  base::Nanos queued = 0;  // wanted one and had none
};
// kUnsupported on a kernel that does not count it.
base::Result<Progress> read_progress(pid_t pid);
// Of `passed` time, what the process could make use of: it ran, or slept by its own choice (its
// state is now `asleep`). Waiting for a CPU or a disk does not count. The kernel counts a wait for
// a CPU when it is over, so while it lasts only what ran counts.
base::Nanos own_time(base::Nanos passed, const Progress& before, const Progress& after,
                     bool asleep);

// Threads of the host that want a CPU right now, and how many CPUs there are for them: the part of
// a CPU that one of them can expect, 0..1.
double expected_cpu();

base::Result<base::Fd> open_pidfd(pid_t pid);
bool has_ended(int pidfd);
base::Status kill_process(int pidfd, int signal);

// Which processes map one of a set of files, by path or by device and inode.
class MappedFiles {
 public:
  void add(const std::string& path);
  bool empty() const { return paths_.empty(); }
  // The first mapped file of the set, empty = none. kDenied when the process may not be looked at.
  base::Result<std::string> first_mapped(pid_t pid) const;

 private:
  std::set<std::string> paths_;
  std::set<std::pair<uint64_t, uint64_t>> inodes_;
};

// Whether the environment the process was started with holds exactly `variable` ("NAME=value").
bool started_with(pid_t pid, const std::string& variable);

std::string command_of(pid_t pid);  // the short name, cleaned of control bytes
std::string boot_id();

// A process in one word, as owners are written in the slices' pages: pid | start time << 32.
uint64_t owner_word(pid_t pid, uint64_t start);

// The other end of a connected unix socket, as the kernel knows it.
struct Peer {
  pid_t pid = 0;
  uint32_t uid = 0;
  uint64_t start = 0;
  base::Fd pidfd;
};
// kDenied for a peer in a pid namespace we cannot see, kUnavailable when it has ended already.
base::Result<Peer> peer_of(int socket);
// The process of an owner_word(), without its uid; nullopt when it has ended.
std::optional<Peer> living_owner(uint64_t word);

}  // namespace flexai::agent
