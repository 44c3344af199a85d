#include "apps/worker_options.h"

#include <stdlib.h>

#include <string_view>

namespace flexai::apps {

const char* const kWorkerUsage =
    "usage: flexai-worker --listen ENDPOINT [--icd PATH] [--pki FOLDER] [--patience SECONDS]\n"
    "                     [--home FOLDER [--keep BYTES] [--linger MILLISECONDS]]\n"
    "       flexai-worker --session FD [--appointment FD] [--orders FD] [--user NAME]\n"
    "                     [--grace SECONDS] [--home FOLDER ...] [--hide FOLDER]\n"
    "  --listen ENDPOINT    where its one client connects: unix:PATH, shm:PATH, tcp:127.0.0.1:0,\n"
    "                       tls:HOST:PORT; printed, with the port taken, when it may come\n"
    "  --icd PATH           the driver: an .icd file or a library; else what the host's loader\n"
    "                       finds, through the layers of the environment\n"
    "  --pki FOLDER         host.crt, host.key and ca.crt, for tls:\n"
    "  --patience SECONDS   ends when no client came in that time; default 60\n"
    "  --session FD         a socket that listens for it; how the agent starts one. It confines\n"
    "                       itself, and loads the driver when its client is there\n"
    "  --appointment FD     who will come, from another host\n"
    "  --orders FD          a socket that listens for what the agent wants of it\n"
    "  --user NAME          whom to become, when it is root\n"
    "  --grace SECONDS      how long a client without connection is waited for; default 30\n"
    "  --home FOLDER        of its client: where programs that were built are kept\n"
    "  --keep BYTES         how many of them at most; default 256 MiB, 0: none\n"
    "  --linger MILLISECONDS  at its end, for keeping them; default 300\n"
    "  --hide FOLDER        in which nothing but --home can be touched\n";

bool parse(int argc, char** argv, WorkerOptions& options) {
  auto number = [](const char* text) { return strtol(text, nullptr, 10); };
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--listen")
      options.listen = value;
    else if (name == "--icd")
      options.icd = value;
    else if (name == "--pki")
      options.pki = value;
    else if (name == "--user")
      options.user = value;
    else if (name == "--home")
      options.home = value;
    else if (name == "--hide")
      options.hide = value;
    else if (name == "--linger")
      options.linger = number(value);
    else if (name == "--keep")
      options.keep = strtoull(value, nullptr, 10);
    else if (name == "--session")
      options.session = static_cast<int>(number(value));
    else if (name == "--appointment")
      options.appointment = static_cast<int>(number(value));
    else if (name == "--orders")
      options.orders = static_cast<int>(number(value));
    else if (name == "--patience")
      options.patience = number(value);
    else if (name == "--grace")
      options.grace = number(value);
    else
      return false;
  }
  return argc % 2 == 1 && options.listen.empty() != (options.session < 0);
}

}  // namespace flexai::apps
