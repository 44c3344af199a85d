// What stripes ask of a Bulk: which chunk next, where one goes, what became of it.
#include <algorithm>

#include "base/futex.h"
#include "wire/bulk.h"
#include "wire/stripe.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::MutexLock;

bool Bulk::take_chunk(Chunk& chunk) {
  MutexLock lock(mutex_);
  for (auto& [id, out] : outgoing_) {
    if (!out.ready || out.wrong || out.cancelled) continue;
    chunk.id = id;
    if (!out.again.empty()) {
      chunk.index = out.again.back();
      out.again.pop_back();
    } else if (out.next < out.chunks) {
      chunk.index = out.next++;
    } else {
      continue;
    }
    size_t begin = chunk.index * kMaxChunk;
    chunk.bytes = out.from.subspan(begin, std::min<size_t>(kMaxChunk, out.from.size() - begin));
    ++out.senders;
    return true;
  }
  return false;
}

void Bulk::sent_chunk(const Chunk& chunk) {
  MutexLock lock(mutex_);
  auto found = outgoing_.find(chunk.id);
  if (found != outgoing_.end()) --found->second.senders;
  wake_stripes();
}

void Bulk::lost_chunks(const std::vector<Chunk>& chunks) {
  if (chunks.empty()) return;
  MutexLock lock(mutex_);
  for (const Chunk& chunk : chunks) {
    auto found = outgoing_.find(chunk.id);
    if (found != outgoing_.end() && chunk.index < found->second.chunks &&
        !found->second.acked[chunk.index])
      found->second.again.push_back(chunk.index);
  }
  wake_stripes();
}

void Bulk::acked_chunk(uint64_t id, uint64_t index) {
  MutexLock lock(mutex_);
  auto found = outgoing_.find(id);
  if (found == outgoing_.end() || index >= found->second.next || found->second.acked[index]) return;
  found->second.acked[index] = true;
  if (--found->second.missing == 0) wake_stripes();
}

base::Result<std::span<std::byte>> Bulk::place_of(Stripe& stripe, uint64_t id, uint64_t offset,
                                                  size_t size) {
  while (!session_.ended()) {
    const uint32_t seen = changed_.load(std::memory_order_acquire);
    {
      MutexLock lock(mutex_);
      auto found = incoming_.find(id);
      if (found == incoming_.end() || found->second.cancelled) break;
      Incoming& in = found->second;
      if (offset % kMaxChunk != 0 || offset >= in.into.size() ||
          size != std::min<uint64_t>(kMaxChunk, in.into.size() - offset))
        return fail(Code::kCorrupt, "a chunk of bulk data that is none of its transfer's");
      if (in.have[offset / kMaxChunk]) break;
      auto [at, free] = in.writing.try_emplace(offset, &stripe);
      if (free) return in.into.subspan(offset, size);
      // The sender has given that connection up: what may still come over it, perhaps damaged, must
      // not be written any more.
      at->second->cut();
      in.awaited = true;
    }
    rest(seen);
  }
  return std::span<std::byte>{};
}

void Bulk::left_place(uint64_t id, uint64_t offset, bool whole) {
  MutexLock lock(mutex_);
  auto found = incoming_.find(id);
  if (found == incoming_.end()) return;
  Incoming& in = found->second;
  in.writing.erase(offset);
  if (whole && !in.have[offset / kMaxChunk]) {
    in.have[offset / kMaxChunk] = true;
    --in.missing;
  }
  if (in.missing == 0 || in.cancelled || in.awaited) {
    changed_.fetch_add(1, std::memory_order_acq_rel);
    base::futex_wake(&changed_, INT32_MAX);
  }
}

}  // namespace flexai::wire
