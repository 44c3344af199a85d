// Slices whose memory leaves their card, and comes back.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/api.h"
#include "agent/folders.h"
#include "model/json_reader.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using model::Residency;
using nlohmann::json;
using remote::OrderWord;

// One slice on its way, with all the sessions that use it.
struct Api::Move {
  std::function<void(base::Result<json>)> done;
  uint64_t slice = 0;
  Residency from = Residency::kCard, to = Residency::kCard;
  base::Nanos patience = 0;
  std::vector<std::string> moved;  // sessions
  size_t open = 0;                 // not heard of yet
  uint64_t bytes = 0;
  std::optional<base::Error> why;  // the first that did not
  base::Nanos began = base::monotonic_now();
};

namespace {

constexpr uint64_t kMostPatience = 3600;  // seconds

// Without a name: it goes with whoever has it open.
base::Result<Fd> nameless_file(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) return fd;
  std::string path = folder + "/swapped-XXXXXX";  // a file system without such files
  fd = Fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_errno("a file for what leaves the card, in " + folder);
  ::unlink(path.c_str());
  return fd;
}

base::Result<remote::WorkerOrder> order_for(OrderWord word, Residency to, base::Nanos patience,
                                            const std::string& folder) {
  remote::WorkerOrder order{word, patience, {}};
  if (word == OrderWord::kSwapOut && to == Residency::kDisk) {
    FLEXAI_TRY_ASSIGN(order.file, nameless_file(folder));
  }
  return order;
}

}  // namespace

// What stands in the way of moving it, as far as can be known before.
base::Status Api::may_move(const SliceEntry& entry) const {
  for (pid_t pid : attachments_->of_slice(entry.id)) {
    bool worker = false;
    for (const auto& [name, session] : sessions_->all()) worker |= session.pid == pid;
    if (!worker)
      return fail(Code::kConflict,
                  "process " + std::to_string(pid) + " in slice " + entry.slice.name +
                      " uses the card directly, so its memory cannot be taken from it; start such "
                      "programs with `flexai run --isolation served`, or pause the slice");
  }
  for (const std::string& name : sessions_->of_slice(entry.id)) {
    const Run* run = runs_->by_id(sessions_->all().at(name).run);
    if (run != nullptr && run->stored.slices.size() > 1)
      return fail(Code::kUnsupported,
                  "a program in slice " + entry.slice.name +
                      " uses several slices; only programs with one can be swapped");
  }
  return {};
}

// For whoever tells slices what to do without a call.
void Api::move_slice(const std::string& name, Residency to, base::Nanos patience,
                     std::function<void(base::Status)> done) {
  SliceEntry* entry = slices_->by_name(name);
  if (entry == nullptr) return done(fail(Code::kNotFound, "no slice \"" + name + "\""));
  if (entry->moving)
    return done(fail(Code::kUnavailable, "slice " + name + " is on its way already"));
  if (entry->slice.residency == to) return done({});
  base::Status sound = to == Residency::kCard ? base::Status() : may_move(*entry);
  if (sound.ok()) sound = slices_->begin_move(entry, to);
  if (!sound.ok()) return done(sound);
  auto move = std::make_shared<Move>();
  move->done = [done = std::move(done)](base::Result<json> result) {
    done(result.ok() ? base::Status() : base::Status(result.error()));
  };
  move->slice = entry->id;
  move->from = to == Residency::kCard ? Residency::kMemory : Residency::kCard;
  move->to = to;
  move->patience = patience;
  order_all(move, to == Residency::kCard ? OrderWord::kSwapIn : OrderWord::kSwapOut);
}

namespace {
std::function<void(base::Result<json>)> answer_to(const Api::Reply& reply) {
  return [reply](base::Result<json> result) {
    if (!result.ok()) return reply->finish(result.error());
    reply->finish(Answer{200, "", "", *result});
  };
}
}  // namespace

void Api::post_swap(const Request& call, const Reply& reply) {
  auto entry = owned_slice(*call);
  if (!entry.ok()) return reply->finish(entry.error());
  model::JsonRules strict;
  strict.null_is_absent = false;
  model::JsonReader fields(call->body, strict);
  const std::string to = fields.text("to", 20).value_or("memory");
  const uint64_t seconds = fields.number("timeout_seconds", kMostPatience).value_or(10);
  base::Status sound = fields.finish();
  auto residency = model::parse_residency(to);
  if (sound.ok() && (!residency.ok() || *residency == Residency::kCard))
    sound = fail(Code::kInvalid, "field \"to\" must be memory or disk");
  if (sound.ok() && (*entry)->slice.residency != Residency::kCard)
    sound = fail(Code::kConflict, "slice " + (*entry)->slice.name +
                                      " is swapped out already; `flexai slice resume` brings it "
                                      "back");
  if (sound.ok()) sound = may_move(**entry);
  if (sound.ok()) sound = slices_->begin_move(*entry, *residency);
  if (!sound.ok()) return reply->finish(sound.error());
  auto move = std::make_shared<Move>();
  move->done = answer_to(reply);
  move->slice = (*entry)->id;
  move->to = *residency;
  move->patience = static_cast<base::Nanos>(seconds) * base::kSecond;
  order_all(move, OrderWord::kSwapOut);
}

// Also of a slice that is only paused, or neither.
void Api::post_resume(const Request& call, const Reply& reply) {
  auto entry = owned_slice(*call);
  if (!entry.ok()) return reply->finish(entry.error());
  model::JsonReader fields(call->body);
  base::Status sound = fields.finish();
  auto move = std::make_shared<Move>();
  move->done = answer_to(reply);
  move->slice = (*entry)->id;
  move->from = (*entry)->slice.residency;
  if (sound.ok() && move->from != Residency::kCard)
    sound = slices_->begin_move(*entry, Residency::kCard);
  if (!sound.ok()) return reply->finish(sound.error());
  if (move->from == Residency::kCard) return finish_move(move);
  order_all(move, OrderWord::kSwapIn);
}

void Api::order_all(const std::shared_ptr<Move>& move, OrderWord word) {
  const auto names = sessions_->of_slice(move->slice);
  move->open = names.size();
  if (names.empty()) return finish_move(move);
  for (const std::string& name : names) {
    auto order = order_for(word, move->to, move->patience, sessions_->config().state);
    auto done = [this, move, name](base::Result<uint64_t> moved) { heard(move, name, moved); };
    if (order.ok())
      sessions_->order(name, std::move(*order), done);
    else
      loop_->post([done, why = order.error()] { done(why); });
  }
}

void Api::heard(const std::shared_ptr<Move>& move, const std::string& session,
                const base::Result<uint64_t>& moved) {
  const bool there = sessions_->all().count(session) != 0;  // one that has ended has no bytes
  if (moved.ok()) {
    move->bytes += *moved;
    move->moved.push_back(session);
  } else if (there && !move->why) {
    move->why = moved.error();
  }
  if (--move->open != 0) return;
  if (!move->why) return finish_move(move);
  // All or nothing: those that have moved go back.
  const OrderWord back = move->to == Residency::kCard ? OrderWord::kSwapOut : OrderWord::kSwapIn;
  for (const std::string& name : move->moved) {
    auto order = order_for(back, move->from, 10 * base::kSecond, sessions_->config().state);
    if (order.ok()) sessions_->order(name, std::move(*order), [](base::Result<uint64_t>) {});
  }
  finish_move(move);
}

void Api::finish_move(const std::shared_ptr<Move>& move) {
  SliceEntry* entry = slices_->by_id(move->slice);
  if (entry == nullptr) return move->done(fail(Code::kNotFound, "the slice was deleted meanwhile"));
  if (entry->moving) slices_->end_move(entry, move->why ? move->from : move->to);
  if (move->why) return move->done(*move->why);
  if (move->to == Residency::kCard && entry->slice.paused) {
    SliceChange change;
    change.paused = false;
    auto changed = slices_->set(entry->slice.name, change);
    if (!changed.ok()) return move->done(changed.error());
  }
  json facts = slice_facts(*entry);
  facts["moved_bytes"] = move->bytes;
  facts["took_ms"] = static_cast<double>(base::monotonic_now() - move->began) / 1e6;
  move->done(std::move(facts));
}

}  // namespace flexai::agent
