// flexai-link-relay --listen ENDPOINT --to ENDPOINT [--delay-us N] [--bandwidth B] [--read B]
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "test/link/relay.h"

int main(int argc, char** argv) {
  using namespace flexai;
  std::string listen = "tcp:127.0.0.1:0", to;
  link::Conditions conditions;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--listen") listen = value;
    if (flag == "--to") to = value;
    if (flag == "--delay-us") conditions.delay = std::atoll(value.c_str()) * base::kMicrosecond;
    if (flag == "--bandwidth") conditions.bandwidth = std::atof(value.c_str());
    if (flag == "--read") conditions.read_rate = std::atof(value.c_str());
  }
  // TLS passes through as bytes: the relay itself speaks neither.
  auto plain = [](const std::string& text) { return wire::parse_endpoint(text); };
  auto from = plain(listen), target = plain(to);
  if (!from.ok() || !target.ok()) {
    std::fprintf(stderr, "flexai-link-relay: %s\n",
                 (from.ok() ? target : from).error().message.c_str());
    return 2;
  }
  auto relay = link::Relay::make(*from, *target);
  if (!relay.ok()) {
    std::fprintf(stderr, "flexai-link-relay: %s\n", relay.error().message.c_str());
    return 1;
  }
  (*relay)->conditions() = conditions;
  std::printf("%s\n", wire::text_of((*relay)->endpoint()).c_str());
  std::fflush(stdout);
  (*relay)->run(STDIN_FILENO, STDOUT_FILENO);
}
