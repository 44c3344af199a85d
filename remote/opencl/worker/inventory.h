// Inventory: every object that a session has at its worker, as values, so that another worker can
// make the same under the same ids. Where one object names another it says which of the list that
// is; an object that the client has given up and that another one still needs has the id 0. The
// contents of memory travel apart. Values and pure functions; any thread. Decoding checks every
// number and that no reference leads out of its list.
#pragma once

#include <string>
#include <vector>

#include "driver/opencl/table.h"
#include "remote/deferred_errors.h"
#include "remote/opencl/kind.h"
#include "remote/opencl/worker/argument.h"
#include "remote/opencl/worker/mapping.h"
#include "remote/opencl/worker/mem_facts.h"
#include "remote/opencl/worker/recordings.h"

namespace flexai::remote::opencl {

inline constexpr uint32_t kNone = UINT32_MAX;
inline constexpr size_t kMostInventory = 512u << 20;  // encoded

// What the client knows of an object.
struct Known {
  ObjectId id = 0;
  uint32_t references = 0;
  bool operator==(const Known&) const = default;
};

// A device that the program has parted. Devices are numbered: the worker's, then the parts of every
// split, in their order.
struct SplitFacts {
  uint32_t device = 0;               // one that comes before
  std::vector<uint64_t> properties;  // with the zero at the end
  uint32_t parts = 0;
  bool operator==(const SplitFacts&) const = default;
};

struct DeviceFacts : Known {
  uint32_t index = 0;
  bool operator==(const DeviceFacts&) const = default;
};

struct ContextFacts : Known {
  std::vector<uint32_t> devices;
  std::vector<uint64_t> properties;
  bool operator==(const ContextFacts&) const = default;
};

struct ProgramFacts : Known {
  enum class State : uint8_t { kMade, kBuilt, kFailed };
  uint32_t context = 0;
  std::vector<uint32_t> devices;
  std::string source;                 // empty: from binaries
  std::vector<std::string> binaries;  // one a device
  State state = State::kMade;
  std::string options;  // of the build
  bool operator==(const ProgramFacts&) const = default;
};

struct QueueFacts : Known {
  uint32_t context = 0, device = 0;
  std::vector<uint64_t> properties;  // with the zero at the end; or empty
  uint64_t bits = 0;
  bool operator==(const QueueFacts&) const = default;
};

struct SamplerFacts : Known {
  uint32_t context = 0;
  uint32_t normalized = 0, addressing = 0, filter = 0;
  bool operator==(const SamplerFacts&) const = default;
};

struct MemoryFacts : Known {
  uint32_t context = 0, parent = kNone;
  MemFacts facts;  // its handles are null
};

struct KernelFacts : Known {
  uint32_t program = 0;
  std::string name;
  KernelArguments arguments;
  bool operator==(const KernelFacts&) const = default;
};

struct EventFacts : Known {
  uint32_t context = 0;
  int32_t status = 0;  // CL_SUBMITTED: the program is to set it
  bool operator==(const EventFacts&) const = default;
};

struct FailedFacts {
  ObjectId id = 0;
  Kind kind = 0;
  int32_t error = 0;
  bool operator==(const FailedFacts&) const = default;
};

struct MappedFacts {
  ObjectId id = 0;
  uint32_t memory = 0;
  MapPart part;
  bool operator==(const MappedFacts&) const = default;
};

struct Inventory {
  std::vector<SplitFacts> splits;
  std::vector<DeviceFacts> devices;
  std::vector<ContextFacts> contexts;
  std::vector<ProgramFacts> programs;
  std::vector<QueueFacts> queues;
  std::vector<SamplerFacts> samplers;
  std::vector<MemoryFacts> memory;
  std::vector<KernelFacts> kernels;
  std::vector<EventFacts> events;
  std::vector<FailedFacts> failed;
  std::vector<MappedFacts> mapped;
  std::vector<DeferredError> deferred;
  std::vector<std::pair<uint64_t, uint64_t>> awaited;  // see wire::Bulk::awaited()
  std::vector<Recording> recordings;                   // of command buffers
  std::vector<std::byte> call;                         // parts of one that has not come whole
  size_t bytes() const;                                // contents of the memory
};

base::Status encode(const Inventory& inventory, wire::Writer& writer);
// `devices`: how many the worker has.
base::Result<Inventory> decode_inventory(wire::Bytes bytes, size_t devices);

}  // namespace flexai::remote::opencl
