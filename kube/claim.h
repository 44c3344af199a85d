// Claim: what Flexai reads of a ResourceClaim: its allocation, for whom it is reserved, and the
// configuration of our driver. Source: ResourceClaim of resource.k8s.io/v1. The object comes from
// the API server, but much of it was written by whoever made the claim: nothing is believed to be
// there. Threads: any; pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/slice_config.h"

namespace flexai::kube {

class ObjectView;

struct ClaimResult {
  size_t index = 0;     // in the allocation, other drivers' results counted
  std::string request;  // "gpu", or "gpu/small" of a list of alternatives
  std::string driver;
  std::string pool;
  std::string device;
  std::string share_id;
  bool admin_access = false;
  std::optional<uint64_t> compute_milli;  // consumed capacities, where they are
  std::optional<uint64_t> memory_bytes;
};

struct Reference {
  std::string name;
  std::string uid;
  bool operator==(const Reference&) const = default;
};

struct Claim {
  std::string ns, name, uid, resource_version;
  bool deleting = false;
  bool allocated = false;
  std::vector<ClaimResult> results;  // of our driver only
  std::vector<Reference> pods;       // of reservedFor
  std::string node;                  // that the allocation's node selector names; empty: none

  // Ours, in the order they count: those of the class first. `config` is the JSON text.
  struct Config {
    std::vector<std::string> requests;  // empty: all
    std::string parameters;
  };
  std::vector<Config> configs;
};

// kCorrupt with the path of the field for what is not of the shape that the API has.
base::Result<Claim> read_claim(const ObjectView& object);
base::Result<Claim> parse_claim(std::string_view text);

// What the configurations that concern this result make together. kInvalid as read_slice_config.
base::Result<SliceConfig> config_of(const Claim& claim, const ClaimResult& result);

// k-<first 8 of the claim's uid>-<index>: the slice of a result, on the card's host.
std::string slice_name(const std::string& claim_uid, size_t index);
// Of its XpuLease.
std::string lease_name(const std::string& claim_uid, size_t index);
// 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view text);

}  // namespace flexai::kube
