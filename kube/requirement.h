// Requirement: what a program needs of its API server, asked for once at its start, so that an
// older server, or one with parts switched off, is told in a line and not found out by what never
// happens. Threads: check() and its answer on the Loop's. Lifetime: client and loop outlive it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "kube/client.h"
#include "kube/resources.h"

namespace flexai::kube {

struct Requirement {
  std::string need;  // "slices of cards": what needs it
  int major = 1, minor = 0;
  std::vector<Resource> resources;
};

// `lists`: of each group's path the server's answer; nullopt: it does not know the group (404).
// kUnsupported names what is missing and what to do.
base::Status verdict(const Requirement& requirement, std::string_view version,
                     const std::map<std::string, std::optional<std::string>>& lists);

// Asks until there is an answer: who cannot reach the server learns nothing of it. `done` once.
void check(Client& client, base::Loop& loop, const Requirement& requirement,
           std::function<void(base::Status)> done);

}  // namespace flexai::kube
