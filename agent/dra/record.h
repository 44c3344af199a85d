// What must be known of claims after the agent was killed, one small file each (format:
// docs/formats/claims.md): on the card's host what was granted, on the pod's what was prepared.
// Threads: any; pure but for load_all().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexai::agent::dra {

// A claim's slice of a card of this host.
struct GrantRecord {
  std::string ns, name, uid;  // of the claim
  size_t index = 0;           // of the result
  std::string device, share_id;
  std::string host;    // the pod's, when it is another
  bool moved = false;  // here from another card
  std::string slice() const;
  bool operator==(const GrantRecord&) const = default;
};

// A claim of a pod on this host.
struct PreparedResult {
  size_t index = 0;
  std::string request, pool, device, share_id;
  uint64_t run = 0;  // at the other host; 0: the card is here
  bool operator==(const PreparedResult&) const = default;
};
struct PreparedRecord {
  std::string ns, name, uid;
  std::vector<PreparedResult> results;
  bool operator==(const PreparedRecord&) const = default;
};

std::string write(const GrantRecord& record);
std::string write(const PreparedRecord& record);
base::Result<GrantRecord> read_grant(std::string_view text);
base::Result<PreparedRecord> read_prepared(std::string_view text);

// The text of every NAME.json in the folder; what cannot be read is left out.
std::vector<std::string> load_all(const std::string& folder);

}  // namespace flexai::agent::dra
