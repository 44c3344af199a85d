#include "agent/admission.h"

#include <optional>

#include "model/quantity.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using model::Device;
using model::format_bytes;
using model::format_share;
using model::Qos;
using model::Slice;

uint32_t guarantee(const Slice& slice) {
  return slice.qos == Qos::kBestEffort ? 0 : slice.compute_milli;
}

}  // namespace

Room room_of(const std::string& card, const std::vector<Slice>& slices,
             const std::string& without) {
  Room room;
  for (const Slice& slice : slices) {
    if (slice.card != card || slice.name == without) continue;
    room.granted_milli += guarantee(slice);
    if (slice.residency == model::Residency::kCard) room.granted_bytes += slice.memory_bytes;
    room.slices += 1;
  }
  return room;
}

base::Status admit(const Device& card, const std::vector<Slice>& slices, const Slice& slice) {
  if (!card.healthy)
    return fail(Code::kUnavailable, "card " + card.id + " cannot be used: " + card.health);
  FLEXAI_TRY(model::validate(slice));
  if (slice.memory_bytes > card.memory_bytes)
    return fail(Code::kInvalid, "card " + card.id + " has " + format_bytes(card.memory_bytes) +
                                    " of memory, " + format_bytes(slice.memory_bytes) +
                                    " asked; lower --memory");
  Room room = room_of(card.id, slices, slice.name);
  if (guarantee(slice) > room.free_milli())
    return fail(Code::kExhausted,
                "card " + card.id + " has " +
                    (room.free_milli() == 0 ? "no" : format_share(room.free_milli())) +
                    " compute left to promise, " + format_share(guarantee(slice)) +
                    " asked; free some, use --qos besteffort, or --wait");
  if (slice.residency == model::Residency::kCard && slice.memory_bytes > room.free_bytes(card))
    return fail(Code::kExhausted,
                "card " + card.id + " has " + format_bytes(room.free_bytes(card)) +
                    " of memory left to promise, " + format_bytes(slice.memory_bytes) +
                    " asked; free some, lower --memory, or --wait");
  return {};
}

base::Result<std::string> choose_card(const std::vector<Device>& cards,
                                      const std::vector<Slice>& slices, const Slice& slice) {
  const Device* best = nullptr;
  Room best_room;
  std::optional<base::Error> why;
  for (const Device& card : cards) {
    Slice wanted = slice;
    wanted.card = card.id;
    if (wanted.memory_bytes == 0) {
      FLEXAI_TRY_ASSIGN(wanted.memory_bytes, default_memory(card, wanted));
    }
    base::Status status = admit(card, slices, wanted);
    if (!status.ok()) {
      // No room is more telling than a card that is broken or too small.
      if (!why || status.error().code == Code::kExhausted) why = status.error();
      continue;
    }
    Room room = room_of(card.id, slices);
    bool better = best == nullptr || room.free_milli() < best_room.free_milli() ||
                  (room.free_milli() == best_room.free_milli() &&
                   room.free_bytes(card) < best_room.free_bytes(*best));
    if (better) {
      best = &card;
      best_room = room;
    }
  }
  if (best != nullptr) return best->id;
  if (why) return *why;
  return fail(Code::kNotFound,
              "this host has no card; check `flexai devices` and that a driver is installed");
}

base::Result<uint64_t> default_memory(const Device& card, const Slice& slice) {
  if (slice.compute_milli == 0)
    return fail(Code::kInvalid, "memory is missing; say how much, as in --memory 1GiB");
  return card.memory_bytes / 1000 * slice.compute_milli;
}

}  // namespace flexai::agent
