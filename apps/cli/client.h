// Client: the command line's way to the agent: its HTTP interface and nothing else.
// Finds the agent at $FLEXAI_SOCKET, else the host's service, else this user's own, which it starts
// when it does not run. With use_host(), the agent of another host. Threads: one; blocks.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace flexai::agent {
class HostLink;
}

namespace flexai::apps {

class Client {
 public:
  Client();
  ~Client();
  // Finds the agent; the calls below do that by themselves. `start` false: never starts one.
  base::Status connect(bool start = true);
  // From now on the agent of `host`; `pki` empty: default_pki().
  base::Status use_host(const std::string& host, const std::string& pki);
  agent::HostLink* link() { return link_.get(); }  // null without use_host()

  // An error of the agent comes back as it was said there. `wait_seconds`: how long the answer may
  // take.
  base::Result<nlohmann::json> get(const std::string& path, int wait_seconds = 30);
  base::Result<nlohmann::json> post(const std::string& path, const nlohmann::json& body,
                                    int wait_seconds = 30);
  base::Result<nlohmann::json> patch(const std::string& path, const nlohmann::json& body);
  base::Result<nlohmann::json> remove(const std::string& path);

  const std::string& socket() const { return socket_; }

 private:
  base::Result<nlohmann::json> send(const char* method, const std::string& path,
                                    const std::string& body, int wait_seconds);
  std::unique_ptr<agent::HostLink> link_;
  std::string socket_;  // empty: not found yet
};

// A path segment as it may stand in a URL.
std::string escape(const std::string& text);

}  // namespace flexai::apps
