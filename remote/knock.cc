#include "remote/knock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "wire/codec.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::Fd;

namespace {

constexpr std::string_view kPrefix = "door:", kFolder = "doors:", kError = "error ",
                           kGood = "introduction\n";
constexpr size_t kMostAnswer = 256 << 10;
// A door without anybody behind it is that of an agent which ended a moment ago and comes back.
constexpr base::Nanos kReturning = 30 * base::kSecond;
constexpr base::Nanos kFirstPause = 50 * base::kMillisecond, kLongestPause = base::kSecond;

base::Result<std::string> read_answer(int fd, base::Nanos deadline) {
  std::string answer;
  char bytes[4096];
  while (answer.size() < kMostAnswer) {
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0) return answer;
    if (got > 0) {
      answer.append(bytes, static_cast<size_t>(got));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return base::fail_errno("recv");
    if (base::monotonic_now() >= deadline) return fail(Code::kTimeout, "no answer in time");
    wire::wait_socket(fd, POLLIN, -1, deadline);
  }
  return fail(Code::kCorrupt, "an answer without end");
}

// What was said; empty: nobody was there, or whoever was ended before the end of the word.
base::Result<std::string> ask_once(const std::string& path, base::Nanos deadline) {
  auto door = wire::connect_socket({wire::Carrier::kUnix, path, 0, ""}, deadline);
  if (!door.ok() && door.error().code == Code::kNotFound && ::access(path.c_str(), F_OK) == 0)
    return std::string();
  FLEXAI_TRY(door);
  auto answer = read_answer(door->get(), deadline);
  if (!answer.ok() && answer.error().code == Code::kUnavailable) return std::string();
  return answer;
}

}  // namespace

bool is_door(const std::string& endpoint) { return endpoint.starts_with(kPrefix); }

std::vector<std::string> doors_of(const std::string& endpoint) {
  if (!endpoint.starts_with(kFolder)) return {endpoint};
  const std::string folder = endpoint.substr(kFolder.size());
  std::vector<std::string> doors;
  const base::FolderPtr open(::opendir(folder.c_str()));
  while (open != nullptr) {
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr) break;
    const std::string path = folder + "/" + entry->d_name + "/door";
    if (entry->d_name[0] != '.' && ::access(path.c_str(), F_OK) == 0)
      doors.push_back(std::string(kPrefix) + path);
  }
  std::sort(doors.begin(), doors.end());
  if (doors.empty()) doors.push_back(std::string(kPrefix) + folder + "/*/door");
  return doors;
}

base::Result<Introduction> knock(const std::string& endpoint, base::Nanos deadline) {
  const std::string path = endpoint.substr(kPrefix.size());
  const base::Nanos end = std::min(deadline, base::monotonic_now() + kReturning);
  base::Result<std::string> answer = ask_once(path, deadline);
  for (base::Nanos pause = kFirstPause;
       answer.ok() && answer->empty() && base::monotonic_now() + pause < end;
       pause = std::min(2 * pause, kLongestPause)) {
    ::usleep(static_cast<unsigned>(pause / base::kMicrosecond));
    answer = ask_once(path, deadline);
  }
  if (!answer.ok()) return std::move(answer).with_context(endpoint).error();
  if (answer->starts_with(kError)) {
    std::string text = answer->substr(kError.size());
    if (const size_t end = text.find('\n'); end != std::string::npos) text.resize(end);
    return fail(Code::kUnavailable, text.empty() ? endpoint + " says no, and not why" : text);
  }
  if (!answer->starts_with(kGood))
    return fail(Code::kUnavailable, endpoint + " said nothing; is the agent of this host running?");
  return decode_introduction(wire::bytes_of(*answer).subspan(kGood.size()));
}

bool answer_knock(int connection, const base::Result<Introduction>& answer) {
  std::string text;
  wire::Writer writer;
  base::Status encoded = answer.ok() ? encode(*answer, writer) : base::Status(answer.error());
  if (encoded.ok()) {
    text = std::string(kGood) + std::string(wire::text_of(writer.bytes()));
  } else {
    text = std::string(kError) + encoded.error().message + "\n";
  }
  // It says nothing, so that its end is all that can be there.
  pollfd left{connection, POLLIN | POLLRDHUP, 0};
  if (::poll(&left, 1, 0) != 0 && (left.revents & (POLLHUP | POLLERR)) != 0) return false;
  // A fresh socket takes far more than this at once.
  return ::send(connection, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(text.size());
}

}  // namespace flexai::remote
