// flexai-outside: becomes a program that outlives the container of the agent which started it
// (agent/outside.h). Not for people.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <string_view>

#include "agent/outside.h"

int main(int argc, char** argv) {
  flexai::agent::Way way;
  int at = 1;
  for (; at + 1 < argc && std::string_view(argv[at]) != "--"; at += 2) {
    const std::string_view word = argv[at];
    if (word == "--group") {
      way.group = argv[at + 1];
    } else if (word == "--libraries") {
      way.libraries = argv[at + 1];
    } else if (word == "--log") {
      way.log = argv[at + 1];
    } else if (word == "--tenant") {
      way.tenant = std::string_view(argv[at + 1]) == "yes";
    } else {
      break;
    }
  }
  if (at + 1 >= argc || std::string_view(argv[at]) != "--") {
    ::dprintf(2,
              "usage: flexai-outside --group NAME --libraries FOLDER --tenant yes|no --log FILE -- "
              "PROGRAM [ARGUMENTS]\n");
    return 2;
  }
  const auto gone = flexai::agent::go_outside(way);
  if (!gone.ok()) {
    ::dprintf(2, "flexai-outside: %s\n", gone.error().message.c_str());
    return 126;
  }
  ::execv(argv[at + 1], argv + at + 1);
  ::dprintf(2, "flexai-outside: %s: %s\n", argv[at + 1], strerror(errno));
  return errno == ENOENT ? 127 : 126;
}
