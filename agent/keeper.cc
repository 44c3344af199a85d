#include "agent/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <type_traits>

#include "agent/keeper_socket.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

namespace {

// On a machine whose memory or disk is short a process may stand still for seconds.
constexpr int kPatienceMs = 5000;
constexpr int kStartTries = 500;  // of 20 ms

base::Result<Fd> connect_once(const std::string& state_dir) {
  FLEXAI_TRY_ASSIGN(KeeperAddress where, keeper_address(state_dir));
  Fd connection(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!connection.valid()) return fail_errno("socket");
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&where.address),
                sizeof where.address) != 0)
    return fail(Code::kUnavailable, "no keeper answers in " + state_dir + ": " + strerror(errno));
  return connection;
}

// In a session of its own, and not our child: nothing of the agent's end reaches it. The child only
// makes calls that are safe between fork and exec of a program with threads.
base::Status start_program(const std::vector<std::string>& command, const std::string& state_dir) {
  std::vector<const char*> arguments;
  for (const std::string& word : command) arguments.push_back(word.c_str());
  arguments.insert(arguments.end(), {state_dir.c_str(), nullptr});
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("starting " + command[0]);
  if (pid == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    int null = ::open("/dev/null", O_RDWR);
    if (null >= 0)
      for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    ::execv(arguments[0], const_cast<char* const*>(arguments.data()));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return {};
}

}  // namespace

base::Result<Keeper> Keeper::connect(const std::string& state_dir,
                                     const std::vector<std::string>& command) {
  auto connection = connect_once(state_dir);
  if (connection.ok()) return Keeper(state_dir, std::move(connection).value());
  if (command.empty()) return connection.error();
  for (const std::string& program : {command.front(), command.back()})
    if (::access(program.c_str(), X_OK) != 0)
      return fail(Code::kNotFound, "keeper program " + program + " is missing; install it again");
  FLEXAI_TRY(start_program(command, state_dir));
  for (int i = 0; i < kStartTries; ++i) {
    ::poll(nullptr, 0, 20);
    connection = connect_once(state_dir);
    if (connection.ok()) return Keeper(state_dir, std::move(connection).value());
  }
  return fail(Code::kUnavailable, "keeper " + command.back() + " does not come up in " + state_dir);
}

base::Result<KeeperReply> Keeper::call(const KeeperRequest& request, int fd, Fd* got) {
  auto gone = [] { return fail(Code::kUnavailable, "the keeper is gone"); };
  if (!connection_.valid()) {  // it was late
    FLEXAI_TRY_ASSIGN(connection_, connect_once(state_dir_));
  }
  if (!send_with_fd(connection_.get(), &request, sizeof request, fd)) return gone();
  pollfd answer{connection_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&answer, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) {
    // A late answer must not be taken for that of the next request.
    connection_.reset();
    return fail(Code::kTimeout, "the keeper does not answer");
  }
  KeeperReply reply{};
  Fd received;
  ssize_t size = receive_with_fd(connection_.get(), &reply, sizeof reply, &received);
  if (size <= 0) return gone();
  if (size != sizeof reply || reply.magic != kKeeperMagic)
    return fail(Code::kCorrupt, "what listens on the keeper's socket is not a keeper");
  if (reply.status != 0) {
    const uint32_t known = std::min(reply.status - 1, static_cast<uint32_t>(Code::kInternal));
    const auto code = static_cast<Code>(known);
    return fail(code, std::string("keeper: ") + base::code_name(code) + ": " + request.name);
  }
  if (got != nullptr) *got = std::move(received);
  return reply;
}

namespace {

base::Result<KeeperRequest> request_for(KeeperOp op, const std::string& name) {
  KeeperRequest request{};
  request.magic = kKeeperMagic;
  request.op = op;
  if (name.size() > kKeeperMaxName || name.empty() || name.find('\0') != std::string::npos)
    return fail(Code::kInvalid, "a name for the keeper has 1 to 127 characters");
  memcpy(request.name, name.data(), name.size());
  return request;
}

}  // namespace

base::Status Keeper::put(const std::string& name, int fd) {
  FLEXAI_TRY_ASSIGN(KeeperRequest request, request_for(KeeperOp::kPut, name));
  FLEXAI_TRY(call(request, fd, nullptr));
  return {};
}

base::Result<Fd> Keeper::get(const std::string& name) {
  FLEXAI_TRY_ASSIGN(KeeperRequest request, request_for(KeeperOp::kGet, name));
  Fd got;
  FLEXAI_TRY(call(request, -1, &got));
  if (!got.valid()) return fail(Code::kCorrupt, "the keeper answered without a descriptor");
  return got;
}

base::Result<std::vector<std::string>> Keeper::list() {
  std::vector<std::string> names;
  for (;;) {
    KeeperRequest request{};
    request.magic = kKeeperMagic;
    request.op = KeeperOp::kList;
    request.from = static_cast<uint32_t>(names.size());
    FLEXAI_TRY_ASSIGN(KeeperReply reply, call(request, -1, nullptr));
    if (reply.count > std::size(reply.names) || names.size() + reply.count > kKeeperMaxHeld)
      return fail(Code::kCorrupt, "keeper: bad list");
    for (uint32_t i = 0; i < reply.count; ++i)
      names.emplace_back(reply.names[i], ::strnlen(reply.names[i], kKeeperMaxName));
    if (reply.count == 0 || names.size() >= reply.total) return names;
  }
}

base::Status Keeper::drop(const std::string& name) {
  FLEXAI_TRY_ASSIGN(KeeperRequest request, request_for(KeeperOp::kDrop, name));
  FLEXAI_TRY(call(request, -1, nullptr));
  return {};
}

}  // namespace flexai::agent
