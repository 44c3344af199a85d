// The keeper's side of keeper.h: one thread, poll(2), no allocation that a peer can make grow
// beyond the 4096 names and a few connections.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "agent/keeper.h"
#include "agent/keeper_socket.h"
#include "agent/shared_pages.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Nanos;

constexpr size_t kMostConnections = 16;

class Server {
 public:
  Server(Fd listener, KeeperPatience patience)
      : listener_(std::move(listener)), patience_(patience) {}
  void serve();

 private:
  void forget_when_unused();
  void accept_one();
  bool answer(int connection);  // false: close it
  Code carry_out(const KeeperRequest& request, Fd fd, KeeperReply* reply, int* out);
  static uint32_t failed(Code code) { return static_cast<uint32_t>(code) + 1; }

  Fd listener_;
  KeeperPatience patience_;
  std::map<std::string, Fd> held_;
  std::vector<Fd> connections_;
};

void Server::serve() {
  Nanos alone_since = base::monotonic_now();
  for (;;) {
    const Nanos now = base::monotonic_now();
    int wait_ms = -1;
    if (!connections_.empty()) {
      alone_since = now;
    } else {
      const Nanos end = alone_since + (held_.empty() ? patience_.idle : patience_.lone);
      if (now >= end) {
        if (held_.empty()) return;
        forget_when_unused();
        alone_since = now;
        continue;
      }
      wait_ms = static_cast<int>((end - now) / 1000000 + 1);
    }

    std::vector<pollfd> polled = {{listener_.get(), POLLIN, 0}};
    for (const Fd& c : connections_) polled.push_back({c.get(), POLLIN, 0});
    if (::poll(polled.data(), polled.size(), wait_ms) < 0) continue;
    for (size_t i = connections_.size(); i > 0; --i)
      if (polled[i].revents != 0 && !answer(polled[i].fd))
        connections_.erase(connections_.begin() + static_cast<long>(i) - 1);
    if (polled[0].revents != 0) accept_one();
  }
}

void Server::forget_when_unused() {
  const bool used = std::any_of(held_.begin(), held_.end(),
                                [](const auto& held) { return pages_in_use(held.second.get()); });
  if (!used) held_.clear();
}

void Server::accept_one() {
  Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) {
    ::poll(nullptr, 0, 10);  // out of descriptors, say: not a reason to spin
    return;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  if (peer.uid != ::geteuid() || connections_.size() >= kMostConnections) return;
  connections_.push_back(std::move(connection));
}

bool Server::answer(int connection) {
  KeeperRequest request{};
  Fd fd;
  ssize_t size = receive_with_fd(connection, &request, sizeof request, &fd);
  if (size < 0 && errno == EAGAIN) return true;
  if (size != sizeof request || request.magic != kKeeperMagic) return false;
  KeeperReply reply{};
  reply.magic = kKeeperMagic;
  int out = -1;
  bool done = true;
  Code why = Code::kInvalid;
  if (request.op == KeeperOp::kList) {
    uint32_t index = 0;
    for (const auto& [name, held] : held_) {
      if (index++ < request.from || reply.count == std::size(reply.names)) continue;
      memcpy(reply.names[reply.count++], name.c_str(), name.size() + 1);
    }
  } else {
    size_t length = ::strnlen(request.name, sizeof request.name);
    done = false;
    if (length != 0 && length <= kKeeperMaxName) {
      why = carry_out(request, std::move(fd), &reply, &out);
      done = reply.status == 0;
    }
  }
  reply.total = static_cast<uint32_t>(held_.size());
  if (!done) reply.status = failed(why);
  return send_with_fd(connection, &reply, sizeof reply, out);
}

Code Server::carry_out(const KeeperRequest& request, Fd fd, KeeperReply* reply, int* out) {
  auto refuse = [&](Code code) {
    reply->status = failed(code);
    return code;
  };
  auto it = held_.find(request.name);
  switch (request.op) {
    case KeeperOp::kPut:
      if (!fd.valid()) return refuse(Code::kInvalid);
      if (it != held_.end()) return refuse(Code::kConflict);
      if (held_.size() >= kKeeperMaxHeld) return refuse(Code::kExhausted);
      held_[request.name] = std::move(fd);
      return Code::kInternal;
    case KeeperOp::kGet:
      if (it == held_.end()) return refuse(Code::kNotFound);
      *out = it->second.get();
      return Code::kInternal;
    case KeeperOp::kDrop:
      if (it == held_.end()) return refuse(Code::kNotFound);
      held_.erase(it);
      return Code::kInternal;
    case KeeperOp::kList:
      break;
  }
  return refuse(Code::kInvalid);
}

// One keeper a folder: the lock lives as long as its holder, a left-over socket file means nothing.
base::Result<Fd> lock_folder(int folder) {
  Fd lock(::openat(folder, "keeper.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return fail_errno("keeper.lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::kConflict, "another keeper serves this state folder");
  return lock;
}

base::Result<Fd> listen_in(const KeeperAddress& where) {
  Fd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return fail_errno("socket");
  if (::unlinkat(where.folder.get(), kKeeperSocket, 0) != 0 && errno != ENOENT)
    return fail_errno("removing an old keeper socket");
  mode_t before = ::umask(0177);
  int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&where.address),
                     sizeof where.address);
  ::umask(before);
  if (bound != 0) return fail_errno("keeper socket");
  if (::listen(listener.get(), 16) != 0) return fail_errno("listen");
  return listener;
}

}  // namespace

base::Status serve_keeper(const std::string& state_dir, KeeperPatience patience) {
  FLEXAI_TRY_ASSIGN(KeeperAddress where, keeper_address(state_dir));
  FLEXAI_TRY_ASSIGN(Fd lock, lock_folder(where.folder.get()));
  FLEXAI_TRY_ASSIGN(Fd listener, listen_in(where));
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kKeeperMaxHeld + 64) {
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, kKeeperMaxHeld + 64);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  Server(std::move(listener), patience).serve();
  ::unlinkat(where.folder.get(), kKeeperSocket, 0);
  return {};
}

}  // namespace flexai::agent
