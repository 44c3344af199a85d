// DeferredErrors: execution failures that a queue's next call must report, because the call that
// caused them had returned. The first one of a queue stays until it was reported; later ones follow
// from it and are counted only. None is lost.
// Threads: any. Memory: one entry a queue that has failed and not been asked; forget() with it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "remote/ids.h"
#include "wire/codec.h"

namespace flexai::remote {

struct DeferredError {
  ObjectId queue = 0;
  uint64_t call = 0;   // number of the call on its lane
  uint16_t entry = 0;  // what was called, as the Spec numbers it
  int32_t code = 0;    // the API's
  uint32_t later = 0;  // more failures of the queue since
  std::string text;    // one line, up to 512 bytes
  bool operator==(const DeferredError&) const = default;
};

class DeferredErrors {
 public:
  void add(DeferredError error);
  std::optional<DeferredError> take(ObjectId queue);  // reported: gone
  void forget(ObjectId queue);                        // the queue was released
  bool empty() const;
  std::vector<DeferredError> all() const;

 private:
  mutable base::Mutex mutex_;
  std::map<ObjectId, DeferredError> first_ FLEXAI_GUARDED_BY(mutex_);
};

void encode(const DeferredError& error, wire::Writer& writer);
base::Result<DeferredError> decode_deferred_error(wire::Bytes bytes);

}  // namespace flexai::remote
