// --host and --pki: ask the agent of another host instead of this one's.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "apps/cli/client.h"

namespace flexai::apps {

struct HostOption {
  std::string host, pki;

  void add_to(CLI::App* command, const std::string& what) {
    command->add_option("--host", host, what)->type_name("HOST[:PORT]");
    command->add_option("--pki", pki, "folder of this host's certificate, for --host")
        ->type_name("FOLDER");
  }
  base::Status apply(Client& client) const {
    if (host.empty()) return {};
    return client.use_host(host, pki);
  }
};

}  // namespace flexai::apps
