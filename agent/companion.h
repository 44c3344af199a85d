// Companion: what works beside the agent on its Loop and knows what the agent itself does not: the
// cluster it belongs to. The program that makes the agent brings it along. Threads: all calls on
// the Loop's, but make(), which is called before it runs. Lifetime: what Surroundings names
// outlives the companion.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/api.h"

namespace flexai::agent {

struct Surroundings {
  base::Loop* loop = nullptr;
  Cards* cards = nullptr;
  Slices* slices = nullptr;
  Runs* runs = nullptr;
  Sessions* sessions = nullptr;
  Events* events = nullptr;
  const Injection* injection = nullptr;
  std::string state, runtime;  // folders
  std::string pki;
  // Api::move_slice().
  std::function<void(const std::string& slice, model::Residency to, base::Nanos patience,
                     std::function<void(base::Status)> done)>
      move;
  // Api::migrate_slice().
  std::function<void(const std::string& slice, const Api::Destination& to, base::Nanos patience,
                     std::function<void(base::Status)> done)>
      migrate;
};

class Companion {
 public:
  virtual ~Companion() = default;
  // POST /v1/claims of another host: a pod there has a claim on a card here.
  virtual void post_claim(const Api::Request& call, const Api::Reply& reply) = 0;
  // POST /v1/moves of another host: it hands on a pod's slice to a card here.
  virtual void receive(const Api::Arriving& wanted,
                       std::function<void(base::Result<Run*>)> done) = 0;
  // What it still waits for before it can do its work; empty: nothing.
  virtual std::string waits_for() const = 0;
};

using MakeCompanion = std::function<base::Result<std::unique_ptr<Companion>>(const Surroundings&)>;

}  // namespace flexai::agent
