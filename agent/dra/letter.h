// Letters between the agent and the process that speaks with the kubelet (flexai-dra): one JSON
// object a line, over a socket pair. Both ends are ours, but what is in a letter comes from the
// kubelet, so everything is checked. Source of the questions: k8s.io/kubelet's dra/v1. Threads:
// any; pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexai::agent::dra {

inline constexpr size_t kMostLetter = 1 << 20;  // bytes

struct ClaimName {
  std::string ns, uid, name;
};

struct Question {
  uint64_t id = 0;
  bool prepare = false;  // or unprepare
  std::vector<ClaimName> claims;
};

struct PreparedDevice {
  std::string request, pool, device, share_id;
  std::vector<std::string> cdi;
  bool operator==(const PreparedDevice&) const = default;
};

struct ClaimAnswer {
  std::string error;  // empty: done
  std::vector<PreparedDevice> devices;
};

struct Reply {
  uint64_t id = 0;
  std::map<std::string, ClaimAnswer> claims;  // by uid
};

struct DeviceHealth {
  std::string pool, device, message;
  bool healthy = true;
  bool operator==(const DeviceHealth&) const = default;
};

// What the kubelet said of our registration.
struct Registered {
  bool good = false;
  std::string error;
};

std::string write(const Question& question);  // with the end of the line
std::string write(const Reply& reply);
std::string write(const std::vector<DeviceHealth>& health);
std::string write(const Registered& registered);

// From flexai-dra: one of the two. From the agent: likewise.
struct FromPlugin {
  bool about_registration = false;
  Registered registered;
  Question question;
};
struct FromAgent {
  bool about_health = false;
  std::vector<DeviceHealth> health;
  Reply reply;
};
base::Result<FromPlugin> read_from_plugin(std::string_view line);
base::Result<FromAgent> read_from_agent(std::string_view line);

// Takes the whole lines out of `buffer`. kCorrupt when one has no end.
base::Result<std::vector<std::string>> take_lines(std::string* buffer);

}  // namespace flexai::agent::dra
