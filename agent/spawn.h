// SpawnAttributes: how the agent starts programs of its own (posix_spawn): a process group of their
// own, no signal blocked, those that the agent handles or ignores back at their defaults, standard
// input empty. Threads: one. Lifetime: of the call.
#pragma once

#include <spawn.h>

namespace flexai::agent {

class SpawnAttributes {
 public:
  SpawnAttributes();
  ~SpawnAttributes();
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace flexai::agent
