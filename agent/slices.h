// Slices of this host: what was promised, and the shared memory behind it. Every change is
// admitted, checkpointed, then made true on the card; when one of these fails, nothing has changed.
// Threads: one (the agent's Loop). Pointers to SliceEntry stay valid until the slice is deleted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cards.h"
#include "agent/checkpoint.h"
#include "agent/events.h"
#include "agent/keeper.h"
#include "limit/layout.h"

namespace flexai::agent {

struct SliceEntry {
  uint64_t id = 0;
  std::string card_key;
  model::Slice slice;
  std::string trouble;  // why it cannot serve now (card missing or held elsewhere); empty = serves
  bool moving = false;  // between begin_move() and end_move()
  base::Fd control;     // read-only, for tenants
  base::Fd pages;
  base::Fd doorbell;
  base::Mapping map;  // of pages
  limit::TenantPages* tenant() const { return map.as<limit::TenantPages>(); }
};

// What `slice set` changes; absent = stays.
struct SliceChange {
  std::optional<uint32_t> compute_milli, ceiling_milli;
  std::optional<uint64_t> memory_bytes;
  std::optional<model::Qos> qos;
  std::optional<model::Priority> priority;
  std::optional<bool> paused;
};

class Slices {
 public:
  static constexpr size_t kMaxSlices = 4000;  // the keeper holds 4,096 descriptors

  Slices(Cards* cards, Checkpoint* checkpoint, Keeper* keeper, Events* events,
         uint64_t incarnation);

  // Brings back what the checkpoint knows, with the pages the keeper held.
  void restore(const Stored& stored);

  // Fills in what was left open (card, memory), then checks for room without changing anything.
  base::Result<model::Slice> plan(model::Slice wanted) const;
  // plan() and make it so.
  base::Result<SliceEntry*> create(model::Slice wanted);
  base::Result<SliceEntry*> set(const std::string& name, const SliceChange& change);
  base::Status remove(std::string name);  // a copy: callers give the name that goes with the slice

  // Its memory goes to `to` or comes back to the card. The goal is written down first: should the
  // agent die in between, the next one knows what the workers were told. On its way a slice has its
  // time of the card, so that what is under way comes to its end, and its memory is promised to it.
  // kExhausted: the card has no room for it now.
  base::Status begin_move(SliceEntry* entry, model::Residency to);
  void end_move(SliceEntry* entry, model::Residency now);

  SliceEntry* by_name(const std::string& name);
  SliceEntry* by_id(uint64_t id);
  const std::map<uint64_t, std::unique_ptr<SliceEntry>>& all() const { return entries_; }
  std::vector<model::Slice> values() const;
  Card* card_of(const SliceEntry& entry);
  uint64_t take_id() { return ++last_id_; }  // for runs too: one row of numbers

  // Says the arbiter of the slice that owners of slots changed.
  void slots_changed(const SliceEntry& entry);
  // After the cards were brought up to date: their names, and who can serve now.
  void cards_changed();
  // Slices whose card was held elsewhere begin to serve when it has become free.
  void retry_cards();

  // Gives a new keeper all pages.
  void keep_again();

  // Why the slice cannot serve on its card now; empty = it can.
  std::string trouble_of(const SliceEntry& entry) {
    return trouble_of(entry.slice.card, entry.card_key);
  }

  std::function<void()> on_room;  // called when something promised has been given back

 private:
  base::Status open_pages(SliceEntry* entry, bool fresh);
  base::Status start(SliceEntry* entry);
  base::Status make_live(const SliceEntry& entry, const model::Slice& wanted);
  void drop_unknown_pages();
  std::string trouble_of(const std::string& card_id, const std::string& card_key);

  Cards* cards_;
  Checkpoint* checkpoint_;
  Keeper* keeper_;
  Events* events_;
  uint64_t incarnation_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::unique_ptr<SliceEntry>> entries_;
};

limit::Terms terms_of(const model::Slice& slice);

}  // namespace flexai::agent
