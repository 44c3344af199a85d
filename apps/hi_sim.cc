// hi-sim: the Hi Scheduler without a cluster: replays traces, measures, explains snapshots.
#include "apps/sim/commands.h"

int main(int argc, char** argv) {
  CLI::App app{"the Hi Scheduler on traces and snapshots, without a cluster", "hi-sim"};
  flexai::apps::sim::Session session;
  flexai::apps::sim::build_cli(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help
    return app.exit(asked);
  } catch (const CLI::ParseError& wrong) {
    std::fprintf(stderr, "hi-sim: %s; see `hi-sim --help`\n", wrong.what());
    return 2;
  }
  return session.code;
}
