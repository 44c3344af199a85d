// Linking: lets a worker of this host send bytes straight to the worker of another one
// (remote/links.h), for a program that has a session with both. The worker may not connect to
// anything itself, so we do, but only to a port whose agent, by its certificate, is a host of the
// group and says that the session which is named is one of the same program's host. Who asks learns
// no more of other ports than that they are none.
// Threads: make_link() blocks, some seconds; on a thread of its own.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "wire/shared_key.h"

namespace flexai::agent {

struct LinkPlan {
  std::string to;      // HOST:PORT
  std::string pki;     // folder of our certificate
  std::string host;    // whose programs they are, by its certificate
  std::string name;    // the target's session
  std::string orders;  // the source's socket for orders
  wire::SharedKey key{};
};

base::Status make_link(const LinkPlan& plan);

}  // namespace flexai::agent
