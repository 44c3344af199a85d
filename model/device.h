// Device: one card of a host as every part of Flexai sees it, whatever its brand. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::model {

struct Device {
  std::string id;        // short name people type, unique on the host: "pocl-0"
  std::string key;       // stable identity, the same in every process of the host: see driver/<api>
  std::string api;       // "opencl", later "cuda", "ascend"
  std::string platform;  // vendor platform name as the driver says it
  std::string vendor;
  std::string model;
  std::string driver_version;
  std::string kind;  // "cpu", "gpu", "accelerator"
  std::string pci;   // where it is on the bus, "0000:65:00.0"; empty: not known
  uint64_t memory_bytes = 0;
  uint32_t compute_units = 0;
  // True when host<->card copies run beside kernels (own engines) and so need no compute lease.
  bool copy_engine = false;
  uint32_t start_ms = 0;  // what its driver took to start when it was probed
  bool healthy = true;
  std::string health;  // one line; why it is not healthy
  std::vector<std::string>
      driver_files;  // libraries a process maps when it uses the card without us

  bool operator==(const Device&) const = default;
};

}  // namespace flexai::model
