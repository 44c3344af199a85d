// kubectl-flexai: the plugin `kubectl flexai`: what Flexai does in a cluster, from its objects.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/cli/exit_codes.h"
#include "apps/cli/model_text.h"
#include "apps/kubectl/ask.h"

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_DFL);
  CLI::App app{"cards and slices of a cluster", "kubectl-flexai"};
  flexai::apps::Plugin plugin;
  plugin.add_to(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& wrong) {
    fprintf(stderr, "kubectl flexai: %s; see `kubectl flexai --help`\n", wrong.what());
    return flexai::apps::kExitUsage;
  }
  return plugin.code;
}
