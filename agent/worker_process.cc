#include "agent/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/host_group.h"
#include "agent/process.h"
#include "agent/spawn.h"

extern char** environ;

namespace flexai::agent {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

namespace {

constexpr int kSession = 3, kAppointment = 4, kOrders = 5, kHome = 6, kAbove = 16;

std::string value_of(const Variable& variable) {
  const char* present = ::getenv(variable.name.c_str());
  if (variable.how != "prepend" || present == nullptr || *present == 0) return variable.value;
  return variable.value + ":" + present;
}

std::vector<std::string> environment_with(const std::vector<Variable>& more) {
  std::vector<std::string> all;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string one = *each;
    bool replaced = false;
    for (const Variable& variable : more) replaced |= one.starts_with(variable.name + "=");
    if (!replaced) all.push_back(one);
  }
  for (const Variable& variable : more) all.push_back(variable.name + "=" + value_of(variable));
  return all;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const auto& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> words_of(const WorkerStart& start) {
  std::vector<std::string> words = start.before;
  words.insert(words.end(), {start.program, "--session", std::to_string(kSession), "--grace",
                             std::to_string(start.grace)});
  if (start.appointment.valid())
    words.insert(words.end(), {"--appointment", std::to_string(kAppointment)});
  if (start.orders.valid()) words.insert(words.end(), {"--orders", std::to_string(kOrders)});
  if (start.home.valid())
    words.insert(words.end(), {"--home", kWorkerHome, "--keep", std::to_string(start.keep)});
  if (start.home.valid() && !start.hide.empty()) words.insert(words.end(), {"--hide", start.hide});
  if (!start.user.empty()) words.insert(words.end(), {"--user", start.user});
  return words;
}

// Out of the way of the numbers the child gets.
base::Result<Fd> above(const Fd& fd) {
  Fd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kAbove));
  if (!copy.valid()) return fail_errno("a descriptor");
  return copy;
}

bool write_file(const std::string& path, const std::string& text) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd.valid() &&
         ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

base::Result<StartedWorker> start_worker(WorkerStart start) {
  if (::access(start.program.c_str(), X_OK) != 0)
    return fail(Code::kUnavailable, start.program + " is missing; reinstall Flexai");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  Fd said(ends[0]), out(ends[1]);
  FLEXAI_TRY_ASSIGN(const Fd session, above(start.session));
  FLEXAI_TRY_ASSIGN(const Fd output, above(out));
  SpawnAttributes a;
  posix_spawn_file_actions_adddup2(&a.actions, output.get(), 1);
  posix_spawn_file_actions_adddup2(&a.actions, session.get(), kSession);
  Fd appointment;
  if (start.appointment.valid()) {
    FLEXAI_TRY_ASSIGN(appointment, above(start.appointment));
    posix_spawn_file_actions_adddup2(&a.actions, appointment.get(), kAppointment);
  }
  Fd orders;
  if (start.orders.valid()) {
    FLEXAI_TRY_ASSIGN(orders, above(start.orders));
    posix_spawn_file_actions_adddup2(&a.actions, orders.get(), kOrders);
  }
  Fd home;
  if (start.home.valid()) {
    FLEXAI_TRY_ASSIGN(home, above(start.home));
    posix_spawn_file_actions_adddup2(&a.actions, home.get(), kHome);
  }
  const auto words = words_of(start), environment = environment_with(start.environment);
  StartedWorker started;
  errno = ::posix_spawn(&started.pid, words[0].c_str(), &a.actions, &a.attributes,
                        pointers(words).data(), pointers(environment).data());
  if (errno != 0) return fail_errno("starting " + start.program);
  if (!start.group.empty()) write_file(start.group + "/cgroup.procs", std::to_string(started.pid));
  auto pidfd = open_pidfd(started.pid);
  if (!pidfd.ok()) {
    ::kill(started.pid, SIGKILL);
    ::waitpid(started.pid, nullptr, 0);
    return pidfd.error();
  }
  started.pidfd = std::move(*pidfd);
  started.said = std::move(said);
  ::fcntl(started.said.get(), F_SETFL, O_NONBLOCK);
  return started;
}

base::Result<Fd> listen_for(const std::string& path, int type, uint32_t uid) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, "socket path " + path +
                                    " is longer than 107 bytes; choose a "
                                    "shorter --runtime");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  ::unlink(path.c_str());
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("binding " + path);
  const bool ours = uid == ::geteuid() || uid == kAnybody;
  if (::chmod(path.c_str(), uid == kAnybody ? 0666 : 0600) != 0 ||
      (!ours && ::chown(path.c_str(), uid, static_cast<gid_t>(-1)) != 0) ||
      ::listen(fd.get(), 64) != 0) {
    auto why = fail_errno("making " + path + " ready for uid " + std::to_string(uid));
    ::unlink(path.c_str());
    return why;
  }
  return fd;
}

std::string make_group(const std::string& parent, const std::string& name) {
  if (parent.empty()) return "";
  const std::string folder = parent + "/flexai-" + name;
  if (::mkdir(folder.c_str(), 0755) != 0) return "";
  return folder;
}

void drop_group(const std::string& folder) {
  if (folder.empty()) return;
  if (folder[0] == '/')
    ::rmdir(folder.c_str());
  else
    drop_host_group(kHostGroups, folder);
}

}  // namespace flexai::agent
