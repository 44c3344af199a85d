// Ids that the client gives to objects it creates, so that a create needs no answer. An id is an
// index, low half, and a generation, upper half: an index comes back with another generation, so
// that a stale id names nothing. Index 0 is never given: id 0 is the null handle. Threads: any.
#pragma once

#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace flexai::remote {

using ObjectId = uint64_t;

inline uint32_t index_of(ObjectId id) { return static_cast<uint32_t>(id); }
inline uint32_t generation_of(ObjectId id) { return static_cast<uint32_t>(id >> 32); }
inline ObjectId make_id(uint32_t index, uint32_t generation) {
  return static_cast<ObjectId>(generation) << 32 | index;
}

class IdSource {
 public:
  explicit IdSource(uint32_t most) : most_(most) {}

  base::Result<ObjectId> take();  // kExhausted when `most` are out
  // After the message that gives the object up was sent: whoever takes the index next sends later.
  void give_back(ObjectId id);
  uint32_t out() const;

 private:
  const uint32_t most_;
  mutable base::Mutex mutex_;
  std::vector<uint32_t> generations_ FLEXAI_GUARDED_BY(mutex_);  // by index, from 1
  std::vector<uint32_t> free_ FLEXAI_GUARDED_BY(mutex_);
};

}  // namespace flexai::remote
