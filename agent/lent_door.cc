#include "agent/lent_door.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/hex.h"
#include "remote/knock.h"
#include "remote/link_door.h"
#include "wire/socket.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::Fd;
using nlohmann::json;

namespace {

constexpr base::Nanos kSettled = 2 * base::kSecond;
constexpr int kMostMoves = 64;    // since it was last asked
constexpr int kSessionWait = 40;  // seconds: a worker starts
constexpr int kLinkWait = 12;
constexpr int kWordWait = 5;
constexpr base::Nanos kReturning = 30 * base::kSecond, kMoment = base::kSecond / 2;
constexpr base::Nanos kWord = base::kSecond;  // for a program to say what it wants

std::string text_in(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

LentDoor::LentDoor(HostLink link, std::string run, Doors doors, base::Nanos period)
    : link_(std::move(link)), run_(std::move(run)), doors_(std::move(doors)), period_(period) {}

void LentDoor::take(Process process) { clients_.push_back(std::move(process)); }

void LentDoor::serve(int held) {
  held_ = held;
  base::Nanos next = base::monotonic_now() + period_;
  bool over = false;
  while (!over || !clients_.empty()) {
    wait(over ? -1 : held, next, &over);
    if (over && leaves_at_once) return;
    if (base::monotonic_now() < next) continue;
    next = base::monotonic_now() + period_;
    if (!attend() && !leaves_at_once) break;
  }
  remove("/v1/runs/", [this] { return run_; });
}

base::Result<json> LentDoor::post(const std::string& path, const std::string& body, int seconds) {
  FLEXAI_TRY_ASSIGN(json answer, link_.call("POST", path, body, seconds));
  if (!answer.is_object()) return fail(Code::kCorrupt, link_.name() + " answers with no object");
  return answer;
}

base::Status LentDoor::remove_once(const std::string& path) {
  auto removed = link_.call("DELETE", path, "", 30);
  return removed.ok() ? base::Status() : base::Status(removed.error());
}

// Again by its name there, when it goes on at another host.
void LentDoor::remove(const std::string& path, const std::function<std::string()>& name) {
  base::Status removed = remove_once(path + name());
  if (!removed.ok() && removed.error().code == Code::kNotFound && attend_once())
    removed = remove_once(path + name());
}

// False: there is no such run any more, and no other one instead.
bool LentDoor::attend() {
  if (attend_once()) return true;
  if (!ask_again) return false;
  auto another = ask_again();
  if (!another.ok()) return false;
  link_ = std::move(another->link);
  run_ = std::move(another->run);
  return true;
}

bool LentDoor::attend_once() {
  for (int moves = 0; moves < kMostMoves; ++moves) {
    auto alive = post("/v1/runs/" + run_ + "/alive", "{}", kWordWait);
    if (!alive.ok()) return alive.error().code != Code::kNotFound;
    if (text_in(*alive, "state") != "moved" || !follow(*alive)) return true;
  }
  return true;
}

// The run goes on at another host, in the same sessions under other names.
bool LentDoor::follow(const json& moved) {
  auto there = HostLink::open(text_in(moved, "to"), link_.pki(), text_in(moved, "owner"));
  auto run = moved.find("run");
  if (!there.ok() || run == moved.end() || !run->is_number_unsigned()) return false;
  link_ = std::move(*there);
  run_ = std::to_string(run->get<uint64_t>());
  auto names = moved.find("sessions");
  if (names == moved.end() || !names->is_object()) return true;
  for (Process& process : clients_) {
    const std::string name = text_in(*names, process.session.c_str());
    if (!name.empty()) process.session = name;
  }
  return true;
}

// So that the next command finds free what this one had: workers take a moment to end.
void LentDoor::wait_until_gone() {
  const base::Nanos deadline = base::monotonic_now() + kSettled;
  while (base::monotonic_now() < deadline &&
         post("/v1/runs/" + run_ + "/alive", "{}", kWordWait).ok())
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

void LentDoor::wait(int held, base::Nanos until, bool* over) {
  std::vector<pollfd> fds{
      {doors_.sessions.get(), POLLIN, 0}, {held, POLLIN, 0}, {doors_.links.get(), POLLIN, 0}};
  for (const Process& process : clients_) fds.push_back({process.pidfd.get(), POLLIN, 0});
  const base::Nanos left = std::max<base::Nanos>(until - base::monotonic_now(), 0);
  if (::poll(fds.data(), fds.size(), static_cast<int>(left / base::kMillisecond) + 1) <= 0) return;
  if (held >= 0 && fds[1].revents != 0) *over = true;
  if (*over && leaves_at_once) return;
  for (size_t i = clients_.size(); i-- > 0;) {
    if (fds[i + 3].revents == 0) continue;
    // One that said goodbye has no session any more.
    remove("/v1/sessions/", [&] { return clients_[i].session; });
    clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(i));
  }
  if (fds[0].revents != 0) answer();
  if (fds[2].revents != 0) answer_link();
}

void LentDoor::answer_link() {
  const Fd program(::accept4(doors_.links.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!program.valid()) return;
  auto wanted = remote::read_link_request(program.get(), base::monotonic_now() + kWord);
  remote::answer_link(program.get(), wanted.ok() ? link_to(*wanted) : wanted.error());
}

// The other host's agent makes it, at our certificate's word.
base::Status LentDoor::link_to(const remote::LinkRequest& wanted) {
  FLEXAI_TRY_ASSIGN(const wire::Endpoint to, wire::parse_endpoint(wanted.endpoint));
  const bool ours = std::any_of(clients_.begin(), clients_.end(), [&](const Process& process) {
    return process.session == wanted.session;
  });
  if (!ours || to.carrier != wire::Carrier::kTls)
    return fail(Code::kNotFound, "no session \"" + wanted.session + "\" of this program");
  const json body = {{"session", wanted.session},
                     {"to", wire::text_of({to.carrier, to.place, to.port, ""}).substr(4)},
                     {"name", to.name},
                     {"key", base::hex_of(wanted.key)}};
  auto made = post("/v1/runs/" + run_ + "/links", body.dump(), kLinkWait);
  return made.ok() ? base::Status() : base::Status(made.error());
}

// For a moment; false: this door closes, or the program has gone.
bool LentDoor::waits(int program) {
  pollfd ends[2] = {{held_, POLLIN, 0}, {program, POLLRDHUP, 0}};
  return ::poll(ends, 2, static_cast<int>(kMoment / base::kMillisecond)) == 0;
}

void LentDoor::answer() {
  Fd program(::accept4(doors_.sessions.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!program.valid()) return;
  const wire::Peer peer = wire::peer_of(program.get(), wire::Carrier::kUnix);
  Process process;
  process.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
  const auto ask = [&] {
    auto made = introduce(&process.session);
    const bool gone = !made.ok() && made.error().code == Code::kNotFound;
    return gone && attend() ? introduce(&process.session) : std::move(made);
  };
  auto introduction = ask();
  // The other host's agent may be about to come back, and so may the run there.
  const base::Nanos end = base::monotonic_now() + kReturning;
  const auto passing = [&] {
    return !introduction.ok() && (introduction.error().code == Code::kUnavailable ||
                                  introduction.error().code == Code::kNotFound);
  };
  while (ask_again && passing() && base::monotonic_now() < end && waits(program.get()))
    introduction = ask();
  const bool there = remote::answer_knock(program.get(), introduction);
  if (!introduction.ok()) return;
  if (there && process.pidfd.valid()) return clients_.push_back(std::move(process));
  [[maybe_unused]] auto removed = remove_once("/v1/sessions/" + process.session);
}

base::Result<remote::Introduction> LentDoor::introduce(std::string* name) {
  wire::Endpoint endpoint = link_.endpoint();
  const json body = {{"address", endpoint.place}};
  FLEXAI_TRY_ASSIGN(json made, post("/v1/runs/" + run_ + "/sessions", body.dump(), kSessionWait));
  *name = endpoint.name = text_in(made, "name");
  remote::Introduction introduction;
  introduction.endpoint = wire::text_of(endpoint);
  introduction.identity = {text_in(made, "certificate"), text_in(made, "key"),
                           // The agent itself answers for a worker that is gone.
                           text_in(made, "authority") + link_.authority(), ""};
  introduction.lease = base::bytes_of_hex(text_in(made, "lease"));
  return introduction;
}

}  // namespace flexai::agent
