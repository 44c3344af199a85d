#include "apps/cli/lent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/injection.h"
#include "agent/lent_door.h"
#include "apps/installation.h"
#include "base/clock.h"
#include "remote/link_door.h"
#include "wire/socket.h"

namespace flexai::apps {

using base::Code;
using base::fail;
using base::Fd;
using nlohmann::json;

namespace {

constexpr base::Nanos kGoodbye = 3 * base::kSecond;

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
  agent::LentDoor::Doors at;
  FLEXAI_TRY_ASSIGN(at.sessions, wire::listen_socket({wire::Carrier::kUnix, lent.door_, 0, ""}));
  FLEXAI_TRY_ASSIGN(
      at.links, wire::listen_socket({wire::Carrier::kUnix, lent.door_ + remote::kLinkDoor, 0, ""}));
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
    agent::LentDoor door(*client.link(), std::to_string(run.value("id", uint64_t{0})),
                         std::move(at), static_cast<base::Nanos>(grace) * base::kSecond / 4);
    door.serve(held.get());
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    door.wait_until_gone();
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
