// Client: the command line's way to the agent: its HTTP interface and nothing else.
// Finds the agent at $FLEXAI_SOCKET, else the host's service, else this user's own, which it starts
// when it does not run. Threads: one; blocks.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace flexai::apps {

class Client {
 public:
  // Finds the agent; the calls below do that by themselves. `start` false: never starts one.
  base::Status connect(bool start = true);

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
  std::string socket_;  // empty: not found yet
};

// A path segment as it may stand in a URL.
std::string escape(const std::string& text);

}  // namespace flexai::apps
