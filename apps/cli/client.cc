#include "apps/cli/client.h"

#include <errno.h>
#include <httplib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/folders.h"
#include "agent/host_link.h"
#include "apps/cli/embedded.h"
#include "apps/installation.h"
#include "base/fd.h"

namespace flexai::apps {
namespace {

using base::Code;
using base::fail;
using nlohmann::json;

constexpr const char* kService = "/run/flexai/flexai.sock";

// Whether somebody answers at `path`: ok, or why not.
base::Status knock(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, "socket path " + path + " is longer than 107 bytes");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  if (errno == EACCES || errno == EPERM)
    return fail(Code::kDenied, "you may not use the agent at " + path +
                                   "; join the group of that socket (usually flexai)");
  return fail(Code::kUnavailable, "no agent answers at " + path + " (" + strerror(errno) + ")");
}

}  // namespace

Client::Client() = default;
Client::~Client() = default;

base::Status Client::use_host(const std::string& host, const std::string& pki) {
  FLEXAI_TRY_ASSIGN(agent::HostLink link,
                    agent::HostLink::open(host, pki.empty() ? default_pki() : pki));
  link_ = std::make_unique<agent::HostLink>(std::move(link));
  return {};
}

base::Status Client::connect(bool start) {
  const char* given = ::getenv("FLEXAI_SOCKET");
  if (given != nullptr && *given != 0) {
    base::Status there = knock(given);
    if (!there.ok())
      return fail(there.error().code, there.error().message + "; check FLEXAI_SOCKET");
    socket_ = given;
    return {};
  }
  const std::string own = agent::embedded_folders().runtime + "/flexai.sock";
  for (const std::string& path : {std::string(kService), own}) {
    base::Status there = knock(path);
    if (there.ok()) {
      socket_ = path;
      return {};
    }
    if (there.error().code == Code::kDenied) return there;
  }
  if (!start)
    return fail(Code::kUnavailable, "no agent runs; start one with `flexai devices` or flexaid");
  FLEXAI_TRY(start_embedded([&own] { return knock(own).ok(); }));
  socket_ = own;
  return {};
}

base::Result<json> Client::send(const char* method, const std::string& path,
                                const std::string& body, int wait_seconds) {
  if (link_ != nullptr) {
    return link_->call(method, path, body, wait_seconds);
  }
  if (socket_.empty()) FLEXAI_TRY(connect());
  httplib::Client http(socket_);
  http.set_address_family(AF_UNIX);
  http.set_connection_timeout(5);
  http.set_read_timeout(wait_seconds);
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.headers = {{"Host", "flexai"}};
  if (!body.empty()) {
    request.body = body;
    request.headers.emplace("Content-Type", "application/json");
  }
  auto result = http.send(request);
  if (!result)
    return fail(Code::kUnavailable, "the agent at " + socket_ + " does not answer (" +
                                        httplib::to_string(result.error()) +
                                        "); see its log, then try again");
  return agent::read_answer(result->body, result->status);
}

base::Result<json> Client::get(const std::string& path, int wait_seconds) {
  return send("GET", path, "", wait_seconds);
}
base::Result<json> Client::post(const std::string& path, const json& body, int wait_seconds) {
  return send("POST", path, body.dump(-1, ' ', false, json::error_handler_t::replace),
              wait_seconds);
}
base::Result<json> Client::patch(const std::string& path, const json& body) {
  return send("PATCH", path, body.dump(-1, ' ', false, json::error_handler_t::replace), 30);
}
base::Result<json> Client::remove(const std::string& path) { return send("DELETE", path, "", 30); }

std::string escape(const std::string& text) {
  std::string out;
  char hex[4];
  for (unsigned char c : text) {
    if (isalnum(c) || strchr("-._~", c) != nullptr) {
      out += static_cast<char>(c);
    } else {
      snprintf(hex, sizeof hex, "%%%02X", c);
      out += hex;
    }
  }
  return out;
}

}  // namespace flexai::apps
