// The node's cards as a ResourceSlice (docs/formats/kubernetes.md). Source: resource.k8s.io/v1.
// Threads: any; pure, but for wires_of(), which reads files.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/dra/letter.h"
#include "agent/wiring.h"
#include "model/device.h"

namespace flexai::agent::dra {

// "card-" and 8 hexadecimal digits of a hash of the key.
std::string device_name(const std::string& card_key);

// What is known of links: of cards by their keys, and of the host to others (0: nothing).
struct Wires {
  std::map<std::string, CardWire> cards;
  int64_t network_mbps = 0;
};
Wires wires_of(const std::vector<model::Device>& cards);

// The `devices` of the slice, by name. Two cards whose names collide: the second is left out, which
// a caller sees by the count. `shared` false: whole cards, for servers that drop the sharing
// fields.
nlohmann::json devices_json(const std::vector<model::Device>& cards, bool shared,
                            const Wires& wires = {});

// A ResourceSlice of the pool `node`. `resource_version` empty: to be created.
nlohmann::json slice_json(const std::string& node, const std::string& node_uid,
                          const std::string& name, const std::string& resource_version,
                          int64_t generation, const nlohmann::json& devices);

// Whether a server that was sent `sent` and answered with the devices of `kept` understands shared
// cards.
bool keeps_sharing(const nlohmann::json& kept);

// Whether the devices are what we would publish; what the server adds does not count.
bool same_devices(const nlohmann::json& kept, const nlohmann::json& wanted);

std::vector<DeviceHealth> health_of(const std::string& node,
                                    const std::vector<model::Device>& cards);

}  // namespace flexai::agent::dra
