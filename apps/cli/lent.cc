#include "apps/cli/lent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "agent/injection.h"
#include "apps/cli/host_link.h"
#include "apps/installation.h"
#include "base/clock.h"
#include "remote/knock.h"
#include "wire/socket.h"

namespace flexai::apps {

using base::Code;
using base::fail;
using base::Fd;
using nlohmann::json;

namespace {

constexpr base::Nanos kGoodbye = 3 * base::kSecond;
constexpr base::Nanos kSettled = 2 * base::kSecond;  // below kGoodbye
constexpr int kMostMoves = 64;                       // since it was last asked
constexpr int kSessionWait = 40;                     // seconds: a worker starts

std::vector<std::byte> bytes_of_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(strtoul(hex.substr(i, 2).c_str(), nullptr, 16)));
  return bytes;
}

class Door {
 public:
  Door(Client& client, std::string run, std::string folder, Fd listener, base::Nanos period)
      : client_(client),
        run_(std::move(run)),
        folder_(std::move(folder)),
        listener_(std::move(listener)),
        period_(period) {}

  void serve(const Fd& held) {
    base::Nanos next = base::monotonic_now() + period_;
    bool over = false;
    while (!over || !clients_.empty()) {
      wait(over ? -1 : held.get(), next, &over);
      if (base::monotonic_now() < next) continue;
      next = base::monotonic_now() + period_;
      if (!attend()) break;
    }
    remove("/v1/runs/", [this] { return run_; });
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    wait_until_gone();
  }

 private:
  struct Process {
    Fd pidfd;
    std::string session;
  };

  // Again by its name there, when it goes on at another host.
  void remove(const std::string& path, const std::function<std::string()>& name) {
    auto removed = client_.remove(path + name());
    if (!removed.ok() && removed.error().code == Code::kNotFound && attend())
      removed = client_.remove(path + name());
  }

  // False: there is no such run any more.
  bool attend() {
    for (int moves = 0; moves < kMostMoves; ++moves) {
      auto alive = client_.post("/v1/runs/" + run_ + "/alive", json::object(), 5);
      if (!alive.ok()) return alive.error().code != Code::kNotFound;
      if (alive->value("state", "") != "moved" || !follow(*alive)) return true;
    }
    return true;
  }

  // The run goes on at another host, in the same sessions under other names.
  bool follow(const json& moved) {
    if (!client_.use_host(moved.value("to", ""), client_.link()->pki()).ok()) return false;
    run_ = std::to_string(moved.value("run", uint64_t{0}));
    const json names = moved.value("sessions", json::object());
    for (Process& process : clients_)
      process.session = names.value(process.session, process.session);
    return true;
  }

  // So that the next command finds free what this one had: workers take a moment to end.
  void wait_until_gone() {
    const base::Nanos deadline = base::monotonic_now() + kSettled;
    while (base::monotonic_now() < deadline &&
           client_.post("/v1/runs/" + run_ + "/alive", json::object(), 5).ok())
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  void wait(int held, base::Nanos until, bool* over) {
    std::vector<pollfd> fds{{listener_.get(), POLLIN, 0}, {held, POLLIN, 0}};
    for (const Process& process : clients_) fds.push_back({process.pidfd.get(), POLLIN, 0});
    const base::Nanos left = std::max<base::Nanos>(until - base::monotonic_now(), 0);
    if (::poll(fds.data(), fds.size(), static_cast<int>(left / base::kMillisecond) + 1) <= 0)
      return;
    if (held >= 0 && fds[1].revents != 0) *over = true;
    for (size_t i = clients_.size(); i-- > 0;) {
      if (fds[i + 2].revents == 0) continue;
      // One that said goodbye has no session any more.
      remove("/v1/sessions/", [&] { return clients_[i].session; });
      clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(i));
    }
    if (fds[0].revents != 0) answer();
  }

  void answer() {
    Fd program(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!program.valid()) return;
    const wire::Peer peer = wire::peer_of(program.get(), wire::Carrier::kUnix);
    Process process;
    process.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
    auto introduction = introduce(&process.session);
    if (!introduction.ok() && introduction.error().code == Code::kNotFound && attend())
      introduction = introduce(&process.session);
    const bool there = remote::answer_knock(program.get(), introduction);
    if (!introduction.ok()) return;
    if (there && process.pidfd.valid()) return clients_.push_back(std::move(process));
    [[maybe_unused]] auto removed = client_.remove("/v1/sessions/" + process.session);
  }

  base::Result<remote::Introduction> introduce(std::string* name) {
    wire::Endpoint endpoint = client_.link()->endpoint();
    FLEXAI_TRY_ASSIGN(json made, client_.post("/v1/runs/" + run_ + "/sessions",
                                              {{"address", endpoint.place}}, kSessionWait));
    *name = endpoint.name = made.value("name", "");
    remote::Introduction introduction;
    introduction.endpoint = wire::text_of(endpoint);
    introduction.identity = {made.value("certificate", ""), made.value("key", ""),
                             // The agent itself answers for a worker that is gone.
                             made.value("authority", "") + client_.link()->authority(), ""};
    introduction.lease = bytes_of_hex(made.value("lease", ""));
    return introduction;
  }

  Client& client_;
  std::string run_;
  const std::string folder_;
  const Fd listener_;
  const base::Nanos period_;
  std::vector<Process> clients_;
};

base::Status set_environment(const json& run) {
  const Installation here = find_installation();
  const auto injection = agent::Injection::load(here.share + "/inject", here.lib);
  std::set<std::string> apis;
  for (const json& api : run["apis"]) apis.insert(api.get<std::string>());
  FLEXAI_TRY_ASSIGN(auto variables, injection.served(apis));
  for (const auto& variable : variables) ::setenv(variable.name.c_str(), variable.value.c_str(), 1);
  for (const char* name : {"FLEXAI_ATTACH", "FLEXAI_GRANT", "OPENCL_LAYERS"}) ::unsetenv(name);
  return {};
}

// Nothing of the caller's stays open in it, least of all a pipe that somebody reads to its end.
void detach() {
  ::setsid();
  ::signal(SIGPIPE, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

}  // namespace

base::Status LentRun::begin(Client& client, const json& run, std::vector<LentRun>& runs) {
  std::string folder = (std::filesystem::temp_directory_path() / "flexai-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return base::fail_errno("a folder for " + folder);
  FLEXAI_TRY(set_environment(run));
  LentRun lent;
  lent.door_ = folder + "/" + client.link()->name();
  FLEXAI_TRY_ASSIGN(Fd listener, wire::listen_socket({wire::Carrier::kUnix, lent.door_, 0, ""}));
  int hold[2], over[2];
  if (::pipe2(hold, O_CLOEXEC) != 0 || ::pipe2(over, O_CLOEXEC) != 0)
    return base::fail_errno("pipe");
  Fd held(hold[0]), done(over[1]);
  lent.hold_ = Fd(hold[1]);
  lent.over_ = Fd(over[0]);
  const pid_t child = ::fork();
  if (child < 0) return base::fail_errno("fork");
  if (child == 0) {
    lent.hold_.reset();
    lent.over_.reset();
    runs.clear();                   // their ends are for `flexai run` alone
    if (::fork() != 0) ::_exit(0);  // `flexai run` waits for the program's processes only
    detach();
    const auto grace = std::max<uint64_t>(run.value("grace_seconds", uint64_t{30}), 1);
    Door(client, std::to_string(run.value("id", uint64_t{0})), folder, std::move(listener),
         static_cast<base::Nanos>(grace) * base::kSecond / 4)
        .serve(held);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  runs.push_back(std::move(lent));
  std::string doors;
  for (const LentRun& each : runs) doors += (doors.empty() ? "door:" : ",door:") + each.door_;
  ::setenv("FLEXAI_WORKER", doors.c_str(), 1);
  return {};
}

void LentRun::finish(std::vector<LentRun>& runs) {
  for (LentRun& run : runs) run.hold_.reset();
  const base::Nanos end = base::monotonic_now() + kGoodbye;
  for (LentRun& run : runs) {
    pollfd one{run.over_.get(), POLLIN, 0};
    const base::Nanos left = std::max<base::Nanos>(end - base::monotonic_now(), 0);
    ::poll(&one, 1, static_cast<int>(left / base::kMillisecond));
  }
}

}  // namespace flexai::apps
