// flexai: the command line. Everything it does goes through the agent's HTTP interface.
#include <signal.h>

#include "apps/cli/commands.h"
#include "apps/cli/exit_codes.h"

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_DFL);
  CLI::App app{"slices of accelerator cards for unmodified programs", "flexai"};
  flexai::apps::Shell shell;
  flexai::apps::build_cli(app, shell);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help
    return app.exit(asked);
  } catch (const CLI::ParseError& wrong) {
    const bool run = app.got_subcommand("run");
    flexai::apps::report(shell, flexai::base::fail(flexai::base::Code::kInvalid,
                                                   std::string(wrong.what()) +
                                                       (run ? "; write -- before the program, see "
                                                              "`flexai run --help`"
                                                            : "; see `flexai --help`")));
    return flexai::apps::kExitUsage;
  }
  return shell.code;
}
