#include "test/link/relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "wire/socket.h"

namespace flexai::link {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::Nanos;

base::Result<std::unique_ptr<Relay>> Relay::make(const wire::Endpoint& listen,
                                                 const wire::Endpoint& to) {
  FLEXAI_TRY_ASSIGN(base::Fd listener, wire::listen_socket(listen));
  wire::Endpoint bound = listen;
  if (listen.carrier != wire::Carrier::kUnix) {
    FLEXAI_TRY_ASSIGN(bound.port, wire::local_port(listener.get()));
  }
  return std::unique_ptr<Relay>(new Relay(bound, to, std::move(listener)));
}

Relay::Relay(wire::Endpoint endpoint, wire::Endpoint to, base::Fd listener)
    : endpoint_(std::move(endpoint)), to_(std::move(to)), listener_(std::move(listener)) {}

void Relay::accept() {
  auto client = wire::accept_socket(listener_.get(), 1);
  if (!client.ok() || refusing_) return;
  auto host = wire::connect_socket(to_, monotonic_now() + 2 * base::kSecond);
  if (!host.ok()) return;
  Pair& pair = pairs_.emplace_back();
  pair.client = std::move(*client);
  pair.host = std::move(*host);
  (limit_up_ ? pair.up : pair.down).limit(limit_);
  pair.at_limit = limit_way_;
  limit_ = UINT64_MAX;
  ++connections_;
}

void Relay::cut(Pair& pair, Way way) {
  if (way == Way::kSilence) pair.silent = true;
  if (way == Way::kHalf) pair.half = true;
  if (way == Way::kSilence || way == Way::kHalf) return;
  if (way == Way::kReset) {
    linger now{1, 0};
    for (int fd : {pair.client.get(), pair.host.get()})
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  pair.over = true;
}

void Relay::move(Pair& pair, Nanos now) {
  auto broken = Flow::State::kBroken;
  if (pair.silent) {
    // The kernel's buffers fill, as with a cable that was pulled; a closed end is let go.
    std::byte none;
    for (int fd : {pair.client.get(), pair.host.get()})
      if (::recv(fd, &none, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno != EAGAIN) pair.over = true;
    return;
  }
  bool bad = false;
  if (pair.up.wants_read(now)) bad |= pair.up.read(pair.client.get(), conditions_, now) == broken;
  if (pair.down.wants_read(now)) bad |= pair.down.read(pair.host.get(), conditions_, now) == broken;
  uint64_t up = pair.up.passed(), down = pair.down.passed();
  auto up_state = pair.up.write(pair.host.get(), now);
  auto down_state = pair.half ? Flow::State::kOpen : pair.down.write(pair.client.get(), now);
  bytes_up_ += pair.up.passed() - up;
  bytes_down_ += pair.down.passed() - down;
  bool ended = up_state == Flow::State::kEnded && down_state == Flow::State::kEnded;
  if (bad || up_state == broken || down_state == broken || ended) pair.over = true;
  if (pair.up.at_limit() || pair.down.at_limit()) cut(pair, pair.at_limit);
}

base::Status Relay::obey_after(std::istringstream& words) {
  std::string direction, how;
  words >> limit_ >> direction >> how;
  limit_up_ = direction == "up";
  if (!words || (direction != "up" && direction != "down"))
    return fail(Code::kInvalid, "after BYTES up|down HOW");
  limit_way_ = how == "rst" ? Way::kReset : how == "silence" ? Way::kSilence : Way::kFin;
  return {};
}

base::Status Relay::obey(const std::string& line, int answers) {
  std::istringstream words(line);
  std::string verb, how;
  words >> verb;
  double number = 0;
  if (verb == "quit") {
    quit_ = true;
  } else if (verb == "delay" && words >> number) {
    conditions_.delay = static_cast<Nanos>(number * 1e3);
  } else if (verb == "bandwidth" && words >> number) {
    conditions_.bandwidth = number;
  } else if (verb == "read" && words >> number) {
    conditions_.read_rate = number;
  } else if (verb == "refuse" && words >> how) {
    refusing_ = how == "on";
  } else if (verb == "after") {
    return obey_after(words);
  } else if (verb == "cut" && words >> how) {
    Way way = how == "rst"       ? Way::kReset
              : how == "silence" ? Way::kSilence
              : how == "half"    ? Way::kHalf
                                 : Way::kFin;
    for (Pair& pair : pairs_) cut(pair, way);
  } else if (verb == "stats") {
    std::string text = "connections " + std::to_string(connections_) + " bytes_up " +
                       std::to_string(bytes_up_) + " bytes_down " + std::to_string(bytes_down_) +
                       "\n";
    [[maybe_unused]] ssize_t n = ::write(answers, text.data(), text.size());
  } else {
    return fail(Code::kInvalid, "not understood: " + line);
  }
  return {};
}

bool Relay::read_commands(int commands, int answers) {
  char buffer[4096];
  ssize_t n = ::read(commands, buffer, sizeof buffer);
  if (n <= 0) return false;
  input_.append(buffer, static_cast<size_t>(n));
  for (size_t end; (end = input_.find('\n')) != std::string::npos;) {
    auto done = obey(input_.substr(0, end), answers);
    std::string text = done.ok() ? "" : done.error().message + "\n";
    [[maybe_unused]] ssize_t written = ::write(answers, text.data(), text.size());
    input_.erase(0, end + 1);
  }
  return !quit_;
}

void Relay::wait(int commands) {
  Nanos now = monotonic_now(), until = 0;
  std::vector<pollfd> fds = {{listener_.get(), POLLIN, 0}, {commands, POLLIN, 0}};
  for (Pair& pair : pairs_) {
    auto events = [](bool read, bool write) {
      return static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
    };
    if (pair.silent) continue;
    bool down = pair.down.wants_write(now) && !pair.half;
    fds.push_back({pair.client.get(), events(pair.up.wants_read(now), down), 0});
    fds.push_back(
        {pair.host.get(), events(pair.down.wants_read(now), pair.up.wants_write(now)), 0});
    for (Nanos next : {pair.up.next(now), pair.down.next(now)})
      if (next != 0) until = until == 0 ? next : std::min(until, next);
  }
  Nanos left = until == 0 ? base::kSecond : std::max<Nanos>(until - now, 0);
  timespec time{left / base::kSecond, left % base::kSecond};
  ::ppoll(fds.data(), fds.size(), &time, nullptr);
}

void Relay::run(int commands, int answers) {
  for (;;) {
    wait(commands);
    pollfd ready[2] = {{commands, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    ::poll(ready, 2, 0);
    if (ready[0].revents != 0 && !read_commands(commands, answers)) return;
    if (ready[1].revents != 0) accept();
    Nanos now = monotonic_now();
    for (Pair& pair : pairs_) move(pair, now);
    pairs_.remove_if([](const Pair& pair) { return pair.over; });
  }
}

}  // namespace flexai::link
