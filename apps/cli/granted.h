// Granted: what the agents of other hosts grant to one program: the same of each, all of it or
// nothing. Given back when this is destroyed: the program has ended then. Errors name the host.
// Threads: one; blocks.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/cli/client.h"
#include "apps/cli/lent.h"

namespace flexai::apps {

// "gpu1,gpu2:7701" in its parts: at most 16, each once.
base::Result<std::vector<std::string>> hosts_in(const std::string& text);

class Granted {
 public:
  Granted(std::vector<std::string> hosts, std::string pki);
  ~Granted();
  Granted(const Granted&) = delete;
  Granted& operator=(const Granted&) = delete;

  // Asks for a run on each host and changes the environment for the program started next.
  base::Status ask(const std::string& path, const nlohmann::json& body, int patience);

 private:
  base::Error named(const std::string& host, const base::Error& error) const;

  const std::vector<std::string> hosts_;
  const std::string pki_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<nlohmann::json> runs_;
  std::vector<LentRun> lent_;  // of the first of them
};

}  // namespace flexai::apps
