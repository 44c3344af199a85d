#include "agent/dra/preparations.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/dra/cdi.h"
#include "agent/dra/file.h"
#include "agent/folders.h"
#include "base/log.h"
#include "kube/call.h"
#include "kube/claim.h"
#include "kube/names.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using base::Level;

namespace {

constexpr base::Nanos kClaimTime = 10 * base::kSecond;
constexpr base::Nanos kGangTime = 25 * base::kSecond;  // the kubelet waits 45
constexpr base::Nanos kGangPause = 200 * base::kMillisecond;

std::string named(const ClaimName& name) { return "claim " + name.ns + "/" + name.name; }

}  // namespace

// One claim on its way to be prepared.
struct Preparations::Work {
  ClaimName name;
  Done done;
  kube::Claim claim;
  PreparedRecord record;
  std::vector<std::string> fresh;  // slices that were granted here for this
  std::map<size_t, Lent> lent;     // by index
  std::set<std::string> apis;
  const base::Nanos begun = base::monotonic_now();
};

Preparations::Preparations(const Surroundings& around, std::shared_ptr<kube::Client> client,
                           Grants* grants, const Config& config)
    : around_(around),
      client_(std::move(client)),
      grants_(grants),
      config_(config),
      folder_(around.state + "/claims"),
      status_(client_.get(), around.loop, config.node),
      errands_(around.loop) {}

base::Status Preparations::open() {
  FLEXAI_TRY(make_own_folder(folder_, 0700));
  for (const std::string& text : load_all(folder_)) {
    auto record = read_prepared(text);
    if (record.ok())
      resume(*record);
    else
      base::log(Level::kError, "dra", "claim not read", {{"why", record.error().message}});
  }
  for (const std::string& uid : claims_with_cdi(config_.cdi))
    if (prepared_.count(uid) == 0) remove_cdi(config_.cdi, uid);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(around_.runtime + "/doors", error)) {
    const std::string name = entry.path().filename().string();
    if (!grants_->holds(name) && !holds(name)) std::filesystem::remove_all(entry.path(), error);
  }
  return {};
}

bool Preparations::holds(const std::string& slice) const {
  for (const auto& [uid, record] : prepared_)
    for (const PreparedResult& result : record.results)
      if (kube::slice_name(uid, result.index) == slice) return true;
  return false;
}

// Programs of the pod find their door open again. The door of a card of ours is the run's.
void Preparations::resume(const PreparedRecord& record) {
  prepared_[record.uid] = record;
  for (const PreparedResult& result : record.results) {
    if (result.pool == config_.node) continue;
    const std::string slice = kube::slice_name(record.uid, result.index);
    auto listener = listen(slice);
    if (listener.ok())
      doors_[slice] = std::make_unique<RemoteDoor>(client_, record, result, way(),
                                                   std::move(*listener), std::nullopt);
    else
      base::log(Level::kError, "dra", "door not opened again", {{"why", listener.error().message}});
  }
}

base::Result<base::Fd> Preparations::listen(const std::string& slice) {
  const std::string folder = around_.sessions->door_folder(slice);
  FLEXAI_TRY(make_own_folder(folder, 0755));
  return listen_for(folder + "/door", SOCK_STREAM, kAnybody);
}

void Preparations::prepare(const ClaimName& name, Done done) {
  if (!busy_.insert(name.uid).second)
    return done({named(name) + " is being worked on; it is tried again", {}});
  auto work = std::make_shared<Work>();
  work->name = name;
  work->done = std::move(done);
  read_claim(work);
}

void Preparations::read_claim(const WorkPtr& work) {
  work->record = {};
  work->fresh.clear();
  work->lent.clear();
  work->apis.clear();
  kube::Call get = kube::get_object(kube::kResourceClaims, {work->name.ns, work->name.name});
  get.timeout = kClaimTime;
  client_->send(std::move(get), around_.loop,
                [this, work](const kube::Reply& answer) { claim_read(work, answer); });
}

void Preparations::refuse(const WorkPtr& work, const base::Error& why) {
  // The kubelet asks again only after ten seconds or more: all members begin sooner when it waits.
  if (why.message.find(kube::kHeldBack) != std::string::npos &&
      base::monotonic_now() - work->begun < kGangTime) {
    around_.loop->at(base::monotonic_now() + kGangPause, [this, work] { read_claim(work); });
    return;
  }
  busy_.erase(work->name.uid);
  // Of what it was given here; another claim of that name, or another node's, is not ours to judge.
  const kube::Claim& claim = work->claim;
  if (claim.uid == work->name.uid && claim.node == config_.node) status_.tell(claim, why.message);
  base::log(Level::kWarn, "dra", "not prepared",
            {{"claim", work->name.ns + "/" + work->name.name}, {"why", why.message}});
  work->done({why.message, {}});
}

void Preparations::claim_read(const WorkPtr& work, const kube::Reply& answer) {
  if (!answer.ok())
    return refuse(work,
                  fail(answer.failure->code, named(work->name) + ": " + answer.failure->message));
  auto claim = kube::parse_claim(answer.body);
  if (!claim.ok()) return refuse(work, claim.error());
  work->claim = std::move(*claim);
  base::Status good = check(*work);
  if (good.ok()) good = leave_earlier(*work);
  if (good.ok()) {
    for (const kube::ClaimResult& result : work->claim.results)
      work->record.results.push_back(
          {result.index, result.request, result.pool, result.device, result.share_id, 0});
    work->record.ns = work->claim.ns;
    work->record.name = work->claim.name;
    work->record.uid = work->claim.uid;
    good = take_local(work);
  }
  if (!good.ok()) {
    undo(work);
    return refuse(work, good.error());
  }
  take_remote(work);
}

base::Status Preparations::check(const Work& work) const {
  const kube::Claim& claim = work.claim;
  const std::string called = named(work.name);
  if (claim.uid != work.name.uid)
    return fail(Code::kConflict, called + " is another one now, of the same name");
  if (!claim.allocated) return fail(Code::kConflict, called + " is not allocated");
  if (claim.results.empty())
    return fail(Code::kInvalid, called + " was given no card of driver xpu.flexai.io");
  if (!claim.node.empty() && claim.node != config_.node)
    return fail(Code::kDenied,
                called + " was allocated for node " + claim.node + ", not for " + config_.node);
  for (const kube::ClaimResult& result : claim.results) {
    if (result.admin_access)
      return fail(Code::kUnsupported, called + ": adminAccess is not there yet");
    if (!kube::is_uuid(result.share_id))
      return fail(Code::kInvalid, called + ": the allocation of " + result.device +
                                      " has no valid shareID; what wrote it does not know shared "
                                      "cards");
    auto config = kube::config_of(claim, result);
    if (!config.ok()) return std::move(config).with_context(called).error();
    if (config->isolation != kube::Isolation::kServed)
      return fail(Code::kUnsupported,
                  called + ": isolation direct is not there yet on Kubernetes; leave it out");
    if (config->reach == kube::Reach::kLocal && result.pool != config_.node)
      return fail(Code::kDenied, called +
                                     " wants a card of its node (reach: local) and was given "
                                     "one of node " +
                                     result.pool);
  }
  return {};
}

// What the same claim was given by an earlier allocation goes first.
base::Status Preparations::leave_earlier(const Work& work) {
  auto it = prepared_.find(work.name.uid);
  if (it == prepared_.end()) return {};
  bool same = it->second.results.size() == work.claim.results.size();
  for (const kube::ClaimResult& result : work.claim.results) {
    bool found = false;
    for (const PreparedResult& one : it->second.results)
      found = found || (one.index == result.index && one.pool == result.pool &&
                        one.device == result.device && one.share_id == result.share_id);
    same = same && found;
  }
  if (same) return {};
  const PreparedRecord record = it->second;
  prepared_.erase(it);
  ::unlink(file_of(record.uid).c_str());
  remove_cdi(config_.cdi, record.uid);
  clear(record, [](base::Status) {});
  return fail(Code::kUnavailable, named(work.name) + " was allocated anew; what it had before is " +
                                      "being given back, and it is tried again");
}

base::Status Preparations::take_local(const WorkPtr& work) {
  for (const kube::ClaimResult& result : work->claim.results) {
    if (result.pool != config_.node) continue;
    const std::string slice = kube::slice_name(work->claim.uid, result.index);
    const bool held = grants_->holds(slice);
    auto run = grants_->grant(work->claim, result, "");
    if (!run.ok()) return std::move(run).with_context(named(work->name)).error();
    if (!held) work->fresh.push_back(slice);
    for (uint64_t id : (*run)->stored.slices)
      if (SliceEntry* entry = around_.slices->by_id(id))
        if (Card* card = around_.slices->card_of(*entry)) work->apis.insert(card->device.api);
  }
  return {};
}

// All of them one after the other, on a thread of its own.
void Preparations::take_remote(const WorkPtr& work) {
  std::vector<PreparedResult> away;
  for (const PreparedResult& result : work->record.results)
    if (result.pool != config_.node) away.push_back(result);
  if (away.empty()) return finish(work);
  errands_.run([this, work, away, client = client_, way = way(),
                record = work->record]() -> Errands::Then {
    std::map<size_t, Lent> lent;
    for (const PreparedResult& result : away) {
      // It may have been moved since it was given.
      auto now = now_of(*client, record, result);
      auto link = now.ok() ? link_to(*client, now->pool, way) : base::Result<HostLink>(now.error());
      auto granted = link.ok() ? ask_for(*link, record, *now) : base::Result<Lent>(link.error());
      if (!granted.ok())
        return [this, work, lent, why = granted.error()] {
          work->lent = lent;
          undo(work);
          refuse(work, fail(why.code, named(work->name) + ": " + why.message));
        };
      lent[result.index] = std::move(*granted);
    }
    return [this, work, lent] {
      work->lent = lent;
      for (const auto& [index, one] : lent) work->apis.insert(one.apis.begin(), one.apis.end());
      finish(work);
    };
  });
}

void Preparations::finish(const WorkPtr& work) {
  base::Status done = open_doors(work);
  if (done.ok()) done = write_down(work);
  if (!done.ok()) {
    undo(work);
    return refuse(work, fail(done.error().code, named(work->name) + ": " + done.error().message));
  }
  ClaimAnswer answer;
  for (const PreparedResult& result : work->record.results)
    answer.devices.push_back({result.request,
                              result.pool,
                              result.device,
                              result.share_id,
                              {cdi_id(kube::slice_name(work->record.uid, result.index))}});
  busy_.erase(work->name.uid);
  const base::Nanos took = base::monotonic_now() - work->begun;
  base::log(Level::kInfo, "dra", "prepared",
            {{"claim", work->name.ns + "/" + work->name.name},
             {"us", std::to_string(took / base::kMicrosecond)}});
  work->done(std::move(answer));
  status_.tell(work->claim, "");
}

base::Status Preparations::open_doors(const WorkPtr& work) {
  for (PreparedResult& result : work->record.results) {
    const std::string slice = kube::slice_name(work->record.uid, result.index);
    if (result.pool == config_.node) {
      Run* run = around_.runs->by_claim(slice);
      if (run == nullptr) return fail(Code::kUnavailable, "slice " + slice + " was taken back");
      FLEXAI_TRY(make_own_folder(around_.sessions->door_folder(slice), 0755));
      if (run->door.empty() ||
          ::access((around_.sessions->door_folder(slice) + "/door").c_str(), F_OK) != 0) {
        FLEXAI_TRY_ASSIGN([[maybe_unused]] std::string door, around_.sessions->open_door(run));
      }
      continue;
    }
    // Of one that was moved: it ends there with its lease.
    const Lent& lent = work->lent.at(result.index);
    result.run = lent.node == result.pool ? lent.run : 0;
    if (doors_.count(slice) != 0) continue;
    FLEXAI_TRY_ASSIGN(base::Fd listener, listen(slice));
    doors_[slice] = std::make_unique<RemoteDoor>(client_, work->record, result, way(),
                                                 std::move(listener), work->lent.at(result.index));
  }
  return {};
}

base::Status Preparations::write_down(const WorkPtr& work) {
  FLEXAI_TRY_ASSIGN(const auto variables, around_.injection->served(work->apis));
  const std::string& check = config_.image_check;
  if (!check.empty() && ::access(check.c_str(), X_OK) != 0)
    return fail(Code::kUnavailable, check + " is missing; reinstall Flexai");
  std::vector<CdiSlice> slices;
  for (const PreparedResult& result : work->record.results) {
    const std::string slice = kube::slice_name(work->record.uid, result.index);
    slices.push_back({slice, around_.sessions->door_folder(slice)});
  }
  // First the record: by it the next agent clears away what a killed one had begun.
  auto known = prepared_.find(work->record.uid);
  if (known == prepared_.end() || !(known->second == work->record))
    FLEXAI_TRY(write_file(file_of(work->record.uid), write(work->record), 0600));
  prepared_[work->record.uid] = work->record;
  return write_cdi(config_.cdi, work->record.uid, cdi_text(slices, variables, check));
}

// What was made for nothing goes; what was there before stays.
void Preparations::undo(const WorkPtr& work) {
  if (prepared_.count(work->record.uid) != 0 && work->fresh.empty()) return;
  for (const std::string& slice : work->fresh)
    grants_->give_back(slice, "it could not be prepared", [](base::Status) {});
  PreparedRecord away = work->record;
  std::erase_if(away.results, [&](PreparedResult& result) {
    auto lent = work->lent.find(result.index);
    if (lent == work->lent.end()) return true;
    result.run = lent->second.node == result.pool ? lent->second.run : 0;
    return false;
  });
  ::unlink(file_of(work->record.uid).c_str());
  prepared_.erase(work->record.uid);
  if (!away.results.empty()) clear(away, [](base::Status) {});
}

void Preparations::unprepare(const ClaimName& name, Done done) {
  status_.forget(name.uid);
  auto it = prepared_.find(name.uid);
  if (it == prepared_.end()) {
    // Of one that was cut half-way, perhaps.
    if (name.uid.find('/') == std::string::npos) remove_cdi(config_.cdi, name.uid);
    for (const std::string& slice : grants_->of_claim(name.uid))
      grants_->give_back(slice, "its pod has ended", [](base::Status) {});
    return done({});
  }
  if (!busy_.insert(name.uid).second)
    return done({named(name) + " is being worked on; it is tried again", {}});
  const PreparedRecord record = it->second;
  remove_cdi(config_.cdi, record.uid);
  clear(record, [this, record, name, done](base::Status cleared) {
    busy_.erase(record.uid);
    if (!cleared.ok()) return done({named(name) + ": " + cleared.error().message, {}});
    ::unlink(file_of(record.uid).c_str());
    prepared_.erase(record.uid);
    done({});
  });
}

// Slices of this host, doors to others; `done` when all of it is gone.
void Preparations::clear(const PreparedRecord& record, std::function<void(base::Status)> done) {
  struct Open {
    size_t left = 1;
    base::Status status;
  };
  auto open = std::make_shared<Open>();
  auto one_less = [open, done](base::Status status) {
    if (!status.ok() && open->status.ok()) open->status = status;
    if (--open->left == 0) done(open->status);
  };
  for (const PreparedResult& result : record.results) {
    const std::string slice = kube::slice_name(record.uid, result.index);
    open->left += 1;
    if (result.pool == config_.node) {
      grants_->give_back(slice, "its pod has ended", one_less);
      continue;
    }
    std::shared_ptr<RemoteDoor> door;
    if (auto it = doors_.find(slice); it != doors_.end()) {
      door = std::move(it->second);
      doors_.erase(it);
    }
    errands_.run([door, client = client_, result, way = way(), one_less,
                  folder = around_.sessions->door_folder(slice)]() mutable -> Errands::Then {
      // First nobody new, then the sessions there; the thread of the door ends with it.
      std::error_code error;
      std::filesystem::remove_all(folder, error);
      if (result.run != 0) give_back(*client, result, way);
      door.reset();
      return [one_less] { one_less({}); };
    });
  }
  one_less({});
}

}  // namespace flexai::agent::dra
