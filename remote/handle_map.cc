#include "remote/handle_map.h"

#include <algorithm>

namespace flexai::remote {

using base::Code;
using base::fail;
using base::MutexLock;
using base::Result;

namespace {

std::string name_of(ObjectId id) {
  return "object " + std::to_string(index_of(id)) + "." + std::to_string(generation_of(id));
}

}  // namespace

base::Status HandleMap::put(ObjectId id, Kind kind, void* object, int32_t error) {
  MutexLock lock(mutex_);
  uint32_t index = index_of(id);
  if (index == 0 || generation_of(id) == 0 || kind == 0)
    return fail(Code::kInvalid, name_of(id) + " is no id a client gives");
  if (index > most_)
    return fail(Code::kExhausted,
                name_of(id) + ": a session has at most " + std::to_string(most_) + " objects");
  // Ids come nearly in order; a hostile one costs no more than the bound.
  if (index > slots_.size()) slots_.resize(std::min(most_, std::max(index, index + index / 2)));
  Slot& slot = slots_[index - 1];
  if (slot.kind != 0) return fail(Code::kConflict, name_of(id) + " exists");
  if (generation_of(id) <= slot.generation)
    return fail(Code::kInvalid, name_of(id) + " was used before");
  slot = {object, generation_of(id), 1, error, kind, ++births_};
  ++size_;
  return {};
}

base::Status HandleMap::add(ObjectId id, Kind kind, void* object) {
  return put(id, kind, object, 0);
}

base::Status HandleMap::add_failed(ObjectId id, Kind kind, int32_t error) {
  return put(id, kind, nullptr, error);
}

Result<size_t> HandleMap::place(ObjectId id, Kind kind) const {
  uint32_t index = index_of(id);
  if (index == 0 || index > slots_.size() || kind == 0 || slots_[index - 1].kind != kind ||
      slots_[index - 1].generation != generation_of(id))
    return fail(Code::kNotFound, name_of(id) + " is not there");
  return size_t{index} - 1;
}

Result<HandleMap::Found> HandleMap::find(ObjectId id, Kind kind) const {
  MutexLock lock(mutex_);
  FLEXAI_TRY_ASSIGN(size_t at, place(id, kind));
  return Found{slots_[at].object, slots_[at].error};
}

base::Status HandleMap::retain(ObjectId id, Kind kind) {
  MutexLock lock(mutex_);
  FLEXAI_TRY_ASSIGN(size_t at, place(id, kind));
  if (slots_[at].references == UINT32_MAX)
    return fail(Code::kExhausted, name_of(id) + " has too many references");
  ++slots_[at].references;
  return {};
}

Result<bool> HandleMap::remove(ObjectId id, Kind kind) {
  MutexLock lock(mutex_);
  FLEXAI_TRY_ASSIGN(size_t at, place(id, kind));
  Slot& slot = slots_[at];
  if (--slot.references != 0) return false;
  slot.kind = 0;
  slot.object = nullptr;
  --size_;
  return true;
}

std::vector<HandleMap::Entry> HandleMap::all(Kind kind) const {
  std::vector<std::pair<uint64_t, Entry>> found;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      if (slot.kind != kind || slot.object == nullptr) continue;
      const ObjectId id = make_id(static_cast<uint32_t>(i + 1), slot.generation);
      found.push_back({slot.born, {id, slot.object, slot.references}});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Entry> entries;
  for (auto& [born, entry] : found) entries.push_back(entry);
  return entries;
}

std::vector<HandleMap::Failed> HandleMap::failed() const {
  MutexLock lock(mutex_);
  std::vector<Failed> found;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.kind != 0 && slot.object == nullptr)
      found.push_back(
          {make_id(static_cast<uint32_t>(i + 1), slot.generation), slot.kind, slot.error});
  }
  return found;
}

base::Status HandleMap::replace(ObjectId id, Kind kind, void* object) {
  MutexLock lock(mutex_);
  FLEXAI_TRY_ASSIGN(size_t at, place(id, kind));
  slots_[at].object = object;
  return {};
}

void HandleMap::clear(const std::function<void(Kind, void*)>& release) {
  std::vector<Slot> left;
  {
    MutexLock lock(mutex_);
    left.swap(slots_);
    size_ = 0;
  }
  std::erase_if(left, [](const Slot& slot) { return slot.kind == 0 || slot.object == nullptr; });
  // What was made of others goes before them.
  std::sort(left.begin(), left.end(), [](const Slot& a, const Slot& b) { return a.born > b.born; });
  for (const Slot& slot : left) release(slot.kind, slot.object);
}

uint32_t HandleMap::size() const {
  MutexLock lock(mutex_);
  return size_;
}

}  // namespace flexai::remote
