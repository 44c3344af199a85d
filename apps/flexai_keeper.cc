// flexai-keeper STATE_FOLDER: holds descriptors for the agent of that folder (agent/keeper.h).
// Started by the agent; not meant to be run by hand.
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "agent/keeper.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: flexai-keeper STATE_FOLDER (the agent starts it by itself)\n");
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0);  // no core file with other people's memory
  auto served = flexai::agent::serve_keeper(argv[1]);
  if (served.ok()) return 0;
  fprintf(stderr, "flexai-keeper: %s\n", served.error().message.c_str());
  return 1;
}
