#include "remote/ids.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::MutexLock;

base::Result<ObjectId> IdSource::take() {
  MutexLock lock(mutex_);
  if (!free_.empty()) {
    uint32_t index = free_.back();
    free_.pop_back();
    return make_id(index, generations_[index - 1]);
  }
  if (generations_.size() >= most_)
    return fail(Code::kExhausted, std::to_string(most_) + " objects are alive in this session");
  generations_.push_back(1);
  return make_id(static_cast<uint32_t>(generations_.size()), 1);
}

void IdSource::give_back(ObjectId id) {
  MutexLock lock(mutex_);
  uint32_t index = index_of(id);
  if (index == 0 || index > generations_.size()) return;
  // Given back twice, an index would be two objects at once.
  if (generations_[index - 1] != generation_of(id)) return;
  if (++generations_[index - 1] == 0) return;  // all generations used up: never again
  free_.push_back(index);
}

uint32_t IdSource::out() const {
  MutexLock lock(mutex_);
  return static_cast<uint32_t>(generations_.size() - free_.size());
}

}  // namespace flexai::remote
