// JSON from strangers: requests for slices, a driver's description of its cards; shares and sizes
// as people type them. Input: the text.
#include <nlohmann/json.hpp>

#include "agent/admission.h"
#include "model/json.h"
#include "model/quantity.h"
#include "test/fuzz/input.h"

namespace flexai::agent {
base::Result<model::Slice> read_wanted_slice(const nlohmann::json& body, uint32_t uid);
}

using namespace flexai;
using test::must;

namespace {

void quantities(const std::string& text) {
  auto share = model::parse_share(text);
  if (share.ok()) {
    must(*share >= 1 && *share <= 1000, "a share is part of a card");
    auto again = model::parse_share(model::format_share(*share));
    must(again.ok() && *again == *share, "a share is read as it is written");
  }
  auto bytes = model::parse_bytes(text);
  if (bytes.ok()) must(*bytes >= 1 && *bytes <= 1000000000000000ull, "a size is in its bounds");
  if (bytes.ok() && *bytes < 990000000000000ull)  // what is written is rounded, perhaps upwards
    must(model::parse_bytes(model::format_bytes(*bytes)).ok(), "a size can be read");
}

void slices(const nlohmann::json& value) {
  auto slice = model::slice_from_json(value);
  if (slice.ok()) {
    auto again = model::slice_from_json(model::to_json(*slice));
    must(again.ok() && *again == *slice, "a slice is read as it is written");
  }
  auto wanted = agent::read_wanted_slice(value, 7);
  if (!wanted.ok()) return;
  must(wanted->owner_uid == 7 && !wanted->ephemeral, "nobody chooses an owner");
  model::Device card;
  card.id = wanted->card;
  card.memory_bytes = 8ull << 30;
  card.healthy = true;
  model::Slice present;
  present.name = "present";
  present.card = card.id;
  present.compute_milli = 400;
  present.memory_bytes = 3ull << 30;
  if (!model::validate(*wanted).ok() || wanted->name == present.name) return;
  if (!agent::admit(card, {present}, *wanted).ok()) return;
  auto room = agent::room_of(card.id, {present, *wanted});
  must(room.granted_milli <= 1000, "guarantees fit the card");
  must(room.granted_bytes <= card.memory_bytes, "memory fits the card");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  quantities(text);
  auto value = model::parse_json(text);
  if (!value.ok()) {
    must(!value.error().message.empty(), "a refusal says why");
    return 0;
  }
  slices(*value);
  auto card = model::device_from_json(*value);
  if (card.ok()) {
    auto again = model::device_from_json(model::to_json(*card));
    must(again.ok() && again->key == card->key, "a card is read as it is written");
  }
  return 0;
}
