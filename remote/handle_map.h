// HandleMap: the worker's side of the client's ids: what object each one is. Every id is from the
// wire, so from a tenant who may send anything: an unknown one, one of another kind, one that was
// released. A create that failed leaves its error under the id: what depends on it fails with that
// first error, in order, although the client went on without waiting.
// Threads: any. Memory: bounded by `most` objects; the index of an id must be at most that.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "remote/ids.h"

namespace flexai::remote {

// Kinds are the API's; 0 is none.
using Kind = uint8_t;

class HandleMap {
 public:
  explicit HandleMap(uint32_t most) : most_(most) {}

  // kConflict: the id is in use; kInvalid: it is none a client would give; kExhausted: over `most`.
  base::Status add(ObjectId id, Kind kind, void* object);
  base::Status add_failed(ObjectId id, Kind kind, int32_t error);

  struct Found {
    void* object = nullptr;  // null: it failed to be created
    int32_t error = 0;       // the API's code then
  };
  // kNotFound: never was, was released, or is of another kind.
  base::Result<Found> find(ObjectId id, Kind kind) const;

  // References that the client holds, one after add(). remove() gives one up and tells whether it
  // was the last: the id is free then.
  base::Status retain(ObjectId id, Kind kind);
  base::Result<bool> remove(ObjectId id, Kind kind);

  struct Entry {
    ObjectId id = 0;
    void* object = nullptr;
    uint32_t references = 0;
  };
  // Of those of a kind that did not fail, oldest first.
  std::vector<Entry> all(Kind kind) const;
  struct Failed {
    ObjectId id = 0;
    Kind kind = 0;
    int32_t error = 0;
  };
  std::vector<Failed> failed() const;
  // Another object behind a known id. kNotFound as with find().
  base::Status replace(ObjectId id, Kind kind, void* object);

  // All that is left, newest first, and forgets it: at the end of a session.
  void clear(const std::function<void(Kind, void*)>& release);

  uint32_t size() const;

 private:
  struct Slot {
    void* object = nullptr;
    uint32_t generation = 0;
    uint32_t references = 0;
    int32_t error = 0;
    Kind kind = 0;  // 0: free
    uint64_t born = 0;
  };
  base::Status put(ObjectId id, Kind kind, void* object, int32_t error);
  base::Result<size_t> place(ObjectId id, Kind kind) const FLEXAI_REQUIRES(mutex_);

  const uint32_t most_;
  mutable base::Mutex mutex_;
  std::vector<Slot> slots_ FLEXAI_GUARDED_BY(mutex_);  // by index - 1
  uint32_t size_ FLEXAI_GUARDED_BY(mutex_) = 0;
  uint64_t births_ FLEXAI_GUARDED_BY(mutex_) = 0;
};

}  // namespace flexai::remote
