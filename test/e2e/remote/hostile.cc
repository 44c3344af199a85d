// usage: flexai-hostile WHAT [--seconds S] [--seed N] [--other SESSION]     see hostile.h
#include "test/e2e/remote/hostile.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>

int main(int argc, char** argv) {
  using namespace flexai::test;
  const std::map<std::string, int (*)(Hostility&)> all = {
      {"garbage", garbage},   {"lengths", lengths}, {"foreign", foreign}, {"deaf", deaf},
      {"doorstep", doorstep}, {"leave", leave},     {"objects", objects}, {"words", words}};
  const auto chosen = all.find(argc > 1 ? argv[1] : "");
  if (chosen == all.end()) {
    std::fputs("usage: flexai-hostile WHAT [--seconds S] [--seed N] [--other SESSION]\n", stderr);
    return 2;
  }
  Hostility how;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--seconds") how.seconds = std::atof(argv[i + 1]);
    if (name == "--seed") how.chance.seed(static_cast<unsigned>(std::atoi(argv[i + 1])));
    if (name == "--other") how.other = argv[i + 1];
  }
  std::signal(SIGPIPE, SIG_IGN);
  return chosen->second(how);
}
