#include "remote/opencl/worker/swap.h"

#include <algorithm>

#include "remote/opencl/worker/contents.h"
#include "remote/opencl/worker/drain.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using base::Nanos;

base::Result<size_t> Swap::out(base::Fd file, Nanos deadline) {
  if (is_out()) return fail(Code::kConflict, "the session's memory is away already");
  if (!worker_.hold().take(deadline)) return still_busy();
  base::Status done = worker_.recordings().may_go();
  if (done.ok()) done = drain(worker_, deadline);
  if (done.ok()) done = take_away(std::move(file));
  if (done.ok()) return bytes();
  away_.clear();
  store_.reset();
  worker_.hold().let_go();
  return done.error();
}

base::Status Swap::take_away(base::Fd file) {
  worker_.forget_lasts();  // a driver's event may keep the memory of its command
  FLEXAI_TRY(note_all());
  FLEXAI_TRY_ASSIGN(store_, Store::make(std::move(file), bytes()));
  base::Status saved = unmap_all();
  for (const Away& one : away_) {
    if (!saved.ok()) break;
    if (one.facts.bytes == 0) continue;
    auto queue = queues_.of(one.facts.context);
    saved = queue.ok()
                ? read_contents(worker_.table(), *queue, one.object, one.facts, store_->at(one.at))
                : base::Status(queue.error());
  }
  if (!saved.ok()) {
    FLEXAI_TRY(map_all_again());
    return saved;
  }
  queues_.drop();
  worker_.recordings().drop();
  clear_arguments();
  drop_all();
  return {};
}

base::Status Swap::note_all() {
  away_.clear();
  size_t at = 0;
  for (const auto& entry : worker_.handles().all(kMem)) {
    Away one{entry.id, static_cast<cl_mem>(entry.object), entry.references, {}, SIZE_MAX, at, {}};
    FLEXAI_TRY_ASSIGN(one.facts, facts_of(worker_.table(), one.object));
    for (size_t i = 0; one.facts.parent != nullptr && i < away_.size(); ++i)
      if (away_[i].object == one.facts.parent) one.parent = i;
    if (one.facts.parent != nullptr && one.parent == SIZE_MAX)
      return fail(Code::kUnsupported,
                  "the program keeps a part of a buffer that it has given up itself");
    at += one.facts.bytes;
    away_.push_back(std::move(one));
  }
  return {};
}

size_t Swap::bytes() const {
  size_t sum = 0;
  for (const Away& one : away_) sum += one.facts.bytes;
  return sum;
}

base::Status Swap::unmap_all() {
  for (auto& [id, mapping] : worker_.mappings()) {
    const auto of =
        std::find_if(away_.begin(), away_.end(),
                     [object = mapping.object](const Away& one) { return one.object == object; });
    if (of == away_.end())
      return fail(Code::kUnsupported, "the program keeps a mapping of memory that it has given up");
    if (mapping.place.at == nullptr) continue;
    FLEXAI_TRY(unmap_now(worker_.table(), queues_, mapping));
    of->mappings.push_back(id);
  }
  return {};
}

base::Status Swap::map_all_again() {
  base::Status done;
  for (auto& [id, mapping] : worker_.mappings())
    if (!map_again(worker_.table(), queues_, mapping))
      done = fail(Code::kInternal, "the driver did not map memory again");
  queues_.drop();
  return done;
}

// A driver that counts arguments as references would keep the memory.
void Swap::clear_arguments() {
  for (const auto& kernel : worker_.handles().all(kKernel)) {
    auto named = worker_.arguments().find(kernel.id);
    if (named == worker_.arguments().end()) continue;
    for (const auto& [index, argument] : named->second)
      if (argument.kind == kMem)
        worker_.table().clSetKernelArg(static_cast<cl_kernel>(kernel.object), index, sizeof(cl_mem),
                                       nullptr);
  }
}

// What the program has given up since, no launch may use.
void Swap::set_arguments() {
  for (const auto& kernel : worker_.handles().all(kKernel)) {
    auto named = worker_.arguments().find(kernel.id);
    if (named == worker_.arguments().end()) continue;
    for (const auto& [index, argument] : named->second) {
      if (argument.kind != kMem) continue;
      auto found = worker_.handles().find(argument.object, kMem);
      if (found.ok() && found->object != nullptr)
        worker_.table().clSetKernelArg(static_cast<cl_kernel>(kernel.object), index, sizeof(cl_mem),
                                       &found->object);
    }
  }
}

void Swap::drop_all() {
  for (auto one = away_.rbegin(); one != away_.rend(); ++one) {
    for (uint32_t i = 0; i < one->references && one->object != nullptr; ++i)
      worker_.table().clReleaseMemObject(one->object);
    [[maybe_unused]] auto known = worker_.handles().replace(one->id, kMem, nullptr);
  }
}

base::Result<size_t> Swap::in() {
  if (!is_out()) return fail(Code::kConflict, "the session's memory is on the card");
  const Table& table = worker_.table();
  std::vector<cl_mem> made;
  for (const Away& one : away_) {
    cl_int code = CL_SUCCESS;
    cl_mem parent = one.parent == SIZE_MAX ? nullptr : made[one.parent];
    cl_mem object = make_again(table, one.facts, parent, store_->at(one.at), code);
    if (object == nullptr) {
      for (auto old = made.rbegin(); old != made.rend(); ++old) table.clReleaseMemObject(*old);
      return driver_failed("bringing " + std::to_string(bytes()) + " bytes back to the card", code);
    }
    made.push_back(object);
  }
  for (size_t i = 0; i < away_.size(); ++i) {
    for (uint32_t more = 1; more < away_[i].references; ++more) table.clRetainMemObject(made[i]);
    [[maybe_unused]] auto known = worker_.handles().replace(away_[i].id, kMem, made[i]);
    for (ObjectId id : away_[i].mappings) worker_.mappings()[id].object = made[i];
  }
  set_arguments();
  worker_.recordings().play();
  [[maybe_unused]] auto mapped = map_all_again();  // a failed one fails when it is used
  const size_t moved = bytes();
  away_.clear();
  store_.reset();
  worker_.hold().let_go();
  return moved;
}

}  // namespace flexai::remote::opencl
