#include "agent/slices.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <set>

#include "agent/admission.h"
#include "base/log.h"
#include "model/quantity.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::Fd;
using base::Level;
using model::Qos;
using model::Slice;

std::string pages_name(uint64_t id) { return "pages-" + std::to_string(id); }

std::string describe(const Slice& slice) {
  return std::string(model::qos_name(slice.qos)) + " slice on " + slice.card + ": compute " +
         (slice.compute_milli == 0 ? "0%" : model::format_share(slice.compute_milli)) +
         ", ceiling " + model::format_share(slice.ceiling_milli) + ", memory " +
         model::format_bytes(slice.memory_bytes) + ", priority " +
         model::priority_name(slice.priority) + (slice.paused ? ", paused" : "") +
         (slice.residency == model::Residency::kCard ? "" : ", swapped out");
}

// Memory that it may have on its card now.
uint64_t on_card(const Slice& slice) {
  return slice.residency == model::Residency::kCard ? slice.memory_bytes : 0;
}

// A promise that would not be kept is refused rather than ignored.
base::Status promise_makes_sense(const Slice& slice) {
  if (slice.qos != Qos::kBestEffort || slice.compute_milli == 0) return {};
  return fail(Code::kInvalid,
              "a besteffort slice is promised no compute; leave out --compute, limit it with "
              "--ceiling, or use --qos elastic");
}

Slice changed(Slice slice, const SliceChange& change) {
  if (change.qos) slice.qos = *change.qos;
  if (change.priority) slice.priority = *change.priority;
  if (change.paused) slice.paused = *change.paused;
  if (change.memory_bytes) slice.memory_bytes = *change.memory_bytes;
  if (change.compute_milli)
    slice.compute_milli = *change.compute_milli;
  else if (slice.qos == Qos::kBestEffort)
    slice.compute_milli = 0;  // from now on nothing is promised
  if (change.ceiling_milli)
    slice.ceiling_milli = *change.ceiling_milli;
  else if (slice.qos == Qos::kFixed)
    slice.ceiling_milli = slice.compute_milli;  // a fixed slice is its own ceiling
  else if (change.qos)
    slice.ceiling_milli = 1000;
  return slice;
}

}  // namespace

limit::Terms terms_of(const Slice& slice) {
  return limit::Terms{slice.qos, slice.qos == Qos::kBestEffort ? 0 : slice.compute_milli,
                      slice.ceiling_milli, slice.priority, slice.still()};
}

Slices::Slices(Cards* cards, Checkpoint* checkpoint, Keeper* keeper, Events* events,
               uint64_t incarnation)
    : cards_(cards),
      checkpoint_(checkpoint),
      keeper_(keeper),
      events_(events),
      incarnation_(incarnation) {}

std::string Slices::trouble_of(const std::string& card_id, const std::string& card_key) {
  Card* card = cards_->by_key(card_key);
  if (card == nullptr) return "its card " + card_id + " is not there any more";
  if (card->arbiter == nullptr) return "card " + card->device.id + ": " + card->device.health;
  return "";
}

base::Status Slices::open_pages(SliceEntry* entry, bool fresh) {
  const std::string name = pages_name(entry->id);
  if (!fresh) {
    auto kept = keeper_->get(name);
    if (kept.ok()) {
      auto map = map_tenant_pages(kept->get(), entry->id);
      if (map.ok()) {
        entry->pages = std::move(*kept);
        entry->map = std::move(*map);
        return {};
      }
      base::log(Level::kError, "slices", "pages from the keeper are not usable",
                {{"slice", entry->slice.name}, {"why", map.error().message}});
      [[maybe_unused]] auto dropped = keeper_->drop(name);
    }
  }
  FLEXAI_TRY_ASSIGN(entry->pages, make_tenant_pages(entry->id));
  FLEXAI_TRY_ASSIGN(entry->map, map_tenant_pages(entry->pages.get(), entry->id));
  return keeper_->put(name, entry->pages.get());
}

base::Status Slices::start(SliceEntry* entry) {
  Card* card = cards_->by_key(entry->card_key);
  FLEXAI_TRY_ASSIGN(auto control, make_control_page(entry->id, incarnation_));
  SliceRuntime runtime;
  runtime.id = entry->id;
  runtime.name = entry->slice.name;
  runtime.control = std::move(control.control);
  FLEXAI_TRY_ASSIGN(runtime.pages, map_tenant_pages(entry->pages.get(), entry->id));
  Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return base::fail_errno("eventfd");
  FLEXAI_TRY_ASSIGN(runtime.doorbell, bell.duplicate());
  FLEXAI_TRY(
      card->arbiter->add_slice(std::move(runtime), terms_of(entry->slice), on_card(entry->slice)));
  entry->control = std::move(control.read_only);
  entry->doorbell = std::move(bell);
  entry->trouble.clear();
  return {};
}

void Slices::restore(const Stored& stored) {
  last_id_ = stored.last_id;
  for (const StoredSlice& from : stored.slices) {
    auto entry = std::make_unique<SliceEntry>();
    entry->id = from.id;
    entry->card_key = from.card_key;
    entry->slice = from.slice;
    if (Card* card = cards_->by_key(from.card_key)) entry->slice.card = card->device.id;
    entry->trouble = trouble_of(from.slice.card, from.card_key);
    base::Status status = open_pages(entry.get(), false);
    if (status.ok() && entry->trouble.empty()) status = start(entry.get());
    if (!status.ok()) entry->trouble = status.error().message;
    if (!entry->trouble.empty())
      base::log(Level::kWarn, "slices", "slice cannot serve",
                {{"slice", entry->slice.name}, {"why", entry->trouble}});
    entries_.emplace(from.id, std::move(entry));
  }
  drop_unknown_pages();
}

void Slices::keep_again() {
  for (const auto& [id, entry] : entries_) {
    base::Status put = keeper_->put(pages_name(id), entry->pages.get());
    if (!put.ok())
      base::log(Level::kError, "slices", "pages not kept",
                {{"slice", entry->slice.name}, {"why", put.error().message}});
  }
}

// Pages of slices that the checkpoint does not know (it was set aside, or a deletion was cut
// short).
void Slices::drop_unknown_pages() {
  auto names = keeper_->list();
  if (!names.ok()) return;
  std::set<std::string> known;
  for (const auto& [id, entry] : entries_) known.insert(pages_name(id));
  for (const std::string& name : *names)
    if (name.rfind("pages-", 0) == 0 && known.count(name) == 0) [[maybe_unused]]
      auto dropped = keeper_->drop(name);
}

void Slices::cards_changed() {
  for (auto& [id, entry] : entries_)
    if (Card* card = cards_->by_key(entry->card_key)) entry->slice.card = card->device.id;
  retry_cards();
  if (on_room) on_room();
}

void Slices::retry_cards() {
  for (Card& card : cards_->all()) cards_->retry(&card, keeper_);
  for (auto& [id, entry] : entries_) {
    if (entry->trouble.empty()) continue;
    std::string trouble = trouble_of(entry->slice.card, entry->card_key);
    if (trouble.empty()) {
      base::Status started = start(entry.get());
      if (!started.ok()) trouble = started.error().message;
    }
    entry->trouble = trouble;
  }
}

base::Result<Slice> Slices::plan(Slice wanted) const {
  FLEXAI_TRY(promise_makes_sense(wanted));
  std::vector<Slice> present = values();
  for (const Slice& slice : present)
    if (slice.name == wanted.name)
      return fail(Code::kConflict, "slice " + wanted.name +
                                       " exists; choose another name, or change it with `flexai "
                                       "slice set`");
  if (present.size() >= kMaxSlices)
    return fail(Code::kExhausted, "this agent has 4000 slices already; delete some");
  if (wanted.qos != Qos::kBestEffort && wanted.compute_milli == 0)
    return fail(Code::kInvalid, "compute is missing; say how much, as in --compute 30%");
  if (wanted.card.empty()) {
    FLEXAI_TRY_ASSIGN(wanted.card, choose_card(cards_->devices(), present, wanted));
  }
  Card* card = cards_->by_id(wanted.card);
  if (card == nullptr)
    return fail(Code::kNotFound,
                "no card \"" + wanted.card.substr(0, 63) + "\" on this host; see `flexai devices`");
  if (wanted.memory_bytes == 0) {
    FLEXAI_TRY_ASSIGN(wanted.memory_bytes, default_memory(card->device, wanted));
  }
  FLEXAI_TRY(admit(card->device, present, wanted));
  return wanted;
}

base::Result<SliceEntry*> Slices::create(Slice wanted) {
  for (Card& card : cards_->all()) cards_->retry(&card, keeper_);
  FLEXAI_TRY_ASSIGN(wanted, plan(std::move(wanted)));
  Card* card = cards_->by_id(wanted.card);
  auto entry = std::make_unique<SliceEntry>();
  entry->id = take_id();
  entry->card_key = card->device.key;
  entry->slice = wanted;
  base::Status status = open_pages(entry.get(), true);
  if (status.ok()) {
    Change change;
    change.put_slices.push_back(StoredSlice{entry->id, entry->card_key, entry->slice});
    status = checkpoint_->save(change);
    if (status.ok()) {
      status = start(entry.get());
      if (!status.ok()) {
        Change undo;
        undo.drop_slices.push_back(entry->id);
        [[maybe_unused]] auto undone = checkpoint_->save(undo);
      }
    }
    if (!status.ok()) [[maybe_unused]]
      auto dropped = keeper_->drop(pages_name(entry->id));
  }
  if (!status.ok()) return status.error();
  SliceEntry* result = entry.get();
  entries_.emplace(entry->id, std::move(entry));
  events_->add("slice-created", wanted.name, describe(wanted));
  return result;
}

base::Result<SliceEntry*> Slices::set(const std::string& name, const SliceChange& change) {
  SliceEntry* entry = by_name(name);
  if (entry == nullptr) return fail(Code::kNotFound, "no slice \"" + name.substr(0, 63) + "\"");
  if (!entry->trouble.empty())
    return fail(Code::kUnavailable, "slice " + name + " cannot serve: " + entry->trouble);
  Card* card = cards_->by_key(entry->card_key);
  Slice wanted = changed(entry->slice, change);
  FLEXAI_TRY(promise_makes_sense(wanted));
  FLEXAI_TRY(admit(card->device, values(), wanted));
  if (wanted == entry->slice) return entry;
  Change record;
  record.put_slices.push_back(StoredSlice{entry->id, entry->card_key, wanted});
  FLEXAI_TRY(checkpoint_->save(record));
  base::Status live = make_live(*entry, wanted);
  if (!live.ok()) {
    Change undo;
    undo.put_slices.push_back(StoredSlice{entry->id, entry->card_key, entry->slice});
    [[maybe_unused]] auto undone = checkpoint_->save(undo);
    return live.error();
  }
  const char* kind = wanted.paused == entry->slice.paused ? "slice-changed"
                     : wanted.paused                      ? "slice-paused"
                                                          : "slice-resumed";
  entry->slice = wanted;
  events_->add(kind, name, describe(wanted));
  if (on_room) on_room();
  return entry;
}

base::Status Slices::make_live(const SliceEntry& entry, const Slice& wanted) {
  Card* card = cards_->by_key(entry.card_key);
  if (card == nullptr || card->arbiter == nullptr)
    return fail(Code::kUnavailable, "its card " + entry.slice.card + " is not there any more");
  return card->arbiter->set_terms(entry.id, terms_of(wanted), on_card(wanted));
}

base::Status Slices::begin_move(SliceEntry* entry, model::Residency to) {
  Card* card = cards_->by_key(entry->card_key);
  if (!entry->trouble.empty() || card == nullptr)
    return fail(Code::kUnavailable,
                "slice " + entry->slice.name + " cannot serve: " + entry->trouble);
  Slice goal = entry->slice, way = entry->slice;
  goal.residency = to;
  way.residency = model::Residency::kCard;
  way.paused = false;
  FLEXAI_TRY(admit(card->device, values(), way));
  Change record;
  record.put_slices.push_back(StoredSlice{entry->id, entry->card_key, goal});
  FLEXAI_TRY(checkpoint_->save(record));
  FLEXAI_TRY(make_live(*entry, way));
  entry->slice.residency = model::Residency::kCard;
  entry->moving = true;
  return {};
}

void Slices::end_move(SliceEntry* entry, model::Residency now) {
  entry->moving = false;
  entry->slice.residency = now;
  Change record;
  record.put_slices.push_back(StoredSlice{entry->id, entry->card_key, entry->slice});
  base::Status done = checkpoint_->save(record);
  if (done.ok()) done = make_live(*entry, entry->slice);
  if (!done.ok())
    base::log(Level::kError, "slices", "slice moved, but not all of it is known",
              {{"slice", entry->slice.name}, {"why", done.error().message}});
  events_->add(now == model::Residency::kCard ? "slice-on-card" : "slice-swapped-out",
               entry->slice.name, describe(entry->slice));
  if (on_room) on_room();
}

base::Status Slices::remove(std::string name) {
  SliceEntry* entry = by_name(name);
  if (entry == nullptr) return fail(Code::kNotFound, "no slice \"" + name.substr(0, 63) + "\"");
  Change change;
  change.drop_slices.push_back(entry->id);
  FLEXAI_TRY(checkpoint_->save(change));
  Card* card = cards_->by_key(entry->card_key);
  if (card != nullptr && card->arbiter != nullptr) {
    base::Status gone = card->arbiter->remove_slice(entry->id);
    if (!gone.ok() && gone.error().code != Code::kNotFound)
      base::log(Level::kError, "slices", "arbiter keeps slice", {{"why", gone.error().message}});
  }
  base::Status dropped = keeper_->drop(pages_name(entry->id));
  if (!dropped.ok())
    base::log(Level::kWarn, "slices", "keeper", {{"why", dropped.error().message}});
  entries_.erase(entry->id);
  events_->add("slice-deleted", name, "slice deleted");
  if (on_room) on_room();
  return {};
}

SliceEntry* Slices::by_name(const std::string& name) {
  for (auto& [id, entry] : entries_)
    if (entry->slice.name == name) return entry.get();
  return nullptr;
}

SliceEntry* Slices::by_id(uint64_t id) {
  auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : it->second.get();
}

std::vector<Slice> Slices::values() const {
  std::vector<Slice> values;
  for (const auto& [id, entry] : entries_) values.push_back(entry->slice);
  return values;
}

Card* Slices::card_of(const SliceEntry& entry) { return cards_->by_key(entry.card_key); }

void Slices::slots_changed(const SliceEntry& entry) {
  Card* card = cards_->by_key(entry.card_key);
  if (card != nullptr && card->arbiter != nullptr) card->arbiter->slots_changed(entry.id);
}

}  // namespace flexai::agent
