#include "agent/dra/grants.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/dra/file.h"
#include "agent/dra/published.h"
#include "agent/folders.h"
#include "base/log.h"
#include "kube/names.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using base::Level;
using base::Nanos;

namespace {

constexpr Nanos kLookAgain = 5 * base::kMillisecond;
constexpr Nanos kPatience = 5 * base::kSecond;

Card* card_of(Cards* cards, const std::string& device) {
  for (Card& card : cards->all())
    if (device_name(card.device.key) == device) return &card;
  return nullptr;
}

}  // namespace

Grants::Grants(const Surroundings& around, kube::Client* client, std::string node, int peer_port)
    : around_(around),
      client_(client),
      node_(std::move(node)),
      folder_(around.state + "/grants"),
      peer_port_(peer_port) {}

std::string Grants::file_of(const std::string& slice) const {
  return folder_ + "/" + slice + ".json";
}

void Grants::look() {
  std::vector<std::string> over;
  for (const auto& [slice, grant] : grants_)
    if (!grant.ending && around_.runs->by_claim(slice) == nullptr) over.push_back(slice);
  for (const std::string& slice : over) give_back(slice, "its pod has ended", [](base::Status) {});
}

base::Status Grants::open() {
  FLEXAI_TRY(make_own_folder(folder_, 0700));
  FLEXAI_TRY(make_own_folder(around_.runtime + "/doors", 0700));
  resume();
  drop_strays();
  watch_leases();
  watch_coming();
  measure();
  return {};
}

void Grants::resume() {
  for (const std::string& text : load_all(folder_)) {
    auto record = read_grant(text);
    if (!record.ok()) {
      base::log(Level::kError, "dra", "grant not read", {{"why", record.error().message}});
      continue;
    }
    const std::string slice = record->slice();
    if (around_.runs->by_claim(slice) == nullptr) {
      gone(slice);
      continue;
    }
    grants_[slice].record = std::move(*record);
    // Its claim says where it was first: only its lease speaks for it.
    if (!grants_[slice].record.moved) watch_claim(slice);
  }
}

// Runs and slices of claims that nothing is written of: the agent was killed between two steps.
void Grants::drop_strays() {
  std::vector<uint64_t> runs;
  for (const auto& [id, run] : around_.runs->all())
    if (!run->stored.claim.empty() && !holds(run->stored.claim)) runs.push_back(id);
  for (uint64_t id : runs) {
    around_.sessions->end_run(id, "its claim is not held any more");
    around_.runs->finish(id);
  }
  std::vector<std::string> slices;
  for (const auto& [id, entry] : around_.slices->all())
    if (entry->slice.ephemeral && entry->slice.name.starts_with("k-") && !around_.runs->uses(id))
      slices.push_back(entry->slice.name);
  for (const std::string& slice : slices)
    [[maybe_unused]] auto removed = around_.slices->remove(slice);
}

const kube::Lease* Grants::lease_of(const std::string& slice) const {
  auto it = leases_.find(slice);
  return it == leases_.end() ? nullptr : &it->second;
}

const kube::Lease* Grants::lease_for(const std::string& slice) const {
  auto it = coming_.find(slice);
  const kube::Lease* here = lease_of(slice);
  return here != nullptr || it == coming_.end() ? here : &it->second;
}

base::Status Grants::check_lease(const kube::ClaimResult& result, const std::string& slice) const {
  const kube::Lease* lease = lease_for(slice);
  if (lease == nullptr) return {};
  const std::string& device =
      lease->spec.pool == node_ ? lease->spec.device : lease->spec.target.device;
  if (lease->spec.share_id != result.share_id || device != result.device)
    return fail(Code::kConflict, "lease " + lease->name + " is about share " +
                                     lease->spec.share_id + " of " + lease->spec.device +
                                     ", the claim about " + result.share_id + " of " +
                                     result.device + "; it is tried again");
  if (lease->deleting || lease->spec.state == kube::LeaseState::kReleased)
    return fail(Code::kConflict, "lease " + lease->name + " is being given back");
  if (lease->spec.hold)
    return fail(Code::kUnavailable, "lease " + lease->name + " " + kube::kHeldBack);
  return {};
}

base::Result<model::Slice> Grants::wanted(const kube::Claim& claim,
                                          const kube::ClaimResult& result) const {
  Card* card = card_of(around_.cards, result.device);
  if (card == nullptr)
    return fail(Code::kNotFound, "node " + node_ + " has no device " + result.device +
                                     "; its cards have changed since the claim was allocated");
  if (!kube::is_uuid(result.share_id))
    return fail(Code::kInvalid, "the allocation has no valid shareID (\"" +
                                    result.share_id.substr(0, 40) +
                                    "\"); what wrote it does not know shared cards");
  FLEXAI_TRY_ASSIGN(const kube::SliceConfig config, kube::config_of(claim, result));
  if (config.isolation != kube::Isolation::kServed)
    return fail(Code::kUnsupported,
                "isolation direct is not there yet on Kubernetes; leave it out");
  if (result.compute_milli.value_or(1000) > 1000 || result.compute_milli.value_or(1000) == 0)
    return fail(Code::kInvalid, "the allocation's compute is not from 1 to 1000");
  model::Slice slice;
  slice.name = kube::slice_name(claim.uid, result.index);
  slice.card = card->device.id;
  slice.ephemeral = true;
  slice.owner_uid = ::geteuid();
  slice.qos = config.qos;
  slice.priority = config.priority;
  slice.compute_milli = static_cast<uint32_t>(result.compute_milli.value_or(1000));
  slice.memory_bytes =
      std::min(result.memory_bytes.value_or(card->device.memory_bytes), card->device.memory_bytes);
  if (const kube::Lease* lease = lease_for(slice.name)) {
    slice.compute_milli = lease->spec.compute_milli;
    if (lease->spec.memory_bytes != 0) slice.memory_bytes = lease->spec.memory_bytes;
    const bool suspended = lease->spec.state == kube::LeaseState::kSuspended;
    if (suspended) slice.residency = model::Residency::kMemory;  // nothing of it is on the card
    if (suspended || lease->spec.state == kube::LeaseState::kShared)
      slice.qos = model::Qos::kBestEffort;
  }
  slice.ceiling_milli = std::max(config.ceiling_milli, slice.compute_milli);
  if (slice.qos == model::Qos::kFixed) slice.ceiling_milli = slice.compute_milli;
  if (slice.qos == model::Qos::kBestEffort) slice.compute_milli = 0;
  return slice;
}

base::Result<Run*> Grants::known(const GrantRecord& record) {
  const std::string slice = record.slice();
  Grant& grant = grants_.at(slice);
  if (grant.ending)
    return fail(Code::kUnavailable, "slice " + slice + " is being given back; it is tried again");
  if (grant.record.uid != record.uid)
    return fail(Code::kConflict, "slice " + slice + " belongs to claim " + grant.record.ns + "/" +
                                     grant.record.name + "; make the claim anew");
  Run* run = around_.runs->by_claim(slice);
  if (grant.record == record && run != nullptr) return run;
  if (run == nullptr && around_.slices->by_name(slice) == nullptr) {
    gone(slice);
    return static_cast<Run*>(nullptr);
  }
  give_back(slice, "its claim was allocated anew", [](base::Status) {});
  return fail(Code::kUnavailable, "slice " + slice +
                                      " of an earlier allocation is being given back; it is tried "
                                      "again");
}

base::Result<Run*> Grants::make(const kube::Claim& claim, const kube::ClaimResult& result,
                                const GrantRecord& record) {
  const std::string name = record.slice();
  FLEXAI_TRY(check_lease(result, name));
  FLEXAI_TRY_ASSIGN(model::Slice slice, wanted(claim, result));
  FLEXAI_TRY(write_file(file_of(name), write(record), 0600));
  auto entry = around_.slices->create(slice);
  if (!entry.ok()) {
    ::unlink(file_of(name).c_str());
    return entry.error();
  }
  StoredRun run;
  run.uid = ::geteuid();
  run.command = "claim " + claim.ns + "/" + claim.name;
  run.slices = {(*entry)->id};
  run.host = record.host;
  run.claim = name;
  run.tenant = claim.ns;
  auto held = around_.runs->hold(std::move(run));
  if (!held.ok()) {
    [[maybe_unused]] auto removed = around_.slices->remove(name);
    ::unlink(file_of(name).c_str());
    return held.error();
  }
  grants_[name].record = record;
  if (const kube::Lease* lease = lease_of(name))
    lease_told(*lease);
  else if (!record.moved)
    watch_claim(name);
  return *held;
}

base::Result<Run*> Grants::grant(const kube::Claim& claim, const kube::ClaimResult& result,
                                 const std::string& host) {
  GrantRecord record{claim.ns,      claim.name,      claim.uid, result.index,
                     result.device, result.share_id, host};
  record.moved =
      std::none_of(claim.results.begin(), claim.results.end(), [&](const kube::ClaimResult& first) {
        return first.index == result.index && first.pool == node_ && first.device == result.device;
      });
  if (holds(record.slice())) {
    record.moved = grants_.at(record.slice()).record.moved;
    FLEXAI_TRY_ASSIGN(Run * run, known(record));
    if (run != nullptr) return run;
  }
  auto made = make(claim, result, record);
  if (!made.ok()) tell_failed(record.slice(), made.error().message);
  return made;
}

std::vector<std::string> Grants::of_claim(const std::string& uid) const {
  std::vector<std::string> slices;
  for (const auto& [slice, grant] : grants_)
    if (grant.record.uid == uid && grant.record.host.empty()) slices.push_back(slice);
  return slices;
}

void Grants::watch_claim(const std::string& slice) {
  Grant& grant = grants_.at(slice);
  kube::ListWatchOptions options;
  options.resource = kube::kResourceClaims;
  options.selection.ns = grant.record.ns;
  options.selection.field_selector = "metadata.name=" + grant.record.name;
  kube::ReflectorHandlers<kube::Claim> handlers;
  handlers.added = [this, slice](const std::string&, const kube::Claim& now) {
    look_at(slice, now);
  };
  handlers.updated = [this, slice](const std::string&, const kube::Claim&, const kube::Claim& now) {
    look_at(slice, now);
  };
  handlers.deleted = [this, slice](const std::string&, const kube::Claim&) {
    give_back(slice, "its claim was deleted", [](base::Status) {});
  };
  handlers.synced = [this, slice] {
    auto it = grants_.find(slice);
    if (it != grants_.end() && it->second.watch && it->second.watch->store().size() == 0)
      give_back(slice, "its claim is gone", [](base::Status) {});
  };
  grant.watch = std::make_unique<kube::Reflector<kube::Claim>>(
      *client_, *around_.loop, std::move(options),
      [](const kube::Meta&, kube::ObjectText text) -> base::Result<std::optional<kube::Claim>> {
        FLEXAI_TRY_ASSIGN(kube::Claim claim, kube::parse_claim(text.json));
        return std::optional(std::move(claim));
      },
      std::move(handlers));
}

void Grants::look_at(const std::string& slice, const kube::Claim& claim) {
  auto it = grants_.find(slice);
  if (it == grants_.end() || it->second.ending) return;
  const GrantRecord& record = it->second.record;
  bool still = false;
  for (const kube::ClaimResult& result : claim.results)
    still = still || (result.index == record.index && result.pool == node_ &&
                      result.device == record.device && result.share_id == record.share_id);
  if (still && claim.uid == record.uid) return;
  give_back(slice, claim.allocated ? "its claim was allocated anew" : "its claim was deallocated",
            [](base::Status) {});
}

void Grants::give_back(const std::string& slice, const std::string& why, Done done) {
  auto it = grants_.find(slice);
  if (it == grants_.end()) return done({});
  Grant& grant = it->second;
  const Nanos until = base::monotonic_now() + kPatience;
  if (!grant.ending) {
    grant.ending = true;
    around_.events->add("claim-given-back", slice, why);
    if (Run* run = around_.runs->by_claim(slice)) {
      const uint64_t id = run->stored.id;
      around_.sessions->end_run(id, why);
      around_.runs->finish(id);
    }
  }
  look_again(slice, until, std::move(done));
}

void Grants::look_again(const std::string& slice, Nanos until, Done done) {
  SliceEntry* entry = around_.slices->by_name(slice);
  const bool used = entry != nullptr && around_.runs->uses(entry->id);
  if (entry != nullptr && !used) [[maybe_unused]]
    auto removed = around_.slices->remove(slice);
  if (entry == nullptr || !used) {
    gone(slice);
    return done({});
  }
  if (base::monotonic_now() >= until && done) {
    done(fail(Code::kTimeout, "slice " + slice + " is still in use; its sessions are being ended"));
    done = [](base::Status) {};
  }
  const Nanos pause = base::monotonic_now() < until ? kLookAgain : base::kSecond;
  around_.loop->at(base::monotonic_now() + pause,
                   [this, slice, until, done = std::move(done)]() mutable {
                     look_again(slice, until, std::move(done));
                   });
}

void Grants::gone(const std::string& slice) {
  ::unlink(file_of(slice).c_str());
  auto it = grants_.find(slice);
  const bool left = it != grants_.end() && it->second.left;
  if (it != grants_.end()) grants_.erase(it);
  std::error_code error;
  std::filesystem::remove_all(around_.sessions->door_folder(slice), error);
  const kube::Lease* lease = lease_of(slice);
  if (left && lease != nullptr && !lease->deleting && !lease->spec.target.empty())
    return tell_moved(kube::Lease(*lease));
  if (lease != nullptr) return lease_told(*lease);
  if (auto coming = coming_.find(slice); coming != coming_.end())
    coming_told(kube::Lease(coming->second));
}

}  // namespace flexai::agent::dra
