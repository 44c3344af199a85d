#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "agent/admission.h"
#include "agent/api.h"
#include "agent/explain.h"
#include "agent/metrics.h"
#include "model/json.h"

#ifndef FLEXAI_VERSION
#error "the build gives the version"
#endif

namespace flexai::agent {

using base::Code;
using base::fail;
using nlohmann::json;

base::Result<base::Nanos> wait_of(const Call& call, int most_seconds);  // api.cc

namespace {

constexpr uint64_t kMaxSequence = 100'000'000'000'000'000;

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const SliceUse* use_of(const CardUse& card, uint64_t id) {
  for (const SliceUse& use : card.slices)
    if (use.id == id) return &use;
  return nullptr;
}

json slice_line(const SliceEntry& entry, const SliceUse& use) {
  return json{{"name", entry.slice.name},
              {"card", entry.slice.card},
              {"owner_uid", entry.slice.owner_uid},
              {"qos", model::qos_name(entry.slice.qos)},
              {"priority", model::priority_name(entry.slice.priority)},
              {"paused", entry.slice.paused},
              {"residency", model::residency_name(entry.slice.residency)},
              {"promised_milli",
               entry.slice.qos == model::Qos::kBestEffort ? 0 : entry.slice.compute_milli},
              {"ceiling_milli", entry.slice.ceiling_milli},
              {"got_1s", use.got_1s},
              {"got_10s", use.got_10s},
              {"memory_used_bytes", use.memory_used},
              {"memory_peak_bytes", use.memory_peak},
              {"memory_limit_bytes", entry.slice.memory_bytes},
              {"charged_ns", use.use.charged},
              {"credit_ns", use.use.credit},
              {"lease_wait_ns", use.use.lease_wait},
              {"ceiling_wait_ns", use.use.throttled},
              {"leases", use.use.leases},
              {"revoked", use.use.revoked},
              {"holder", use.holder},
              {"waiting", use.waiting},
              {"in_flight", use.in_flight},
              {"waited_ns", use.waited},
              {"throttled_ns", use.throttled},
              {"launches", use.launches},
              {"copies", use.copies},
              {"refused_allocations", use.refused_allocations},
              {"processes", use.processes}};
}

json event_json(const Event& event) {
  return json{{"sequence", event.sequence},
              {"time_ms", event.time_ms},
              {"kind", event.kind},
              {"subject", event.subject},
              {"message", event.message}};
}

}  // namespace

json Api::card_facts(const Card& card) const {
  Room room = room_of(card.device.id, slices_->values());
  json facts = model::to_json(card.device);
  facts["slices"] = room.slices;
  facts["granted_milli"] = room.granted_milli;
  facts["free_milli"] = card.device.healthy ? room.free_milli() : 0;
  facts["granted_memory_bytes"] = room.granted_bytes;
  facts["free_memory_bytes"] = card.device.healthy ? room.free_bytes(card.device) : 0;
  return facts;
}

void Api::get_devices(const Request&, const Reply& reply) {
  slices_->retry_cards();
  json list = json::array();
  for (const Card& card : cards_->all()) list.push_back(card_facts(card));
  reply->finish(Answer{200, "", "", json{{"devices", list}}});
}

void Api::get_top(const Request&, const Reply& reply) {
  json cards = json::array(), slices = json::array();
  for (const Card& card : cards_->all()) {
    CardUse use;
    if (card.arbiter != nullptr) use = card.arbiter->snapshot();
    json facts = {{"id", card.device.id},
                  {"healthy", card.device.healthy},
                  {"memory_bytes", card.device.memory_bytes},
                  {"got_1s", use.got_1s},
                  {"got_10s", use.got_10s},
                  {"arbiter_steps", use.steps},
                  {"scheduling", use.scheduling}};
    uint64_t used = 0;
    for (const SliceUse& one : use.slices) {
      used += one.memory_used;
      if (SliceEntry* entry = slices_->by_id(one.id)) slices.push_back(slice_line(*entry, one));
    }
    Room room = room_of(card.device.id, slices_->values());
    facts["memory_used_bytes"] = used;
    facts["granted_milli"] = room.granted_milli;
    facts["granted_memory_bytes"] = room.granted_bytes;
    cards.push_back(facts);
  }
  reply->finish(
      Answer{200, "", "", json{{"time_ms", now_ms()}, {"cards", cards}, {"slices", slices}}});
}

void Api::get_events(const Request& call, const Reply& reply) {
  auto wait = wait_of(*call, 300);
  if (!wait.ok()) return reply->finish(wait.error());
  uint64_t since = 0;
  auto it = call->query.find("since");
  if (it != call->query.end()) {
    const std::string& text = it->second;
    bool digits = !text.empty() && text.size() <= 18 &&
                  text.find_first_not_of("0123456789") == std::string::npos;
    since = digits ? std::stoull(text) : UINT64_MAX;
    if (since > kMaxSequence)
      return reply->finish(fail(Code::kInvalid, "query \"since\" must be a sequence number"));
  }
  auto finish = [this, reply, since] {
    json list = json::array();
    for (const Event& event : events_->since(since)) list.push_back(event_json(event));
    reply->finish(Answer{
        200, "", "",
        json{{"events", list}, {"next", events_->last()}, {"incarnation", identity_.incarnation}}});
  };
  if (*wait == 0 || since != events_->last()) return finish();
  uint64_t waiter = events_->on_next(finish);
  auto timer = loop_->at(base::monotonic_now() + *wait, [this, waiter, finish] {
    events_->cancel(waiter);
    finish();
  });
  reply->on_cancel = [this, waiter, timer] {
    events_->cancel(waiter);
    loop_->cancel(timer);
  };
}

void Api::get_agent(const Request&, const Reply& reply) {
  reply->finish(
      Answer{200, "", "",
             json{{"version", FLEXAI_VERSION},
                  {"pid", ::getpid()},
                  {"uid", ::geteuid()},
                  {"form", identity_.form},
                  {"incarnation", identity_.incarnation},
                  {"socket", identity_.socket},
                  {"attach_socket", identity_.attach_socket},
                  {"uptime_seconds", (base::monotonic_now() - identity_.started) / base::kSecond},
                  {"cards", cards_->all().size()},
                  {"slices", slices_->all().size()},
                  {"runs", runs_->all().size()},
                  {"processes", attachments_->count()}}});
}

void Api::get_health(const Request&, const Reply& reply) {
  reply->finish(Answer{200, "ok\n", "text/plain", nullptr});
}

std::string Api::metrics() {
  std::vector<CardMetrics> cards;
  for (const Card& card : cards_->all())
    cards.push_back(CardMetrics{card.device, room_of(card.device.id, slices_->values()),
                                card.arbiter != nullptr ? card.arbiter->snapshot() : CardUse{}});
  std::vector<SliceMetrics> slices;
  for (const auto& [id, entry] : slices_->all()) {
    SliceMetrics one{entry->slice, nullptr};
    for (const CardMetrics& card : cards)
      if (const SliceUse* use = use_of(card.use, id)) one.use = use;
    slices.push_back(one);
  }
  AgentMetrics agent{identity_.incarnation, runs_->all().size(), attachments_->count(),
                     line_.size()};
  return metrics_text(cards, slices, agent);
}

void Api::get_metrics(const Request&, const Reply& reply) {
  reply->finish(Answer{200, metrics(), "text/plain; version=0.0.4; charset=utf-8", nullptr});
}

void Api::get_explain(const Request& call, const Reply& reply) {
  SliceEntry* entry = slices_->by_name(call->names[0]);
  if (entry == nullptr)
    return reply->finish(fail(Code::kNotFound, "no slice \"" + call->names[0].substr(0, 63) +
                                                   "\"; see `flexai slice list`"));
  Card* card = slices_->card_of(*entry);
  CardUse use;
  const SliceUse* own = nullptr;
  if (card != nullptr && card->arbiter != nullptr) {
    use = card->arbiter->snapshot();
    own = use_of(use, entry->id);
  }
  auto lines = explain(entry->slice, own, &use, entry->trouble);
  json answer = {{"name", entry->slice.name}, {"lines", lines}};
  if (own != nullptr) answer["use"] = slice_line(*entry, *own);
  reply->finish(Answer{200, "", "", answer});
}

}  // namespace flexai::agent
