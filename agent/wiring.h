// Wiring: how cards are linked to their host and to each other, and the host to other hosts, as
// Linux says it in sysfs. What it does not say is not known, which is no error. What a driver says
// of a card's place is hostile. Threads: any; reads a few small files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace flexai::agent {

struct CardWire {
  std::string address;      // on the bus, "0000:65:00.0"; empty: not known
  std::string root;         // "pci0000:64": cards below one need not cross the host to each other
  std::optional<int> numa;  // whose memory and processors are next to it
  int64_t mbps = 0;         // of its link to the host, each way; 0: not known
};

// `address`: model::Device::pci. `sys`: for tests.
CardWire card_wire(const std::string& address, const std::string& sys = "/sys");

// Mbit/s of the fastest interface to other hosts that is up; 0: not known.
int64_t host_mbps(const std::string& sys = "/sys");

}  // namespace flexai::agent
