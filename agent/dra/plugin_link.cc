#include "agent/dra/plugin_link.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/dra/sockets.h"
#include "agent/spawn.h"
#include "base/log.h"
#include "kube/names.h"

extern char** environ;

namespace flexai::agent::dra {

using base::Fd;
using base::Level;

namespace {
constexpr base::Nanos kPause = base::kSecond;
}

PluginLink::PluginLink(base::Loop* loop, Config config, Ask ask)
    : loop_(loop), config_(std::move(config)), ask_(std::move(ask)) {}

PluginLink::~PluginLink() {
  if (pid_ == 0) return;
  socket_.reset();
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  remove_sockets(config_.registry, config_.plugins, kube::kDriverName);
}

base::Status PluginLink::start() { return spawn(); }

base::Status PluginLink::spawn() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return base::fail_errno("socket pair");
  Fd ours(ends[0]), theirs(ends[1]);
  SpawnAttributes spawn;
  posix_spawn_file_actions_adddup2(&spawn.actions, theirs.get(), 0);
  const std::string registry = "--registry=" + config_.registry,
                    plugins = "--plugins=" + config_.plugins,
                    driver = std::string("--driver=") + kube::kDriverName;
  const char* argv[] = {config_.plugin.c_str(), registry.c_str(), plugins.c_str(), driver.c_str(),
                        nullptr};
  const int error = ::posix_spawn(&pid_, config_.plugin.c_str(), &spawn.actions, &spawn.attributes,
                                  const_cast<char**>(argv), environ);
  if (error != 0) {
    pid_ = 0;
    errno = error;
    return base::fail_errno("starting " + config_.plugin);
  }
  socket_ = std::move(ours);
  buffer_.clear();
  FLEXAI_TRY(loop_->watch(socket_.get(), EPOLLIN, [this](uint32_t) { readable(); }));
  if (!health_.empty()) send(write(health_));
  return {};
}

void PluginLink::readable() {
  char bytes[16384];
  const ssize_t n = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return ended();
  buffer_.append(bytes, static_cast<size_t>(n));
  auto lines = take_lines(&buffer_);
  if (!lines.ok()) return ended();
  for (const std::string& line : *lines) take(line);
}

void PluginLink::take(const std::string& line) {
  auto letter = read_from_plugin(line);
  if (!letter.ok()) {
    base::log(Level::kError, "dra", "letter not understood", {{"why", letter.error().message}});
    return;
  }
  if (!letter->about_registration) return ask_(letter->question);
  waits_for_ = letter->registered.good
                   ? ""
                   : "the kubelet does not take the driver: " + letter->registered.error;
  if (letter->registered.good)
    base::log(Level::kInfo, "dra", "registered with the kubelet");
  else
    base::log(Level::kError, "dra", "the kubelet does not take us",
              {{"why", letter->registered.error}});
}

void PluginLink::send(const std::string& line) {
  if (!socket_.valid()) return;
  // Far more room than answers take: one that does not read any more is of no use.
  if (::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(line.size()))
    ::kill(pid_, SIGKILL);
}

void PluginLink::answer(const Reply& reply) { send(write(reply)); }

void PluginLink::tell(std::vector<DeviceHealth> health) {
  if (health == health_) return;
  health_ = std::move(health);
  send(write(health_));
}

void PluginLink::ended() {
  loop_->unwatch(socket_.get());
  socket_.reset();
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
  waits_for_ = kNotYet;
  base::log(Level::kError, "dra", "flexai-dra has ended; it is started again",
            {{"status", std::to_string(status)}});
  loop_->at(base::monotonic_now() + kPause, [this] {
    base::Status spawned = spawn();
    if (!spawned.ok())
      base::log(Level::kError, "dra", "not started", {{"why", spawned.error().message}});
  });
}

}  // namespace flexai::agent::dra
