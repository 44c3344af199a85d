// Migration: takes the sessions of a run to another host, all or none. That host's agent makes
// room and starts a worker for each; our workers hand theirs on to those, over connections that we
// make, since a worker makes none. When all has arrived there, and not before, our workers are told
// that it is for good; if one did not, all stay here and what was made there is given back.
// Source of the two rounds: Gray, Notes on Data Base Operating Systems, 1978, section 5.8.3.
// Threads: migrate() blocks, for as long as the bytes take; on a thread of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace flexai::agent {

struct MigrationPlan {
  std::string to;      // host, as people write it
  std::string owner;   // name that the certificate there must have; empty: any
  std::string pki;     // folder of our certificate
  std::string wanted;  // body of POST /v1/moves, but for the address
  std::vector<std::pair<std::string, std::string>> sessions;  // names, sockets for orders
  base::Nanos patience = 0;
};

struct Migrated {
  uint64_t run = 0;   // there
  std::string slice;  // there
  std::string to;     // HOST:PORT
  std::string owner;  // of the certificate there; empty: it is good for the host
  uint64_t bytes = 0;
  std::map<std::string, std::string> sessions;  // names there, by those here
};

base::Result<Migrated> migrate(const MigrationPlan& plan);

}  // namespace flexai::agent
