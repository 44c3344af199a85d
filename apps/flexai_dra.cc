// flexai-dra: speaks with the kubelet for flexaid, which starts it. Not for people.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "agent/dra/plugin_service.h"

int main(int argc, char** argv) {
  flexai::agent::dra::PluginOptions options;
  CLI::App app{"flexai-dra: speaks with the kubelet for flexaid, on standard input"};
  app.add_option("--registry", options.registry, "folder that the kubelet watches")->required();
  app.add_option("--plugins", options.plugins, "folder of the drivers' sockets")->required();
  app.add_option("--driver", options.driver, "name of the driver")->required();
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  auto done = flexai::agent::dra::run_plugin(options);
  if (done.ok()) return 0;
  ::dprintf(2, "flexai-dra: %s\n", done.error().message.c_str());
  return 1;
}
