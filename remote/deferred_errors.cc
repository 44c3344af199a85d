#include "remote/deferred_errors.h"

namespace flexai::remote {

using base::MutexLock;

namespace {
constexpr size_t kMostText = 512;
}

void DeferredErrors::add(DeferredError error) {
  MutexLock lock(mutex_);
  ObjectId queue = error.queue;
  auto [at, fresh] = first_.try_emplace(queue, std::move(error));
  if (!fresh && at->second.later != UINT32_MAX) ++at->second.later;
}

std::optional<DeferredError> DeferredErrors::take(ObjectId queue) {
  MutexLock lock(mutex_);
  auto found = first_.find(queue);
  if (found == first_.end()) return std::nullopt;
  DeferredError error = std::move(found->second);
  first_.erase(found);
  return error;
}

void DeferredErrors::forget(ObjectId queue) {
  MutexLock lock(mutex_);
  first_.erase(queue);
}

std::vector<DeferredError> DeferredErrors::all() const {
  base::MutexLock lock(mutex_);
  std::vector<DeferredError> found;
  for (const auto& [queue, error] : first_) found.push_back(error);
  return found;
}

bool DeferredErrors::empty() const {
  MutexLock lock(mutex_);
  return first_.empty();
}

void encode(const DeferredError& error, wire::Writer& writer) {
  writer.handle(error.queue);
  writer.u64(error.call);
  writer.u16(error.entry);
  writer.i32(error.code);
  writer.u32(error.later);
  writer.text(std::string_view(error.text).substr(0, kMostText));
}

base::Result<DeferredError> decode_deferred_error(wire::Bytes bytes) {
  wire::Reader reader(bytes);
  DeferredError error;
  error.queue = reader.handle("queue");
  error.call = reader.u64("call");
  error.entry = reader.u16("entry");
  error.code = reader.i32("code");
  error.later = reader.u32("later");
  error.text = reader.text("text", kMostText);
  FLEXAI_TRY(reader.finish().with_context("deferred error"));
  return error;
}

}  // namespace flexai::remote
