#include "remote/worker_door.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

namespace {

constexpr char kPrefix[] = "door:";
constexpr size_t kMostLine = 512;
constexpr base::Nanos kPatience = 30 * base::kSecond;  // drivers are slow to start

// Up to the end of the line, or the end of what the other side says.
base::Result<std::string> read_line(int fd, base::Nanos deadline) {
  std::string line;
  char byte = 0;
  while (line.size() < kMostLine) {
    pollfd one{fd, POLLIN, 0};
    const base::Nanos left = deadline - base::monotonic_now();
    if (left <= 0 || ::poll(&one, 1, static_cast<int>(left / base::kMillisecond) + 1) == 0)
      return fail(Code::kTimeout, "no answer in time");
    const ssize_t got = ::read(fd, &byte, 1);
    if (got < 0 && errno != EINTR && errno != EAGAIN) return fail_errno("read");
    if (got == 0 || byte == '\n') break;
    if (got > 0) line += byte;
  }
  return line;
}

[[noreturn]] void become(const std::vector<std::string>& command, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::dup2(output, STDOUT_FILENO);
  ::signal(SIGCHLD, SIG_DFL);
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

}  // namespace

WorkerDoor::WorkerDoor(std::string folder, std::vector<std::string> worker, Fd listener)
    : folder_(std::move(folder)),
      path_(folder_ + "/door"),
      worker_(std::move(worker)),
      listener_(std::move(listener)) {}

base::Result<WorkerDoor> WorkerDoor::open(const std::string& folder,
                                          std::vector<std::string> worker) {
  const mode_t before = ::umask(0077);
  auto listener = wire::listen_socket({wire::Carrier::kUnix, folder + "/door", 0});
  ::umask(before);
  if (!listener.ok()) return listener.error();
  ::signal(SIGCHLD, SIG_IGN);  // nobody waits for workers
  return WorkerDoor(folder, std::move(worker), std::move(listener).value());
}

base::Result<std::string> WorkerDoor::start_worker() {
  std::vector<std::string> command = worker_;
  command.insert(command.end(),
                 {"--listen", "shm:" + folder_ + "/worker" + std::to_string(++started_)});
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  const Fd output(ends[0]);
  Fd input(ends[1]);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) become(command, input.get(), parent);
  input.reset();
  auto line = read_line(output.get(), base::monotonic_now() + kPatience);
  if (line.ok() && !line->empty()) return line;
  ::kill(child, SIGKILL);
  return fail(Code::kUnavailable, "the worker did not start; its message is above");
}

base::Status WorkerDoor::serve() {
  for (;;) {
    pollfd one{listener_.get(), POLLIN, 0};
    if (::poll(&one, 1, -1) < 0 && errno != EINTR) return fail_errno("poll " + path_);
    const Fd program(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!program.valid()) continue;
    auto started = start_worker();
    const std::string line = (started.ok() ? *started : "error " + started.error().message) + "\n";
    [[maybe_unused]] const ssize_t told =
        ::send(program.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

bool is_door(const std::string& endpoint) { return endpoint.rfind(kPrefix, 0) == 0; }

base::Result<std::string> knock(const std::string& endpoint, base::Nanos deadline) {
  const std::string path = endpoint.substr(sizeof kPrefix - 1);
  FLEXAI_TRY_ASSIGN(Fd door, wire::connect_socket({wire::Carrier::kUnix, path, 0}, deadline));
  auto line = read_line(door.get(), deadline);
  if (!line.ok()) return std::move(line).with_context(endpoint);
  if (line->empty()) return fail(Code::kUnavailable, endpoint + " said nothing");
  if (line->rfind("error ", 0) == 0) return fail(Code::kUnavailable, line->substr(6));
  return line;
}

}  // namespace flexai::remote
